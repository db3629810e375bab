#include "thalweg/molecules/z_matrix.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/table.h"

namespace thalweg {
namespace {

using Neighbours = std::vector<std::vector<std::int32_t>>;

Neighbours neighbours_of(std::int64_t atoms, std::span<const AtomPair> bonds) {
  Neighbours result(static_cast<std::size_t>(atoms));
  for (const auto& [a, b] : bonds) {
    result[static_cast<std::size_t>(a)].push_back(b);
    result[static_cast<std::size_t>(b)].push_back(a);
  }
  for (auto& list : result) std::ranges::sort(list);
  return result;
}

/// Steps along bonds from `start` to each atom; -1 where there is no way.
std::vector<std::int64_t> steps_from(std::int32_t start, const Neighbours& neighbours) {
  std::vector<std::int64_t> steps(neighbours.size(), -1);
  std::vector<std::int32_t> queue = {start};
  steps[static_cast<std::size_t>(start)] = 0;
  for (std::size_t next = 0; next < queue.size(); ++next)
    for (const std::int32_t other : neighbours[static_cast<std::size_t>(queue[next])])
      if (auto& own = steps[static_cast<std::size_t>(other)]; own < 0) {
        own = steps[static_cast<std::size_t>(queue[next])] + 1;
        queue.push_back(other);
      }
  return steps;
}

/// The atom from which the farthest one is nearest.
std::int32_t middle_atom(const Neighbours& neighbours, const std::string& source) {
  std::int32_t best = 0;
  std::int64_t least = -1;
  for (std::size_t atom = 0; atom < neighbours.size(); ++atom) {
    if (neighbours[atom].size() < 2) continue;
    const std::vector<std::int64_t> steps = steps_from(static_cast<std::int32_t>(atom), neighbours);
    if (const auto lost = std::ranges::find(steps, -1); lost != steps.end())
      fail<DataError>(
          "{}: no chain of bonds joins atoms {} and {}: internal coordinates are of one molecule, "
          "all of whose atoms are bonded",
          source, atom, lost - steps.begin());
    const std::int64_t farthest = std::ranges::max(steps);
    if (least < 0 || farthest < least) {
      least = farthest;
      best = static_cast<std::int32_t>(atom);
    }
  }
  if (least < 0) fail<DataError>("{}: no atom is bonded to two others", source);
  return best;
}

/// References of a row that are there.
std::vector<std::int32_t> references(const ZMatrixRow& row) {
  std::vector<std::int32_t> result;
  for (const std::int32_t other : {row.bond_to, row.angle_to, row.torsion_to})
    if (other >= 0) result.push_back(other);
  return result;
}

void check_row(const ZMatrixRow& row, std::int64_t atoms, const std::string& source) {
  const auto is_atom = [&](std::int32_t number) { return number >= 0 && number < atoms; };
  if (!is_atom(row.atom))
    fail<DataError>("{}: expected atoms from 0 to {}, got {}", source, atoms - 1, row.atom);
  const std::vector<std::int32_t> others = references(row);
  const bool gaps =
      (row.angle_to >= 0 && row.bond_to < 0) || (row.torsion_to >= 0 && row.angle_to < 0);
  std::set<std::int32_t> different(others.begin(), others.end());
  different.insert(row.atom);
  if (gaps || different.size() != others.size() + 1 || !std::ranges::all_of(others, is_atom))
    fail<DataError>(
        "{}: atom {}: expected up to three other atoms from 0 to {} to be placed by, got {} {} {}",
        source, row.atom, atoms - 1, row.bond_to, row.angle_to, row.torsion_to);
}

/// Covalent radii in nm (Cordero et al. 2008).
double covalent_radius(const AtomLabel& atom, const std::string& source) {
  static const std::map<std::string, double> radii = {
      {"H", 0.031},  {"C", 0.076},  {"N", 0.071},  {"O", 0.066},  {"F", 0.057},
      {"P", 0.107},  {"S", 0.105},  {"CL", 0.102}, {"SI", 0.111}, {"B", 0.084},
      {"BR", 0.120}, {"SE", 0.120}, {"I", 0.139}};
  std::string element = atom.element;
  for (char& letter : element)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  const auto found = radii.find(element);
  if (found == radii.end())
    fail<DataError>(
        "{}: atom {}: the covalent radius of element '{}' is not known, so that bonds cannot be "
        "told from distances: give a system or a z-matrix",
        source, atom.name, atom.element);
  return found->second;
}

}  // namespace

std::vector<ZMatrixRow> complete_z_matrix(std::vector<ZMatrixRow> rows, std::int64_t atoms,
                                          std::span<const AtomPair> bonds,
                                          const std::string& source) {
  if (atoms < 3)
    fail<DataError>("{}: expected at least 3 atoms for internal coordinates, got {}", source,
                    atoms);
  std::vector<bool> has_row(static_cast<std::size_t>(atoms), false);
  for (const ZMatrixRow& row : rows) {
    check_row(row, atoms, source);
    if (has_row[static_cast<std::size_t>(row.atom)])
      fail<DataError>("{}: atom {} has two rows", source, row.atom);
    has_row[static_cast<std::size_t>(row.atom)] = true;
  }
  std::vector<std::int32_t> anchors;
  for (std::int32_t atom = 0; atom < atoms; ++atom)
    if (!has_row[static_cast<std::size_t>(atom)]) anchors.push_back(atom);
  // Anchors follow each other along bonds as far as these go.
  const Neighbours neighbours = neighbours_of(atoms, bonds);
  const auto bonded = [&](std::int32_t a, std::int32_t b) {
    return std::ranges::binary_search(neighbours[static_cast<std::size_t>(a)], b);
  };
  std::vector<std::int32_t> placed;
  std::vector<ZMatrixRow> ordered;
  while (!anchors.empty()) {
    const auto next = std::ranges::find_if(anchors, [&](std::int32_t atom) {
      return std::ranges::any_of(placed, [&](std::int32_t other) { return bonded(atom, other); });
    });
    const std::int32_t atom = next == anchors.end() ? anchors.front() : *next;
    std::erase(anchors, atom);
    ZMatrixRow row{.atom = atom};
    // Each reference is bonded to the one before, if any is.
    for (std::int32_t* reference : {&row.bond_to, &row.angle_to, &row.torsion_to}) {
      const std::int32_t from = reference == &row.bond_to    ? row.atom
                                : reference == &row.angle_to ? row.bond_to
                                                             : row.angle_to;
      std::int32_t chosen = -1;
      for (const std::int32_t other : placed) {
        const bool taken = other == row.bond_to || other == row.angle_to;
        if (!taken && (chosen < 0 || (bonded(from, other) && !bonded(from, chosen))))
          chosen = other;
      }
      *reference = chosen;
    }
    ordered.push_back(row);
    placed.push_back(atom);
  }
  std::vector<bool> is_placed(static_cast<std::size_t>(atoms), false);
  for (const std::int32_t atom : placed) is_placed[static_cast<std::size_t>(atom)] = true;
  while (!rows.empty()) {
    const std::size_t needed = std::min<std::size_t>(ordered.size(), 3);
    const auto ready = std::ranges::find_if(rows, [&](const ZMatrixRow& row) {
      const std::vector<std::int32_t> others = references(row);
      return others.size() == needed && std::ranges::all_of(others, [&](std::int32_t other) {
               return is_placed[static_cast<std::size_t>(other)];
             });
    });
    if (ready == rows.end())
      fail<DataError>(
          "{}: atom {} cannot be placed: expected {} reference{}, all of them to atoms that are "
          "placed before it, got {} {} {}",
          source, rows.front().atom, needed, needed == 1 ? "" : "s", rows.front().bond_to,
          rows.front().angle_to, rows.front().torsion_to);
    ordered.push_back(*ready);
    is_placed[static_cast<std::size_t>(ready->atom)] = true;
    rows.erase(ready);
  }
  return ordered;
}

ZMatrix read_z_matrix(const std::string& path, std::int64_t atoms,
                      std::span<const AtomPair> bonds) {
  const Table table = load_table(path);
  const std::vector<std::string> expected = {"atom", "bond_to", "angle_to", "dihedral_to"};
  if (table.names != expected)
    fail<DataError>("{}: expected the columns {}, got {}", path, fmt::join(expected, ", "),
                    fmt::join(table.names, ", "));
  std::vector<ZMatrixRow> rows;
  for (std::size_t i = 0; i < table.values.size(); i += 4) {
    std::array<std::int32_t, 4> numbers{};
    for (std::size_t k = 0; k < 4; ++k) {
      const double value = table.values[i + k];
      if (!(value >= -1.0 && value < 1e9 && value == std::floor(value)))
        fail<DataError>("{}: row {}: expected numbers of atoms, from 0, or -1, got {}", path,
                        i / 4 + 1, value);
      numbers[k] = static_cast<std::int32_t>(value);
    }
    rows.push_back({numbers[0], numbers[1], numbers[2], numbers[3]});
  }
  const std::int64_t given = std::ssize(rows);
  return {complete_z_matrix(std::move(rows), atoms, bonds, path), atoms - given};
}

std::vector<ZMatrixRow> make_z_matrix(std::int64_t atoms, std::span<const AtomPair> bonds,
                                      const std::string& source) {
  if (atoms < 3)
    fail<DataError>("{}: expected at least 3 atoms for internal coordinates, got {}", source,
                    atoms);
  const Neighbours neighbours = neighbours_of(atoms, bonds);
  const auto of = [&](std::int32_t atom) -> const std::vector<std::int32_t>& {
    return neighbours[static_cast<std::size_t>(atom)];
  };
  const std::int32_t root = middle_atom(neighbours, source);
  // Atoms that lead on come first, so that siblings are placed against one that does.
  std::vector<std::int32_t> queue = {root}, parent(neighbours.size(), -1);
  std::vector<std::vector<std::int32_t>> children(neighbours.size());
  for (std::size_t next = 0; next < queue.size(); ++next) {
    std::vector<std::int32_t> found;
    for (const std::int32_t other : of(queue[next]))
      if (other != root && parent[static_cast<std::size_t>(other)] < 0) found.push_back(other);
    std::ranges::stable_sort(found, std::greater<>(),
                             [&](std::int32_t atom) { return of(atom).size(); });
    for (const std::int32_t child : found) {
      parent[static_cast<std::size_t>(child)] = queue[next];
      children[static_cast<std::size_t>(queue[next])].push_back(child);
      queue.push_back(child);
    }
  }
  std::vector<ZMatrixRow> rows = {{.atom = root}};
  for (std::size_t next = 1; next < queue.size(); ++next) {
    const std::int32_t atom = queue[next], above = parent[static_cast<std::size_t>(atom)];
    const std::vector<std::int32_t>& siblings = children[static_cast<std::size_t>(above)];
    const std::int32_t first = siblings.front();
    ZMatrixRow row{.atom = atom, .bond_to = above};
    if (above == root) {
      // At the root the first two children stand for what is farther up.
      if (atom != first) row.angle_to = first;
      if (siblings.size() > 2 && atom != first && atom != siblings[1]) row.torsion_to = siblings[1];
    } else {
      const std::int32_t beyond = parent[static_cast<std::size_t>(above)];
      row.angle_to = beyond;
      if (atom != first) {
        row.torsion_to = first;
      } else if (beyond != root) {
        row.torsion_to = parent[static_cast<std::size_t>(beyond)];
      } else {
        const std::vector<std::int32_t>& others = children[static_cast<std::size_t>(root)];
        row.torsion_to = others.front() == above ? others[1] : others.front();
      }
    }
    rows.push_back(row);
  }
  return complete_z_matrix(std::move(rows), atoms, bonds, source);
}

bool is_improper(const ZMatrixRow& row, std::span<const AtomPair> bonds) {
  if (row.torsion_to < 0) return false;
  const AtomPair pair = std::minmax(row.bond_to, row.torsion_to);
  return std::ranges::find(bonds, pair) != bonds.end();
}

std::vector<AtomPair> bonds_of(const MolecularSystem& system) {
  std::set<AtomPair> pairs;
  for (const HarmonicBond& bond : system.bonds)
    pairs.insert(std::minmax(bond.atoms[0], bond.atoms[1]));
  return {pairs.begin(), pairs.end()};
}

std::vector<AtomPair> bonds_by_distance(std::span<const AtomLabel> atoms,
                                        std::span<const double> positions,
                                        const std::string& source) {
  constexpr double kSlack = 1.3;
  std::vector<AtomPair> pairs;
  std::vector<double> radii;
  for (const AtomLabel& atom : atoms) radii.push_back(covalent_radius(atom, source));
  for (std::size_t i = 0; i < atoms.size(); ++i)
    for (std::size_t j = i + 1; j < atoms.size(); ++j) {
      const double apart = std::hypot(positions[3 * i] - positions[3 * j],
                                      positions[3 * i + 1] - positions[3 * j + 1],
                                      positions[3 * i + 2] - positions[3 * j + 2]);
      const bool hydrogens = atoms[i].element == "H" && atoms[j].element == "H";
      if (!hydrogens && apart < kSlack * (radii[i] + radii[j]))
        pairs.emplace_back(static_cast<std::int32_t>(i), static_cast<std::int32_t>(j));
    }
  return pairs;
}

void check_z_matrix_bonds(std::span<const ZMatrixRow> rows, std::span<const AtomPair> bonds,
                          std::span<const std::string> names, const std::string& source) {
  const auto called = [&](std::int32_t atom) {
    const std::string& name = names[static_cast<std::size_t>(atom)];
    return name.starts_with('#') ? fmt::format("{}", atom) : fmt::format("{} ({})", atom, name);
  };
  for (const ZMatrixRow& row : rows) {
    const AtomPair pair = std::minmax(row.atom, row.bond_to);
    if (row.bond_to >= 0 && std::ranges::find(bonds, pair) == bonds.end())
      fail<DataError>(
          "{}: atom {} is placed by its distance from {}, to which it is not bonded: the z-matrix "
          "is of another molecule, or its atoms are in another order",
          source, called(row.atom), called(row.bond_to));
  }
}

std::string text_of(const ZMatrixRow& row) {
  std::string text = fmt::format("{}", row.atom);
  for (const std::int32_t other : references(row)) text += fmt::format(" {}", other);
  return text;
}

ZMatrixRow z_matrix_row(const std::string& text) {
  std::vector<std::int32_t> numbers;
  const char *at = text.data(), *end = at + text.size();
  while (at < end) {
    if (*at == ' ') {
      ++at;
      continue;
    }
    std::int32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0) break;
    numbers.push_back(number);
    at = next;
  }
  if (at < end || numbers.empty() || numbers.size() > 4)
    fail<ConfigError>(
        "molecule.rows: '{}': expected an atom and up to three that it is placed by, as "
        "\"10 8 6 14\"",
        text);
  numbers.resize(4, -1);
  return {numbers[0], numbers[1], numbers[2], numbers[3]};
}

std::vector<std::string> atom_names(std::span<const AtomLabel> atoms, std::int64_t count) {
  std::vector<std::string> names;
  std::map<std::string, int> times;
  const bool chains = has_chains(atoms);
  for (const AtomLabel& atom : atoms) {
    names.push_back(fmt::format("{}{}{}:{}", chains ? atom.chain + ":" : "", atom.residue_number,
                                atom.insertion, atom.name));
    ++times[names.back()];
  }
  names.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i].empty() || times[names[i]] > 1) names[i] = fmt::format("#{}", i);
  return names;
}

}  // namespace thalweg

#include "thalweg/molecules/named_system.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/core/text.h"
#include "thalweg/molecules/amber_topology.h"
#include "thalweg/molecules/openmm_system.h"

namespace thalweg {
namespace {

bool is_amber_file(const std::string& path) {
  return path.ends_with(".prmtop") || path.ends_with(".parm7") || path.ends_with(".top");
}

/// Digits in front go to the end.
std::string usual_name(const std::string& name) {
  const std::size_t letters = name.find_first_not_of("0123456789");
  return letters == std::string::npos ? name : name.substr(letters) + name.substr(0, letters);
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

/// The first hydrogen, or other atom, whose mass is of the other kind. Masses may be moved to
/// hydrogens, which leaves these below 5 and others above 2.5.
std::optional<std::size_t> wrong_mass(const NamedSystem& named, bool hydrogen) {
  for (std::size_t i = 0; i < named.atoms.size(); ++i) {
    const std::string& element = named.atoms[i].element;
    const double mass = named.system.masses[i];
    if (!element.empty() && (element == "H") == hydrogen && (hydrogen ? mass > 5.0 : mass < 2.5))
      return i;
  }
  return std::nullopt;
}

}  // namespace

bool is_system_file(const std::string& path) {
  return path.ends_with(".xml") || is_amber_file(path);
}

NamedSystem read_named_system(const std::string& path, const std::string& solvent,
                              const std::string& topology) {
  NamedSystem result;
  if (is_amber_file(path)) {
    AmberTopology amber = read_amber_topology(path, solvent);
    result = {std::move(amber.system), std::move(amber.atoms)};
  } else if (is_system_file(path)) {
    if (solvent != "none")
      fail<ConfigError>("--solvent: an OpenMM System has its own; expected none, got {}", solvent);
    result.system = read_openmm_system(path);
  } else {
    fail<DataError>("{}: expected an OpenMM System (.xml) or an AMBER topology (.prmtop, .parm7)",
                    path);
  }
  if (!topology.empty()) {
    std::vector<AtomLabel> atoms = read_pdb(topology).atoms;
    refuse_other_order(result.atoms, atoms, path, topology);
    result.atoms = std::move(atoms);
  }
  if (!result.atoms.empty() &&
      static_cast<std::int64_t>(result.atoms.size()) != result.system.atoms())
    fail<DataError>("{}: expected the {} atoms of {}, got {}", topology, result.system.atoms(),
                    path, result.atoms.size());
  return result;
}

std::vector<std::string> element_warnings(const NamedSystem& named) {
  for (const bool hydrogen : {true, false})
    if (const auto atom = wrong_mass(named, hydrogen))
      return {fmt::format(
          "atom {} is called {} and has a mass of {:g}: the names are those of another system, or "
          "in another order",
          *atom, named.atoms[*atom].name, named.system.masses[*atom])};
  return {};
}

void refuse_other_elements(const NamedSystem& named, const std::string& source) {
  const auto heavy = wrong_mass(named, true), light = wrong_mass(named, false);
  if (!heavy || !light) return;
  const std::size_t atom = std::min(*heavy, *light);
  fail<DataError>(
      "{}: atom {} is called {} and has a mass of {:g}: the names are in another order than the "
      "system's atoms",
      source, atom, named.atoms[atom].name, named.system.masses[atom]);
}

void refuse_other_order(std::span<const AtomLabel> known, std::span<const AtomLabel> given,
                        const std::string& known_source, const std::string& given_source) {
  const auto names_of = [](std::span<const AtomLabel> atoms) {
    std::vector<std::string> names;
    for (const AtomLabel& atom : atoms) names.push_back(usual_name(atom.name));
    return names;
  };
  std::vector<std::string> own = names_of(known), others = names_of(given);
  const auto [first, second] = std::ranges::mismatch(own, others);
  if (first == own.end() || second == others.end()) return;
  const auto atom = static_cast<std::size_t>(first - own.begin());
  const std::string expected = *first, got = *second;
  std::ranges::sort(own);
  std::ranges::sort(others);
  if (own == others)
    fail<DataError>("{}: atom {} is {}, expected {} as in {}: the atoms are in another order",
                    given_source, atom, got, expected, known_source);
}

void refuse_other_atoms(const std::string& path, std::span<const AtomLabel> topology) {
  const std::vector<AtomLabel> own = read_pdb(path).atoms;
  const auto words = [](const AtomLabel& atom) {
    return fmt::format("{} of {} {}", atom.name, atom.residue, atom.residue_number);
  };
  for (std::size_t i = 0; i < std::min(own.size(), topology.size()); ++i)
    if (!same_atom(own[i], topology[i]))
      fail<DataError>(
          "{}: expected the atoms of the topology in its order, and atom {} is {} there and {} "
          "here",
          path, i, words(topology[i]), words(own[i]));
}

void refuse_overlaps(std::span<const double> positions, std::int64_t atoms,
                     const std::string& path) {
  constexpr double kNear = 0.02;  // nm; a bond to hydrogen has 0.1
  const auto count = static_cast<std::size_t>(atoms), width = 3 * count;
  for (std::size_t frame = 0; frame * width < positions.size(); ++frame) {
    const double* x = &positions[frame * width];
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        double square = 0.0;
        for (std::size_t axis = 0; axis < 3; ++axis)
          square += std::pow(x[3 * i + axis] - x[3 * j + axis], 2);
        if (square < kNear * kNear)
          fail<DataError>(
              "{}: frame {}: atoms {} and {} overlap: they are {:.4f} nm apart, expected "
              "at least {}; are positions in nm?",
              path, frame, j, i, std::sqrt(square), kNear);
      }
  }
}

void refuse_long_bonds(std::span<const double> positions, const MolecularSystem& system,
                       const std::string& path) {
  constexpr double kLong = 3.0;  // Angstroms for nm give 10
  const auto width = static_cast<std::size_t>(3 * system.atoms());
  for (std::size_t frame = 0; frame * width < positions.size(); ++frame) {
    std::vector<double> stretched;
    for (const HarmonicBond& bond : system.bonds) {
      if (!(bond.length > 0.0)) continue;
      const double* x = &positions[frame * width];
      const double *a = x + 3 * bond.atoms[0], *b = x + 3 * bond.atoms[1];
      stretched.push_back(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) / bond.length);
    }
    if (stretched.empty()) return;
    if (const double typical = median(std::move(stretched)); typical > kLong)
      fail<DataError>(
          "{}: frame {}: bonds are {:.1f} times as long as they should be; are positions in nm, "
          "and atoms in the system's order?",
          path, frame, typical);
  }
}

std::string text_of(const AtomLabel& atom) {
  return fmt::format("{} {} {}{} {} {}", or_dash(atom.name), or_dash(atom.residue),
                     atom.residue_number, atom.insertion, or_dash(atom.element),
                     or_dash(atom.chain));
}

AtomLabel atom_label(const std::string& text) {
  std::vector<std::string> parts = split(text, ' ');
  AtomLabel atom;
  const auto refuse = [&] {
    fail<ConfigError>(
        "molecule.atoms: '{}': expected name, residue, its number, element and chain, as "
        "\"CA ALA 2 C A\"",
        text);
  };
  if (parts.size() != 5) refuse();
  for (std::string& part : parts)
    if (part == "-") part.clear();
  const char* end = parts[2].data() + parts[2].size();
  const auto [at, error] = std::from_chars(parts[2].data(), end, atom.residue_number);
  if (error != std::errc() || end - at > 1 ||
      (at != end && std::isalpha(static_cast<unsigned char>(*at)) == 0))
    refuse();
  atom.insertion.assign(at, end);
  atom.name = parts[0];
  atom.residue = parts[1];
  atom.element = parts[3];
  atom.chain = parts[4];
  return atom;
}

bool same_atom(const AtomLabel& a, const AtomLabel& b) {
  return usual_name(a.name) == usual_name(b.name) && a.residue_number == b.residue_number &&
         a.insertion == b.insertion;
}

}  // namespace thalweg

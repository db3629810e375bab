#include "thalweg/io/pdb_file.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/text_lines.h"

namespace thalweg {
namespace {

/// Columns `first` to `last` of a line, from 1 and both included, as the format counts them.
std::string_view columns(std::string_view line, std::size_t first, std::size_t last) {
  if (line.size() < first) return {};
  return trim(line.substr(first - 1, last - first + 1));
}

double number(const TextLines& lines, std::string_view text, const char* what) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
      !std::isfinite(value))
    fail<DataError>("{}: {}: expected a number, got '{}'", lines.place(), what, shown(text));
  return value;
}

/// The letters of a name before it goes on, as H of 1HH3 and C of CA: names of proteins have
/// elements of one letter.
std::string element_of(std::string_view name) {
  for (const char c : name)
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) return {c};
  return "";
}

AtomLabel label_of(const TextLines& lines, std::string_view line) {
  AtomLabel label;
  label.name = columns(line, 13, 16);
  label.residue = columns(line, 18, 20);
  label.chain = columns(line, 22, 22);
  const std::string_view sequence = columns(line, 23, 26);
  if (!sequence.empty()) {
    const auto [end, error] =
        std::from_chars(sequence.data(), sequence.data() + sequence.size(), label.residue_number);
    if (error != std::errc() || end != sequence.data() + sequence.size())
      fail<DataError>("{}: residue: expected a whole number, got '{}'", lines.place(),
                      shown(sequence));
  }
  label.insertion = columns(line, 27, 27);
  label.element = columns(line, 77, 78);
  if (label.element.empty()) label.element = element_of(label.name);
  return label;
}

/// Tells of atoms that are given more than once which to take.
class AlternateLocations {
 public:
  /// Whether an atom at a location, which has none if it is the only one, is to be passed over.
  bool passes(const AtomLabel& label, std::string_view location) {
    const Place residue{label.chain, label.residue_number, label.insertion};
    const auto [first, is_new] = residues_.emplace(residue, label.residue);
    if (location.empty()) return false;
    if (!is_new && first->second != label.residue) return true;
    return !atoms_.emplace(residue, label.name).second;
  }
  void clear() {
    residues_.clear();
    atoms_.clear();
  }

 private:
  using Place = std::tuple<std::string, std::int64_t, std::string>;
  std::map<Place, std::string> residues_;
  std::set<std::pair<Place, std::string>> atoms_;
};

}  // namespace

bool has_chains(std::span<const AtomLabel> atoms) {
  return std::ranges::any_of(
      atoms, [&](const AtomLabel& atom) { return atom.chain != atoms.front().chain; });
}

PdbFile read_pdb(const std::string& path) {
  TextLines lines(path);
  PdbFile file;
  std::size_t model = 0, in_model = 0;
  AlternateLocations alternates;
  const auto end_model = [&] {
    alternates.clear();
    if (in_model == 0) return;
    if (model > 0 && in_model != file.atoms.size())
      fail<DataError>("{}: model {}: expected {} atoms as in the first, got {}", lines.place(),
                      model + 1, file.atoms.size(), in_model);
    ++model;
    in_model = 0;
  };
  for (std::string_view line; lines.next(line);) {
    if (line.starts_with("ENDMDL") || line.starts_with("MODEL")) end_model();
    if (!line.starts_with("ATOM") && !line.starts_with("HETATM")) continue;
    AtomLabel label = label_of(lines, line);
    if (alternates.passes(label, columns(line, 17, 17))) continue;
    if (model == 0) {
      file.atoms.push_back(std::move(label));
    } else if (in_model >= file.atoms.size() || file.atoms[in_model].name != label.name) {
      fail<DataError>("{}: model {}: expected the atoms of the first, got '{}'", lines.place(),
                      model + 1, shown(label.name));
    }
    ++in_model;
    for (const std::size_t first : {31u, 39u, 47u})
      file.positions.push_back(kAngstrom *
                               number(lines, columns(line, first, first + 7), "position"));
  }
  end_model();
  if (file.atoms.empty())
    fail<DataError>("{}: expected a PDB file with ATOM or HETATM records, found none", path);
  return file;
}

void write_pdb(const std::string& path, std::span<const AtomLabel> atoms,
               std::span<const double> positions) {
  const std::size_t row = 3 * atoms.size();
  if (row == 0 || positions.size() % row != 0)
    fail<ShapeError>("{}: expected positions of {} atoms, got {} numbers", path, atoms.size(),
                     positions.size());
  AtomicFile file(path);
  for (std::size_t model = 0; model * row < positions.size(); ++model) {
    file.write(fmt::format("MODEL     {:4}\n", (model + 1) % 10000));
    for (std::size_t i = 0; i < atoms.size(); ++i) {
      const AtomLabel& atom = atoms[i];
      const double* x = &positions[model * row + 3 * i];
      for (int axis = 0; axis < 3; ++axis)
        if (!(x[axis] > -99.9 && x[axis] < 999.9))
          fail<DataError>("{}: atom {}: expected a position from -99.9 to 999.9 nm, got {}", path,
                          i, x[axis]);
      // Names of four letters begin a column earlier.
      const std::string name = atom.name.size() < 4 ? " " + atom.name : atom.name;
      file.write(
          fmt::format("ATOM  {:5} {:<4.4} {:>3.3} {:1.1}{:4}{:1.1}   {:8.3f}{:8.3f}{:8.3f}  1.00  "
                      "0.00          "
                      "{:>2.2}\n",
                      (i + 1) % 100000, name, atom.residue, atom.chain.empty() ? " " : atom.chain,
                      atom.residue_number % 10000, atom.insertion.empty() ? " " : atom.insertion,
                      x[0] / kAngstrom, x[1] / kAngstrom, x[2] / kAngstrom, atom.element));
    }
    file.write("ENDMDL\n");
  }
  file.write("END\n");
  file.commit();
}

}  // namespace thalweg

#include "thalweg/io/xyz_file.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/io/elements.h"
#include "thalweg/io/table.h"
#include "thalweg/io/text_lines.h"

namespace thalweg {
namespace {

constexpr std::size_t kMostAtoms = 1000;

/// The words of a line.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kSpace); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kSpace, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kSpace, end);
  }
  return words;
}

template <typename T>
bool parse(std::string_view text, T& value) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// Columns of molecules of so many atoms.
std::vector<std::string> molecule_columns(std::size_t atoms) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < atoms; ++i)
    for (const char* axis : {"x", "y", "z"}) names.push_back(fmt::format("{}{}", axis, i));
  for (std::size_t i = 0; i < atoms; ++i) names.push_back(fmt::format("species{}", i));
  return names;
}

struct Molecule {
  std::vector<double> positions, species;
};

void require_plain_properties(std::string_view comment, const TextLines& lines) {
  constexpr std::string_view kKey = "Properties=", kWanted = "species:S:1:pos:R:3";
  const std::size_t found = comment.find(kKey);
  if (found == std::string_view::npos) return;
  std::string_view value = comment.substr(found + kKey.size());
  if (value.starts_with('"')) value.remove_prefix(1);
  if (!value.starts_with(kWanted))
    fail<DataError>("{}: expected Properties that begin with {}, got {}", lines.place(), kWanted,
                    value.substr(0, std::min<std::size_t>(value.find(' '), 60)));
}

/// The value of a key of extended XYZ's comment; empty where it is not there.
std::string_view comment_value(std::string_view comment, std::string_view key) {
  const std::size_t found = comment.find(key);
  if (found == std::string_view::npos) return {};
  std::string_view value = comment.substr(found + key.size());
  const bool quoted = value.starts_with('"');
  if (quoted) value.remove_prefix(1);
  return value.substr(0, value.find(quoted ? '"' : ' '));
}

/// Molecules that go through the walls of a box would be torn apart.
void refuse_cell(std::string_view comment, const TextLines& lines) {
  const std::string_view periodic = comment_value(comment, "pbc=");
  const bool free = periodic.empty() ? comment.find("Lattice=") == std::string_view::npos
                                     : periodic.find_first_of("Tt1") == std::string_view::npos;
  if (!free)
    fail<DataError>(
        "{}: expected free molecules, got a periodic cell; make molecules whole and take Lattice "
        "and pbc off",
        lines.place());
}

Molecule read_molecule(TextLines& lines, std::size_t atoms) {
  std::string_view line;
  const auto next = [&](std::size_t done) {
    if (!lines.next(line))
      fail<DataError>("{}: cut off: expected a comment and {} atoms, got {}", lines.place(), atoms,
                      done);
  };
  next(0);
  require_plain_properties(line, lines);
  refuse_cell(line, lines);
  Molecule molecule;
  for (std::size_t i = 0; i < atoms; ++i) {
    next(i);
    const std::vector<std::string_view> words = words_of(line);
    const int element = words.empty() ? 0 : element_number(words[0]);
    if (element == 0)
      fail<DataError>("{}: expected an atom, an element and x, y and z, got '{}'", lines.place(),
                      line.substr(0, 60));
    for (std::size_t axis = 1; axis < 4; ++axis) {
      double value = 0.0;
      if (axis >= words.size() || !parse(words[axis], value) || !std::isfinite(value))
        fail<DataError>("{}: expected finite numbers x, y and z behind the element, got '{}'",
                        lines.place(), line.substr(0, 60));
      molecule.positions.push_back(value);
    }
    molecule.species.push_back(element);
  }
  return molecule;
}

}  // namespace

bool is_xyz_path(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension == ".xyz" || extension == ".extxyz";
}

Table read_xyz(const std::string& path, std::int64_t places) {
  TextLines lines(path);
  std::vector<Molecule> molecules;
  std::string_view line;
  std::set<int> elements;
  std::size_t most = 0, least = kMostAtoms;
  while (lines.next(line)) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.empty()) continue;
    std::size_t atoms = 0;
    if (words.size() != 1 || !parse(words[0], atoms) || atoms < 1 || atoms > kMostAtoms)
      fail<DataError>("{}: expected the number of a molecule's atoms, 1 to {}, got '{}'",
                      lines.place(), kMostAtoms, line.substr(0, 60));
    molecules.push_back(read_molecule(lines, atoms));
    for (const double species : molecules.back().species)
      elements.insert(static_cast<int>(species));
    most = std::max(most, atoms);
    least = std::min(least, atoms);
  }
  if (places > 0 && most > static_cast<std::size_t>(places))
    fail<DataError>("{}: expected molecules of at most {} atoms, got one of {}", path, places,
                    most);
  if (molecules.empty()) fail<DataError>("{}: expected molecules, got an empty file", path);
  Table table;
  const std::size_t width = places > 0 ? static_cast<std::size_t>(places) : most;
  table.names = table.file_names = molecule_columns(width);
  table.rows = std::ssize(molecules);
  for (Molecule& molecule : molecules) {
    molecule.positions.resize(3 * width, 0.0);
    molecule.species.resize(width, 0.0);
    table.values.insert(table.values.end(), molecule.positions.begin(), molecule.positions.end());
    table.values.insert(table.values.end(), molecule.species.begin(), molecule.species.end());
  }
  std::string kinds;
  for (const int number : elements)
    kinds += fmt::format("{}{}", kinds.empty() ? "" : ", ", element_symbol(number));
  table.notes.push_back(least == most
                            ? fmt::format("molecules of {} atoms: {}", most, kinds)
                            : fmt::format("molecules of {} to {} atoms: {}", least, most, kinds));
  return table;
}

XyzWriter::XyzWriter(const std::string& path, const std::vector<std::string>& names)
    : file_(path), columns_(names.size()), atoms_(names.size() / 4) {
  for (const std::string& name : molecule_columns(std::max<std::size_t>(atoms_, 1))) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end() || 4 * atoms_ != names.size())
      fail<DataError>(
          "{}: a file of molecules has a position and a species of each atom, which these {} "
          "columns are not: write .npy or .csv",
          path, names.size());
    places_.push_back(static_cast<std::size_t>(found - names.begin()));
  }
}

void XyzWriter::append(std::span<const double> rows) {
  std::string text;
  for (std::size_t begin = 0; begin < rows.size(); begin += columns_) {
    const std::span<const double> row = rows.subspan(begin, columns_);
    std::string atoms;
    std::size_t count = 0;
    for (std::size_t i = 0; i < atoms_; ++i) {
      const double species = row[places_[3 * atoms_ + i]];
      if (species == 0.0) continue;
      if (!(species >= 1.0 && species <= kMostElements) || species != std::floor(species))
        fail<DataError>("{}: expected the number of an element as species, got {}", file_.path(),
                        species);
      atoms += fmt::format("{:<2} {:>14.8f} {:>14.8f} {:>14.8f}\n",
                           element_symbol(static_cast<int>(species)), row[places_[3 * i]],
                           row[places_[3 * i + 1]], row[places_[3 * i + 2]]);
      ++count;
    }
    text += fmt::format("{}\nProperties=species:S:1:pos:R:3\n{}", count, atoms);
  }
  file_.write(text);
}

void XyzWriter::finish() { file_.commit(); }

}  // namespace thalweg

#include "thalweg/datasets/uci_source.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg::uci {

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFewestRows = 100;

std::optional<double> scan_number(std::string_view field) {
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

}  // namespace

void split_fields(std::string_view line, char separator, std::vector<std::string_view>& fields) {
  fields.clear();
  const std::string_view separators = separator == ' ' ? " \t" : std::string_view(&separator, 1);
  std::size_t position = 0;
  for (;;) {
    if (separator == ' ') {
      position = line.find_first_not_of(separators, position);
      if (position == std::string_view::npos) return;
    }
    const std::size_t end = std::min(line.find_first_of(separators, position), line.size());
    fields.push_back(line.substr(position, end - position));
    if (end == line.size()) return;
    position = end + 1;
  }
}

double take_number(const TextLines& lines, std::string_view field) {
  if (const auto value = scan_number(field)) return *value;
  fail<DataError>("{}: expected a number, got '{}'; fetch the file again", lines.place(),
                  shown(field));
}

void expect_fields(const TextLines& lines, const std::vector<std::string_view>& fields,
                   std::size_t expected) {
  if (fields.size() != expected)
    fail<DataError>("{}: expected {} fields, got {}; is this the UCI original, and complete?",
                    lines.place(), expected, fields.size());
}

void expect_rows(const std::string& path, std::int64_t rows) {
  if (rows < kFewestRows)
    fail<DataError>("{}: expected at least {} usable rows, got {}", path, kFewestRows, rows);
}

Table load_array(const std::string& path, const std::vector<std::int64_t>& widths) {
  Table table = load_table(path);
  if (std::find(widths.begin(), widths.end(), table.columns()) == widths.end())
    fail<DataError>("{}: expected {} columns, got {}; is it another table?", path,
                    fmt::join(widths, " or "), table.columns());
  if (const auto cell = find_non_finite(table))
    fail<DataError>("{}: row {}, column {}: the value is not finite; remove the row", path,
                    cell->row + 1, cell->column + 1);
  expect_rows(path, table.rows);
  return table;
}

Source::Source(const std::string& from) : from_(from) {
  std::error_code error;
  if (!fs::exists(from, error))
    fail<DataError>("{}: there is no such folder; --from names the one with the files", from);
  is_file_ = !fs::is_directory(from, error);
}

std::optional<std::string> Source::find(const std::vector<std::string>& names) const {
  if (is_file_) {
    if (from_.ends_with(".npy") && names.front() == "data.npy") return from_;
    const std::string own = fs::path(from_).filename().string();
    if (std::find(names.begin(), names.end(), own) != names.end()) return from_;
    return std::nullopt;
  }
  for (const std::string& name : names)
    if (fs::exists(fs::path(from_) / name)) return (fs::path(from_) / name).string();
  return std::nullopt;
}

std::optional<std::string> Source::find_packed(const std::string& name) const {
  return find({name, name + ".gz"});
}

void Source::fail_missing(const UciTable& table) const {
  const std::vector<fs::path> paths = entries();
  for (const fs::path& path : paths) {
    const std::string kind = path.extension().string(), name = path.string();
    if (kind == ".zip")
      fail<DataError>("{}: unpack it first: unzip {} -d {}", name, name,
                      path.parent_path().empty() ? "." : path.parent_path().string());
    if (kind == ".pickle" || kind == ".pkl")
      fail<DataError>(
          "{}: pickles are not read; save the array as data.npy: python3 -c \"import numpy, "
          "pandas; numpy.save('data.npy', pandas.read_pickle('{}')"
          ".drop(columns=['Time', 'Meth', 'Eth'], errors='ignore').to_numpy())\"",
          name, name);
    if (kind == ".hdf5" || kind == ".h5")
      fail<DataError>(
          "{}: HDF5 is not read; save its parts: python3 -c \"import h5py, numpy; f = "
          "h5py.File('{}'); [numpy.save(part + '.npy', f[part]) for part in ('train', "
          "'validation', 'test')]\"",
          name, name);
  }
  fail<DataError>(
      "{}: expected {}, or data.npy, or train.npy, validation.npy and test.npy; found {}", from_,
      table.original, paths.empty() ? "nothing" : paths.front().filename().string());
}

std::vector<fs::path> Source::entries() const {
  if (is_file_) return {from_};
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(from_)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace thalweg::uci

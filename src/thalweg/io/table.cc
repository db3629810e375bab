#include "thalweg/io/table.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "thalweg/core/error.h"
#include "thalweg/io/csv.h"
#include "thalweg/io/csv_fields.h"
#include "thalweg/io/csv_writer.h"
#include "thalweg/io/xyz_file.h"

namespace thalweg {
namespace {

enum class Kind : std::uint8_t { kNpy, kComma, kTab, kMolecules };

std::string extension_of(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

/// Throws DataError for a file of another kind, with what makes a table of it.
[[noreturn]] void fail_reading(const std::string& path) {
  const std::string extension = extension_of(path);
  constexpr std::string_view kRead =
      "expected a .npy (or a slice file.npy[3]), .csv, .tsv or .txt file, or one of the latter "
      "three packed as .gz, or molecules as .xyz";
  constexpr std::array<std::array<std::string_view, 2>, 6> kReaders = {
      {{".parquet", "read_parquet"},
       {".feather", "read_feather"},
       {".xlsx", "read_excel"},
       {".xls", "read_excel"},
       {".pkl", "read_pickle"},
       {".pickle", "read_pickle"}}};
  for (const auto& [kind, reader] : kReaders)
    if (extension == kind)
      fail<DataError>(
          "{}: {}, got '{}'; save it as CSV first: python3 -c \"import pandas; "
          "pandas.{}('{}').to_csv('{}', index=False)\"",
          path, kRead, extension, reader, path,
          std::filesystem::path(path).replace_extension(".csv").string());
  const bool packed = extension == ".gz" || extension == ".zip" || extension == ".npz" ||
                      extension == ".bz2" || extension == ".xz" || extension == ".zst";
  fail<DataError>("{}: {}, got '{}'{}", path, kRead, extension, packed ? "; unpack it first" : "");
}

/// What a path is by its extension; nothing for others.
std::optional<Kind> known_kind(const std::string& path) {
  if (is_npy_path(path)) return Kind::kNpy;
  if (is_xyz_path(path)) return Kind::kMolecules;
  const std::string last = extension_of(path);
  const bool packed = last == ".gz";
  const std::string extension = packed ? extension_of(std::filesystem::path(path).stem()) : last;
  if (extension == ".csv" || extension == ".txt") return Kind::kComma;
  if (extension == ".tsv") return Kind::kTab;
  return std::nullopt;
}

Table table_from_array(const std::string& path, Array array, std::int64_t particle_dimensions) {
  if (array.shape.size() == 3 && particle_dimensions > 0 && array.shape[2] == particle_dimensions)
    array.shape = {array.shape[0], array.shape[1] * particle_dimensions};
  const std::size_t dimensions = array.shape.size();
  if (dimensions == 0) {
    fail<DataError>("{}: expected rows and columns, got a single number; give a larger array",
                    path);
  }
  if (dimensions > 2) {
    fail<DataError>(
        "{}: expected rows and columns, got an array of shape ({}); save it as such, by NumPy's "
        "reshape(len(array), -1), or choose a part by its leading indices, as in '{}[0{}]'{}",
        path, fmt::join(array.shape, ", "), path.substr(0, path.rfind('[')),
        dimensions == 3 ? "" : ",0",
        dimensions == 3 && array.shape[2] > 0 && array.shape[2] <= 3
            ? fmt::format("; positions of {} particles are read with data.particles = {}",
                          array.shape[1], array.shape[2])
            : "");
  }
  Table table;
  table.rows = array.shape[0];
  const std::int64_t columns = dimensions == 1 ? 1 : array.shape[1];
  if (table.rows == 0 || columns == 0) {
    fail<DataError>("{}: expected at least one row and one column, got shape ({})", path,
                    fmt::join(array.shape, ", "));
  }
  table.names = default_names(columns);
  table.file_names = table.names;
  table.values = std::move(array.values);
  table.integer_dtype = array.integer_dtype;
  table.single_precision = array.single_precision;
  return table;
}

std::string_view row_bytes(const Table& table, std::int64_t row) {
  const std::size_t length = table.names.size() * sizeof(double);
  const auto* bytes = reinterpret_cast<const char*>(table.values.data());
  return {bytes + static_cast<std::size_t>(row) * length, length};
}

/// For every row, whether an earlier one has the same bits.
std::vector<bool> repeated_rows(const Table& table) {
  std::unordered_set<std::string_view> seen;
  seen.reserve(static_cast<std::size_t>(table.rows));
  std::vector<bool> repeated(static_cast<std::size_t>(table.rows));
  for (std::int64_t row = 0; row < table.rows; ++row) {
    repeated[static_cast<std::size_t>(row)] = !seen.insert(row_bytes(table, row)).second;
  }
  return repeated;
}

}  // namespace

std::vector<std::string> default_names(std::int64_t columns) {
  std::vector<std::string> names;
  for (std::int64_t column = 0; column < columns; ++column) {
    names.push_back(fmt::format("x{}", column));
  }
  return names;
}

Table load_table(const std::string& path, const ReadOptions& options) {
  const std::optional<Kind> kind = known_kind(path);
  if (!kind) fail_reading(path);
  if (*kind == Kind::kMolecules) return read_xyz(path, options.places);
  if (*kind != Kind::kNpy) return read_csv(path, options);
  Table table = table_from_array(path, read_npy(path), options.particle_dimensions);
  for (const double number : CsvSyntax(options.missing).missing_numbers) {
    const double stored =
        table.single_precision ? static_cast<double>(static_cast<float>(number)) : number;
    std::ranges::replace(table.values, stored, std::numeric_limits<double>::quiet_NaN());
  }
  return table;
}

void save_table(const std::string& path, const Table& table, FloatType type) {
  TableWriter writer(path, table.names, type, table.content);
  writer.append(table.values);
  writer.finish();
}

TableWriter::TableWriter(const std::string& path, const std::vector<std::string>& names,
                         FloatType type, std::vector<ColumnText> content) {
  const std::optional<Kind> kind = known_kind(path);
  if (!kind)
    fail<DataError>(
        "{}: expected a .npy, .csv, .tsv or .txt file to write, or one of the latter three packed "
        "as .gz, or .xyz for molecules, got '{}'",
        path, extension_of(path));
  if (kind == Kind::kMolecules) {
    xyz_ = std::make_unique<XyzWriter>(path, names);
    return;
  }
  if (kind != Kind::kNpy) {
    csv_ = std::make_unique<CsvWriter>(path, names, type, kind == Kind::kTab ? '\t' : ',',
                                       std::move(content));
    return;
  }
  if (path.ends_with(']')) {
    fail<DataError>("{}: a slice cannot be written; give the name of a .npy file", path);
  }
  npy_ = std::make_unique<NpyWriter>(path, static_cast<std::int64_t>(names.size()), type);
}

TableWriter::~TableWriter() = default;

void TableWriter::append(std::span<const double> rows) {
  npy_ ? npy_->append(rows) : csv_ ? csv_->append(rows) : xyz_->append(rows);
}

void TableWriter::finish() { npy_ ? npy_->finish() : csv_ ? csv_->finish() : xyz_->finish(); }

ColumnSummary summarise_column(const Table& table, std::int64_t column) {
  if (column < 0 || column >= table.columns()) {
    fail<ShapeError>("summary of a table: expected a column below {}, got {}", table.columns(),
                     column);
  }
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(table.rows));
  for (std::int64_t row = 0; row < table.rows; ++row) {
    const double value = table.values[static_cast<std::size_t>(row * table.columns() + column)];
    if (std::isfinite(value)) values.push_back(value);
  }
  ColumnSummary summary;
  summary.non_finite = table.rows - static_cast<std::int64_t>(values.size());
  if (values.empty()) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    summary.minimum = summary.maximum = summary.mean = summary.standard_deviation = nan;
    return summary;
  }
  std::sort(values.begin(), values.end());
  const auto count = static_cast<double>(values.size());
  summary.minimum = values.front();
  summary.maximum = values.back();
  summary.is_constant = summary.minimum == summary.maximum;
  summary.is_integer = std::all_of(values.begin(), values.end(),
                                   [](double value) { return value == std::floor(value); });
  summary.distinct = 1;
  for (std::size_t i = 1; i < values.size(); ++i) summary.distinct += values[i] != values[i - 1];
  // Deviations from the first value keep a constant column's mean exact and large offsets harmless.
  double sum = 0.0;
  for (const double value : values) sum += (value - values[0]) / count;
  summary.mean = values[0] + sum;
  double squares = 0.0;
  for (const double value : values) {
    squares += (value - summary.mean) * (value - summary.mean) / count;
  }
  summary.standard_deviation = std::sqrt(squares);
  return summary;
}

std::int64_t count_duplicate_rows(const Table& table) {
  const std::vector<bool> repeated = repeated_rows(table);
  return std::count(repeated.begin(), repeated.end(), true);
}

std::int64_t remove_duplicate_rows(Table& table) {
  const std::vector<bool> repeated = repeated_rows(table);
  const auto columns = static_cast<std::ptrdiff_t>(table.columns());
  auto end = table.values.begin();
  for (std::int64_t row = 0; row < table.rows; ++row) {
    if (repeated[static_cast<std::size_t>(row)]) continue;
    const auto begin = table.values.begin() + static_cast<std::ptrdiff_t>(row) * columns;
    end = begin == end ? begin + columns : std::copy_n(begin, columns, end);
  }
  table.values.erase(end, table.values.end());
  const std::int64_t removed = std::count(repeated.begin(), repeated.end(), true);
  table.rows -= removed;
  return removed;
}

std::optional<Cell> find_non_finite(const Table& table) {
  const auto found = std::find_if(table.values.begin(), table.values.end(),
                                  [](double value) { return !std::isfinite(value); });
  if (found == table.values.end()) return std::nullopt;
  const std::int64_t index = found - table.values.begin();
  return Cell{index / table.columns(), index % table.columns()};
}

}  // namespace thalweg

#include "thalweg/datasets/prepare_data.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/standardisation.h"

namespace thalweg {

namespace {

/// Fewer rows cannot be split and standardised sensibly.
constexpr std::int64_t kFewestRows = 20;

}  // namespace

void bound_columns(std::vector<ColumnOptions>& columns, const DataOptions& options) {
  read_bounds(columns, options.bounds, "data.bounds", false);
  read_bounds(columns, options.periodic, "data.periodic", true);
}

PreparedData prepare_data(const Table& table, const DataOptions& options, std::uint64_t seed,
                          const GivenRows& given_rows) {
  const std::vector<std::string>& names = table.names;
  const std::vector<double>& values = table.values;
  const std::size_t width = names.size();
  const auto rows = static_cast<std::size_t>(table.rows);
  if (given_rows.validation < 0 || given_rows.test < 0 ||
      given_rows.validation + given_rows.test > table.rows)
    fail<ShapeError>("given rows: expected at most {} in all, got {} and {}", table.rows,
                     given_rows.validation, given_rows.test);
  if (options.drop_duplicates && given_rows.validation + given_rows.test > 0)
    fail<ConfigError>(
        "data.drop_duplicates cannot be combined with data.validation and data.test; drop them in "
        "the files");
  const auto condition = column_numbers(names, options.condition, "data.condition");
  auto chosen = column_numbers(names, options.columns, "data.columns");
  if (chosen.empty())
    for (std::size_t column = 0; column < width; ++column)
      if (std::find(condition.begin(), condition.end(), column) == condition.end())
        chosen.push_back(column);
  for (const std::size_t column : chosen)
    if (std::find(condition.begin(), condition.end(), column) != condition.end())
      fail<ConfigError>("data.condition: column '{}' is to be modelled as well; name it once",
                        names[column]);
  column_numbers(names, options.integers, "data.integers");

  PreparedData data;
  std::vector<std::string> constant;
  const auto keep_column = [&](std::size_t column) {
    const double first = rows > 0 ? values[column] : 0.0;
    bool varies = false;
    for (std::size_t row = 0; row < rows; ++row) {
      const double value = values[row * width + column];
      if (!std::isfinite(value))
        fail<DataError>(
            "row {}, column '{}': the value is {}; expected a finite number: remove the row or "
            "fill the value in",
            row + 1, names[column], value);
      if (std::abs(value) > 1e30)
        fail<DataError>(
            "row {}, column '{}': the value {} is too large for single precision; rescale the "
            "column",
            row + 1, names[column], value);
      varies = varies || value != first;
    }
    if (!varies) constant.push_back(names[column]);
    return varies;
  };
  if (rows < static_cast<std::size_t>(kFewestRows))
    fail<DataError>("the data have {} rows; expected at least {} to learn from", rows, kFewestRows);
  std::erase_if(chosen, [&](std::size_t column) { return !keep_column(column); });
  auto given = condition;
  std::erase_if(given, [&](std::size_t column) { return !keep_column(column); });
  for (const std::string& name : constant) {
    if (!options.drop_constant)
      fail<DataError>(
          "column '{}' has a single value and so no density; leave it out with "
          "--drop-constant (data.drop_constant = true){}",
          name, constant.size() == 1 ? "" : fmt::format(", as {} others", constant.size() - 1));
    data.notes.push_back(fmt::format("column '{}' has a single value and is left out", name));
  }
  if (chosen.empty()) fail<DataError>("the data have no column to model");

  for (const std::size_t column : chosen) data.columns.emplace_back().name = names[column];
  for (const std::size_t column : given) data.context_columns.emplace_back().name = names[column];
  bound_columns(data.columns, options);
  for (std::size_t column = 0; column < chosen.size(); ++column) {
    const std::vector<double> of_column = take_column(values, width, chosen[column]);
    const bool declared = std::find(options.integers.begin(), options.integers.end(),
                                    data.columns[column].name) != options.integers.end();
    find_spacing(data.columns[column], of_column, declared, options.find_integers, data.notes);
    check_bounds(data.columns[column], of_column);
  }

  Table kept;
  kept.rows = table.rows;
  for (const auto* numbers : {&chosen, &given})
    for (const std::size_t column : *numbers) kept.names.push_back(names[column]);
  kept.values.reserve(rows * kept.names.size());
  for (std::size_t row = 0; row < rows; ++row)
    for (const auto* numbers : {&chosen, &given})
      for (const std::size_t column : *numbers) kept.values.push_back(values[row * width + column]);
  if (options.drop_duplicates) {
    const std::int64_t dropped = remove_duplicate_rows(kept);
    if (dropped > 0) data.notes.push_back(fmt::format("{} duplicate rows are left out", dropped));
    if (kept.rows < kFewestRows)
      fail<DataError>("the data have {} different rows; expected at least {} to learn from",
                      kept.rows, kFewestRows);
  } else if (const std::int64_t duplicates = count_duplicate_rows(kept); duplicates > 0) {
    data.notes.push_back(fmt::format(
        "{} rows equal an earlier one and may sit in training and test alike; --drop-duplicates "
        "leaves them out",
        duplicates));
  }
  data.rows = kept.rows;
  for (std::size_t begin = 0; begin < kept.values.size(); begin += kept.names.size()) {
    const auto row = kept.values.begin() + static_cast<std::ptrdiff_t>(begin);
    data.x.insert(data.x.end(), row, row + data.features());
    data.context.insert(data.context.end(), row + data.features(),
                        row + static_cast<std::ptrdiff_t>(kept.names.size()));
  }

  std::vector<std::string> spaced;
  for (const ColumnOptions& column : data.columns)
    if (column.integer)
      spaced.push_back(fmt::format("'{}' ({:.4g} apart)", column.name, column.step));
  if (!spaced.empty())
    data.notes.push_back(fmt::format(
        "evenly spaced values in {}: uniform noise fills the gaps in training, and samples are "
        "rounded back",
        fmt::join(spaced, ", ")));
  RowSplit split =
      split_rows(data.rows, options.validation_fraction, options.test_fraction, seed, given_rows);
  data.train = std::move(split.train);
  data.validation = std::move(split.validation);
  data.test = std::move(split.test);
  std::vector<double> train = take_rows(data.x, data.features(), data.train);
  dequantise(train, data.columns, seed);
  for (std::size_t column = 0; column < data.columns.size(); ++column)
    measure(data.columns[column], take_column(train, data.columns.size(), column));
  const std::vector<double> train_context =
      take_rows(data.context, data.context_features(), data.train);
  for (std::size_t column = 0; column < data.context_columns.size(); ++column)
    measure(data.context_columns[column],
            take_column(train_context, data.context_columns.size(), column));
  return data;
}

PreparedData load_prepared_data(const DataOptions& options, std::uint64_t seed) {
  const std::filesystem::path folder = options.path;
  const bool is_folder = std::filesystem::is_directory(folder);
  const auto in_folder = [&](const char* name, const std::string& own) {
    const bool taken = is_folder && own.empty() && std::filesystem::exists(folder / name);
    return taken ? (folder / name).string() : own;
  };
  const std::string train_path = is_folder ? in_folder("train.npy", "") : options.path;
  if (train_path.empty())
    fail<DataError>("{}: expected a file, or a folder with train.npy, validation.npy and test.npy",
                    options.path);
  Table table = load_table(train_path);
  const auto append = [&](const std::string& path) -> std::int64_t {
    if (path.empty()) return 0;
    const Table more = load_table(path);
    if (more.names != table.names)
      fail<DataError>("{}: expected the columns of {} ({}), got {}", path, train_path,
                      fmt::join(table.names, ", "), fmt::join(more.names, ", "));
    // Later checks count rows over all files.
    if (const auto cell = find_non_finite(more))
      fail<DataError>(
          "{}: row {}, column '{}': expected a finite number: remove the row or fill the value in",
          path, cell->row + 1, more.names[static_cast<std::size_t>(cell->column)]);
    table.values.insert(table.values.end(), more.values.begin(), more.values.end());
    table.rows += more.rows;
    return more.rows;
  };
  GivenRows given;
  given.validation = append(in_folder("validation.npy", options.validation));
  given.test = append(in_folder("test.npy", options.test));
  return prepare_data(table, options, seed, given);
}

}  // namespace thalweg

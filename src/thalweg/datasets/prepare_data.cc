#include "thalweg/datasets/prepare_data.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <span>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/reading.h"
#include "thalweg/datasets/rounding.h"
#include "thalweg/datasets/standardisation.h"
#include "thalweg/io/table_texts.h"

namespace thalweg {

namespace {

/// Fewer rows cannot be split and standardised sensibly.
constexpr std::int64_t kFewestRows = 20;

/// What a square in double leaves room for.
constexpr double kLargestValue = 1e150;

void check_values(const std::string& column, const std::vector<double>& values) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (!std::isfinite(value))
      fail<DataError>(
          "row {}, column '{}': the value is {}; expected a finite number: remove the row or "
          "fill the value in",
          row + 1, column, value);
    if (std::abs(value) > kLargestValue)
      fail<DataError>(
          "row {}, column '{}': the value {} is too large to standardise in double; expected at "
          "most {} in magnitude: rescale the column",
          row + 1, column, value, kLargestValue);
  }
}

/// Takes columns with one value in all rows out of `chosen` and `given`, or throws DataError unless
/// `drop`.
void leave_out_constant(const Table& table, bool drop, std::vector<std::size_t>& chosen,
                        std::vector<std::size_t>& given, std::vector<std::string>& notes) {
  struct Constant {
    std::string name;
    double value;
    std::ptrdiff_t others;  ///< rows that hold it but for rounding
  };
  std::vector<Constant> constant;
  for (auto* columns : {&chosen, &given})
    std::erase_if(*columns, [&](std::size_t column) {
      const std::string& name = table.names[column];
      const std::vector<double> values = take_column(table.values, table.names.size(), column);
      check_values(name, values);
      if (!is_constant(values, table.rounding())) return false;
      const auto equal = std::count(values.begin(), values.end(), values.front());
      constant.push_back({name, values.front(), std::ssize(values) - equal});
      return true;
    });
  for (const Constant& column : constant) {
    const std::string what = fmt::format(
        "column '{}' has a single value, {}{}", column.name, column.value,
        column.others == 0 ? "" : fmt::format(" (but for rounding in {} rows)", column.others));
    if (!drop)
      fail<DataError>(
          "{}, and so nothing to learn; leave it out with --drop-constant (data.drop_constant = "
          "true){}",
          what,
          constant.size() == 1 ? "" : fmt::format(", as {} other columns", constant.size() - 1));
    notes.push_back(what + ", and is left out");
  }
}

/// Refuses a column, `width` of which `matrix` has, that varies only where nothing is learnt.
void require_variation(const ColumnOptions& column, std::span<const double> matrix,
                       std::size_t width, std::size_t number, const PreparedData& data,
                       double rounding) {
  const auto values_of = [&](const std::vector<std::int64_t>& rows) {
    return take_column(take_rows(matrix, static_cast<std::int64_t>(width), rows), width, number);
  };
  const std::vector<double> train = values_of(data.train);
  if (!is_constant(train, rounding)) return;
  std::int64_t others = 0;
  for (const auto* rows : {&data.validation, &data.test})
    for (const double value : values_of(*rows))
      others += !is_constant(std::array{train.front(), value}, rounding);
  fail<DataError>(
      "column '{}' has a single value, {}, in all {} rows to train on, and others in {} of the {} "
      "rows to validate and test on alone, so that they cannot be learnt; name columns without it "
      "(--columns, --condition), add rows to train on in which it varies, or draw others (--seed)",
      column.name, train.front(), train.size(), others, data.validation.size() + data.test.size());
}

}  // namespace

void bound_columns(std::vector<ColumnOptions>& columns, const DataOptions& options) {
  read_bounds(columns, options.bounds, options.periodic);
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
  if (rows < static_cast<std::size_t>(kFewestRows))
    fail<DataError>("the data have {} rows; expected at least {} to learn from", rows, kFewestRows);
  auto given = condition;
  leave_out_constant(table, options.drop_constant, chosen, given, data.notes);
  if (chosen.empty()) fail<DataError>("the data have no column to model");

  for (const std::size_t column : chosen) data.columns.emplace_back().name = names[column];
  for (const std::size_t column : given) data.context_columns.emplace_back().name = names[column];
  bound_columns(data.columns, options);
  for (std::size_t column = 0; column < chosen.size(); ++column) {
    const std::vector<double> of_column = take_column(values, width, chosen[column]);
    const bool declared = std::find(options.integers.begin(), options.integers.end(),
                                    data.columns[column].name) != options.integers.end();
    find_spacing(data.columns[column], of_column, declared, options.find_integers, table.rounding(),
                 data.notes);
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
  for (std::size_t column = 0; column < data.columns.size(); ++column)
    require_variation(data.columns[column], data.x, data.columns.size(), column, data,
                      table.rounding());
  for (std::size_t column = 0; column < data.context_columns.size(); ++column)
    require_variation(data.context_columns[column], data.context, data.context_columns.size(),
                      column, data, table.rounding());
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

PreparedData load_prepared_data(const DataOptions& options, std::uint64_t seed,
                                const ReadProgress& progress) {
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
  ReadOptions reading = read_options(options);
  reading.progress = progress;
  Table table = load_table(train_path, reading);
  column_numbers(table.file_names, options.columns, "data.columns");
  column_numbers(table.file_names, options.condition, "data.condition");
  reading.texts = text_columns(table);
  const auto append = [&](const std::string& path) -> std::int64_t {
    if (path.empty()) return 0;
    Table more = load_table(path, reading);
    const std::int64_t rows = more.rows;
    if (more.names != table.names)
      fail<DataError>("{}: expected the columns of {} ({}), got {}", path, train_path,
                      fmt::join(table.names, ", "), fmt::join(more.names, ", "));
    // Later checks count rows over all files.
    if (const auto cell = find_non_finite(more))
      fail<DataError>(
          "{}: row {}, column '{}': expected a finite number: remove the row or fill the value in",
          path, cell->row + 1, more.names[static_cast<std::size_t>(cell->column)]);
    append_rows(table, std::move(more), path);
    return rows;
  };
  GivenRows given;
  given.validation = append(in_folder("validation.npy", options.validation));
  given.test = append(in_folder("test.npy", options.test));
  PreparedData data = prepare_data(table, options, seed, given);
  data.notes.insert(data.notes.begin(), table.notes.begin(), table.notes.end());
  return data;
}

}  // namespace thalweg

#include "thalweg/datasets/prepare_data.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/text.h"

namespace thalweg {

namespace {

/// Fewer rows cannot be split and standardised sensibly.
constexpr std::int64_t kFewestRows = 20;

std::size_t column_number(const std::vector<std::string>& names, const std::string& name,
                          const char* key) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    fail<ConfigError>("{}: unknown column '{}'{}", key, name, name_hint(name, names));
  return static_cast<std::size_t>(found - names.begin());
}

std::vector<std::size_t> column_numbers(const std::vector<std::string>& names,
                                        const std::vector<std::string>& wanted, const char* key) {
  std::vector<std::size_t> numbers;
  for (const std::string& name : wanted) {
    numbers.push_back(column_number(names, name, key));
    if (std::count(numbers.begin(), numbers.end(), numbers.back()) > 1)
      fail<ConfigError>("{}: column '{}' is named twice", key, name);
  }
  return numbers;
}

/// Reads bounds of columns from entries of the key, or the periods where `periodic`.
void read_bounds(std::vector<ColumnOptions>& columns, const std::vector<std::string>& entries,
                 const char* key, bool periodic) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const ColumnOptions& column : columns) names.push_back(column.name);
  for (const std::string& entry : entries) {
    const auto unreadable = [&] {
      fail<ConfigError>("{}: '{}': expected name=lower:upper, as {}", key, entry,
                        periodic ? "phi=-180:180" : "x0=0: or x1=0:1");
    };
    const auto number = [&](std::string_view text, double otherwise) {
      if (text.empty()) return otherwise;
      double value = 0.0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size() || std::isnan(value))
        unreadable();
      return value;
    };
    const std::size_t equals = entry.rfind('=');
    const std::size_t colon = entry.find(':', equals == std::string::npos ? 0 : equals);
    if (equals == std::string::npos || colon == std::string::npos) unreadable();
    ColumnOptions& column = columns[column_number(names, entry.substr(0, equals), key)];
    const std::string_view text = entry;
    column.lower = number(text.substr(equals + 1, colon - equals - 1), -INFINITY);
    column.upper = number(text.substr(colon + 1), INFINITY);
    column.periodic = periodic;
    if (!(column.lower < column.upper))
      fail<ConfigError>("{}: '{}': the lower bound must be below the upper one", key, entry);
    if (periodic && !std::isfinite(column.upper - column.lower)) unreadable();
  }
}

/// The distance of evenly spaced values, of which all their differences are multiples, up to the
/// digits that files are cut to. `values` is sorted and has at least two entries, all different.
std::optional<double> even_step(const std::vector<double>& values) {
  double least = INFINITY;
  for (std::size_t i = 1; i < values.size(); ++i)
    least = std::min(least, values[i] - values[i - 1]);
  const double range = values.back() - values.front();
  const double largest = std::max(std::abs(values.front()), std::abs(values.back()));
  // Below, differences are the rounding of single precision.
  if (least < 1e-5 * largest || range / least > 1e6) return std::nullopt;
  double steps = 0.0;
  for (std::size_t i = 1; i < values.size(); ++i)
    steps += std::round((values[i] - values[i - 1]) / least);
  const double step = range / steps;
  for (const double value : values) {
    const double offset = (value - values.front()) / step;
    if (std::abs(offset - std::round(offset)) > 0.05) return std::nullopt;
  }
  return step;
}

std::vector<double> column_values(const std::vector<double>& x, std::size_t width,
                                  std::size_t column) {
  std::vector<double> values;
  for (std::size_t i = column; i < x.size(); i += width) values.push_back(x[i]);
  return values;
}

/// Decides whether a column is evenly spaced, and with what step.
void find_spacing(ColumnOptions& column, std::vector<double> values, const DataOptions& options,
                  std::vector<std::string>& notes) {
  const bool whole = std::all_of(values.begin(), values.end(),
                                 [](double value) { return value == std::floor(value); });
  const auto rows = static_cast<double>(values.size());
  if (std::find(options.integers.begin(), options.integers.end(), column.name) !=
      options.integers.end()) {
    if (!whole)
      fail<DataError>(
          "column '{}' is declared an integer but holds other values: leave it out of "
          "data.integers",
          column.name);
    column.integer = true;
    return;
  }
  std::sort(values.begin(), values.end());
  std::size_t commonest = 0;
  double common_value = 0.0;
  for (std::size_t i = 0; i < values.size();) {
    const auto end = static_cast<std::size_t>(
        std::upper_bound(values.begin(), values.end(), values[i]) - values.begin());
    if (end - i > commonest) {
      commonest = end - i;
      common_value = values[i];
    }
    i = end;
  }
  values.erase(std::unique(values.begin(), values.end()), values.end());
  const bool repeats = static_cast<double>(values.size()) <= 0.2 * rows;
  if (options.find_integers && (whole || repeats)) {
    const std::optional<double> step = even_step(values);
    if (whole || step) {
      column.integer = true;
      column.step = whole && (!step || *step != std::round(*step)) ? 1.0 : *step;
      column.origin = values.front();
      return;
    }
  }
  if (static_cast<double>(commonest) > std::max(20.0, 0.02 * rows))
    notes.push_back(fmt::format(
        "column '{}' holds the value {:.6g} in {:.1f} % of the rows: its density has a spike there "
        "that says more of the recording than of the shape",
        column.name, common_value, 100.0 * static_cast<double>(commonest) / rows));
}

/// A value on the unbounded line, as the model maps it.
double unbounded(double value, const ColumnOptions& column) {
  const bool low = std::isfinite(column.lower), high = std::isfinite(column.upper);
  if (low && high) return std::log(value - column.lower) - std::log(column.upper - value);
  if (low) return std::log(value - column.lower);
  if (high) return -std::log(column.upper - value);
  return value;
}

void check_bounds(ColumnOptions& column, const std::vector<double>& values) {
  if (column.periodic) return;  // Any number stands for a point of the circle.
  // Evenly spaced values stand for the gap above them, so they may lie on the lower bound, and the
  // gap of the highest reaches one step beyond the upper one.
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (value < column.lower || value > column.upper)
      fail<DataError>(
          "row {}, column '{}': the value {} is outside of its bounds {}:{}; correct it or widen "
          "the bounds",
          row + 1, column.name, value, column.lower, column.upper);
    if (!column.integer && (value == column.lower || value == column.upper))
      fail<DataError>(
          "row {}, column '{}': the value {} lies on a bound, where the density would be 0 or "
          "infinite; widen the bound a little",
          row + 1, column.name, value);
  }
  if (column.integer) column.upper += column.step;
}

void measure(ColumnOptions& column, const std::vector<double>& values) {
  if (column.periodic) return;
  double mean = 0.0, square = 0.0;
  const auto rows = static_cast<double>(values.size());
  for (const double value : values) mean += unbounded(value, column) / rows;
  for (const double value : values) {
    const double deviation = unbounded(value, column) - mean;
    square += deviation * deviation / rows;
  }
  column.mean = mean;
  column.scale = std::sqrt(square);
  if (!std::isfinite(mean) || !std::isfinite(column.scale) || column.scale <= 0.0)
    fail<DataError>(
        "column '{}': its mean {} and deviation {} cannot be used to standardise it; rescale it",
        column.name, mean, column.scale);
}

void split(PreparedData& data, const DataOptions& options, std::uint64_t seed,
           const GivenRows& given) {
  if (options.validation_fraction + options.test_fraction > 0.95)
    fail<ConfigError>(
        "data.validation_fraction + data.test_fraction: expected at most 0.95, got {}",
        options.validation_fraction + options.test_fraction);
  const std::int64_t free_rows = data.rows - given.validation - given.test;
  std::vector<std::int64_t> order(static_cast<std::size_t>(free_rows));
  std::iota(order.begin(), order.end(), 0);
  RandomSequence random(seed, Stream::kSplit);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  const auto share = [&](double fraction, std::int64_t given_rows) {
    const auto count = std::llround(fraction * static_cast<double>(free_rows));
    return fraction > 0.0 && given_rows == 0 ? std::max<std::int64_t>(1, count) : std::int64_t{0};
  };
  const auto test_end = order.begin() + share(options.test_fraction, given.test);
  const auto validation_end = test_end + share(options.validation_fraction, given.validation);
  data.test.assign(order.begin(), test_end);
  data.validation.assign(test_end, validation_end);
  data.train.assign(validation_end, order.end());
  for (std::int64_t row = free_rows; row < data.rows; ++row)
    (row < free_rows + given.validation ? data.validation : data.test).push_back(row);
}

}  // namespace

std::vector<double> take_rows(std::span<const double> matrix, std::int64_t width,
                              std::span<const std::int64_t> rows) {
  std::vector<double> result;
  result.reserve(rows.size() * static_cast<std::size_t>(width));
  for (const std::int64_t row : rows) {
    const auto begin = matrix.begin() + row * width;
    result.insert(result.end(), begin, begin + width);
  }
  return result;
}

void dequantise(std::vector<double>& x, const std::vector<ColumnOptions>& columns,
                std::uint64_t seed) {
  const std::size_t width = columns.size();
  for (std::size_t column = 0; column < width; ++column) {
    if (!columns[column].integer) continue;
    for (std::size_t row = 0; row < x.size() / width; ++row) {
      const auto words = random_words(seed, static_cast<std::uint32_t>(Stream::kDequantisation),
                                      row, static_cast<std::uint32_t>(column));
      x[row * width + column] += columns[column].step * uniform_from_words(words[0], words[1]);
    }
  }
}

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
    const std::vector<double> of_column = column_values(values, width, chosen[column]);
    find_spacing(data.columns[column], of_column, options, data.notes);
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
  split(data, options, seed, given_rows);
  if (data.train.size() < 10)
    fail<DataError>(
        "only {} rows are left to train on; lower data.validation_fraction and "
        "data.test_fraction",
        data.train.size());
  std::vector<double> train = take_rows(data.x, data.features(), data.train);
  dequantise(train, data.columns, seed);
  for (std::size_t column = 0; column < data.columns.size(); ++column)
    measure(data.columns[column], column_values(train, data.columns.size(), column));
  const std::vector<double> train_context =
      take_rows(data.context, data.context_features(), data.train);
  for (std::size_t column = 0; column < data.context_columns.size(); ++column)
    measure(data.context_columns[column],
            column_values(train_context, data.context_columns.size(), column));
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

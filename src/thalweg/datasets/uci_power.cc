// POWER: the electricity of a household, minute by minute.
#include <fmt/ranges.h>

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/core/numpy_random.h"
#include "thalweg/datasets/uci_recipes.h"
#include "thalweg/datasets/uci_steps.h"
#include "thalweg/io/input_file.h"

namespace thalweg::uci {

namespace {

struct PowerColumn {
  const char* name;
  double lower, upper;  ///< a range that every true reading is well inside of
};
constexpr PowerColumn kPowerColumns[] = {
    {"global_active_power", 0, 20}, {"global_reactive_power", 0, 5},
    {"voltage", 180, 280},          {"global_intensity", 0, 100},
    {"sub_metering_1", 0, 200},     {"sub_metering_2", 0, 200},
    {"sub_metering_3", 0, 200},     {"time", 0, 86400}};

std::vector<std::string> power_names() {
  std::vector<std::string> names;
  for (const PowerColumn& column : kPowerColumns) names.emplace_back(column.name);
  return names;
}

double minutes_of(const TextLines& lines, std::string_view clock) {
  std::vector<std::string_view> parts;
  split_fields(clock, ':', parts);
  if (parts.size() != 3)
    fail<DataError>("{}: expected a time as 17:24:00, got '{}'", lines.place(), shown(clock));
  return 60.0 * take_number(lines, parts[0]) + take_number(lines, parts[1]);
}

Table read_power(const std::string& path, SplitTable& result) {
  TextLines lines(path);
  Table table;
  table.names = power_names();
  std::vector<std::string_view> fields;
  std::int64_t dropped = 0;
  for (std::string_view line; lines.next(line);) {
    if (line.empty()) continue;
    split_fields(line, ';', fields);
    expect_fields(lines, fields, 9);
    if (lines.number() == 1 && fields[0] == "Date") continue;
    const auto is_missing = [](std::string_view field) { return field.empty() || field == "?"; };
    if (std::any_of(fields.begin() + 2, fields.end(), is_missing)) {
      ++dropped;
      continue;
    }
    for (std::size_t field = 2; field < 9; ++field)
      table.values.push_back(take_number(lines, fields[field]));
    table.values.push_back(minutes_of(lines, fields[1]));
    ++table.rows;
  }
  expect_rows(path, table.rows);
  result.steps.push_back(fmt::format(
      "{}: {} rows; {} rows with missing values and the date are dropped, the time is in minutes",
      path, table.rows, dropped));
  return table;
}

}  // namespace

void prepare_power(const Source& source, const UciTable& uci, SplitTable& result) {
  Table table;
  std::string path;
  if (const auto array = source.find({"data.npy"})) {
    path = *array;
    table = load_array(path, {8});
    table.names = power_names();
    result.steps.push_back(fmt::format("{}: {} rows", path, table.rows));
  } else if (const auto text = source.find_packed(uci.original)) {
    path = *text;
    table = read_power(path, result);
  } else {
    source.fail_missing(uci);
  }
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (std::size_t column = 0; column < table.names.size(); ++column) {
      const PowerColumn& known = kPowerColumns[column];
      const double value = table.values[index(row, table, column)];
      if (value < known.lower || value > known.upper)
        fail<DataError>(
            "{}: row {}, column '{}': expected a value from {} to {}, got {}; the columns are to "
            "be {}",
            path, row + 1, known.name, known.lower, known.upper, value,
            fmt::join(table.names, ", "));
    }

  NumpyRandom random(kPublishedSeed);
  const std::vector<std::int64_t> order = random.permutation(table.rows);
  Table kept;
  kept.rows = table.rows;
  constexpr std::size_t kKept[] = {0, 2, 4, 5, 6, 7};
  for (const std::size_t column : kKept) kept.names.push_back(table.names[column]);
  kept.values.reserve(order.size() * kept.names.size());
  for (const std::int64_t row : order)
    for (const std::size_t column : kKept)
      kept.values.push_back(table.values[index(row, table, column)]);
  table = {};
  for (std::int64_t row = 0; row < kept.rows; ++row)
    kept.values[index(row, kept, 1)] += 0.01 * random.uniform();
  for (std::int64_t row = 0; row < kept.rows; ++row)
    kept.values[index(row, kept, 0)] += 0.001 * random.uniform();
  for (std::int64_t row = 0; row < kept.rows; ++row)
    for (const std::size_t column : {2, 3, 4})
      kept.values[index(row, kept, column)] += random.uniform();
  result.steps.push_back(
      "rows are shuffled by NumPy's RandomState(42); global_reactive_power and global_intensity "
      "are left out; from the same stream, uniform noise is added to voltage (below 0.01), "
      "global_active_power (0.001) and the sub-meters (1)");
  standardise(kept, measure(kept, kept.rows - tenth_of(kept.rows), 0));
  split_rows(kept, result);
  result.steps.push_back(
      "columns are standardised by mean and deviation of training and validation rows");
}

}  // namespace thalweg::uci

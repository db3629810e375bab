// GAS: sixteen sensors in a mixture of gases.
#include <fmt/ranges.h>

#include <cmath>
#include <functional>

#include "thalweg/core/error.h"
#include "thalweg/core/numpy_random.h"
#include "thalweg/datasets/uci_recipes.h"
#include "thalweg/datasets/uci_steps.h"

namespace thalweg::uci {

namespace {

constexpr std::size_t kGasSensors = 16;

/// Calls `use` with the fields of each row of measurements, which has no letters in it.
void for_gas_rows(const std::string& path,
                  const std::function<void(const TextLines&, std::string_view)>& use) {
  TextLines lines(path);
  for (std::string_view line; lines.next(line);) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (lines.number() == 1 && line.find("ime") != std::string_view::npos) continue;
    use(lines, line);
  }
}

Table read_gas(const std::string& path, SplitTable& result) {
  std::int64_t rows = 0;
  for_gas_rows(path, [&](const TextLines&, std::string_view) { ++rows; });
  Table table;
  // As pandas' sample(frac=0.25, random_state=42), which rounds half to even.
  table.rows = static_cast<std::int64_t>(std::nearbyint(0.25 * static_cast<double>(rows)));
  expect_rows(path, table.rows);
  for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
    table.names.push_back(fmt::format("R{}", sensor + 1));
  table.values.resize(static_cast<std::size_t>(table.rows) * kGasSensors);
  std::vector<std::int64_t> place(static_cast<std::size_t>(rows));
  {
    const std::vector<std::int64_t> order = NumpyRandom(kPublishedSeed).permutation(rows);
    for (std::size_t i = 0; i < order.size(); ++i)
      place[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  std::vector<std::string_view> fields;
  std::size_t number = 0;
  for_gas_rows(path, [&](const TextLines& lines, std::string_view line) {
    const std::int64_t row = place.at(number++);
    if (row >= table.rows) return;
    split_fields(line, ' ', fields);
    expect_fields(lines, fields, 3 + kGasSensors);
    for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
      table.values[index(row, table, sensor)] = take_number(lines, fields[3 + sensor]);
  });
  result.steps.push_back(fmt::format(
      "{}: a quarter of the {} rows, drawn and put in order by NumPy's RandomState(42); time and "
      "concentrations are left out",
      path, rows));
  result.warnings.push_back(
      "the published rows are another random quarter, whose seed is not known: expect log "
      "likelihoods that differ from the published ones by sampling only");
  return table;
}

}  // namespace

void prepare_gas(const Source& source, const UciTable& uci, SplitTable& result) {
  Table table;
  if (const auto array = source.find({"data.npy"})) {
    table = load_array(*array, {16, 19});
    std::vector<std::size_t> sensors;
    for (std::size_t column = table.names.size() - kGasSensors; column < table.names.size();
         ++column)
      sensors.push_back(column);
    const bool wide = table.names.size() > kGasSensors;
    table = with_columns(table, sensors);
    for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
      table.names[sensor] = fmt::format("R{}", sensor + 1);
    result.steps.push_back(fmt::format("{}: {} rows{}", *array, table.rows,
                                       wide ? "; the first three columns are left out" : ""));
  } else if (const auto text = source.find_packed(uci.original)) {
    table = read_gas(*text, result);
  } else {
    source.fail_missing(uci);
  }
  const std::vector<std::size_t> left = columns_without_doubles(table);
  table = with_columns(table, left);
  result.steps.push_back(fmt::format(
      "sensors with a correlation above {} with another are left out one by one; left: {}",
      kCorrelationAllowed, fmt::join(table.names, ", ")));
  standardise(table, measure(table, table.rows, 1));
  result.steps.push_back(
      "columns are standardised by mean and deviation of all rows, as published");
  split_rows(table, result);
}

}  // namespace thalweg::uci

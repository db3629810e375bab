// What the recipes of the UCI tables do to columns and rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "thalweg/datasets/uci_tables.h"
#include "thalweg/io/table.h"

namespace thalweg::uci {

constexpr std::uint32_t kPublishedSeed = 42;
constexpr std::int64_t kRepeatsAllowed = 5;   // of a column's smallest value
constexpr double kCorrelationAllowed = 0.98;  // of a sensor with another

/// Where the value of a cell lies.
inline std::size_t index(std::int64_t row, const Table& table, std::size_t column) {
  return static_cast<std::size_t>(row) * table.names.size() + column;
}

/// The table with the given columns only, in their order.
Table with_columns(const Table& table, const std::vector<std::size_t>& columns);

/// The rows [begin, end).
Table with_rows(const Table& table, std::int64_t begin, std::int64_t end);

/// A tenth, rounded down.
std::int64_t tenth_of(std::int64_t rows);

struct MeanAndDeviation {
  double mean = 0.0, deviation = 0.0;
};

/// Over the first `rows` rows; the sum of squares is divided by rows - `lost`. Throws DataError for
/// a column that does not vary.
std::vector<MeanAndDeviation> measure(const Table& table, std::int64_t rows, int lost);

/// Takes the means off and divides by the deviations.
void standardise(Table& table, const std::vector<MeanAndDeviation>& columns);

/// The numbers of the columns whose smallest value does not occur more than kRepeatsAllowed times.
std::vector<std::size_t> columns_without_repeats(const Table& table);

/// What is left after the first column that correlates with another is taken out, and again.
std::vector<std::size_t> columns_without_doubles(const Table& table);

/// Cuts the last tenth off for the test and the last tenth of the rest for validation.
void split_rows(const Table& all, SplitTable& result);

}  // namespace thalweg::uci

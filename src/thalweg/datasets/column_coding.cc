#include "thalweg/datasets/column_coding.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "thalweg/datasets/rounding.h"

namespace thalweg {

namespace {

constexpr std::array<double, 10> kUnits = {1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};

/// `low` plus `length` times `noise`, kept off both ends where double would round to them.
double inside(double low, double length, double noise) {
  const double sum = low + length * noise, high = low + length;
  if (sum <= low) return std::nextafter(low, high);
  return sum < high ? sum : std::nextafter(high, low);
}

double to_decimals(double value, std::int64_t decimals) {
  const double unit = kUnits[static_cast<std::size_t>(decimals)];
  return std::round(value * unit) / unit;
}

/// Rounded to the digits and decimals that values have; not to 0, and not onto an open bound.
double to_digits(const ColumnOptions& column, double value) {
  const auto rounded = [&](double (*by)(double)) {
    const double digits = round_to_digits(value, column.digits, by);
    if (column.decimals < 0) return digits;
    const double unit = kUnits[static_cast<std::size_t>(column.decimals)];
    const double whole = by(digits * unit);
    return (whole == 0.0 ? std::copysign(1.0, value) : whole) / unit;
  };
  const double nearest = rounded(std::round);
  const double lower = std::max(column.lower, column.lowest);
  const double upper = column.upper - column.gap * static_cast<double>(column.atoms.size());
  if (std::isfinite(column.lower) && nearest <= lower) return rounded(std::ceil);
  if (std::isfinite(column.upper) && nearest >= upper) return rounded(std::floor);
  return nearest;
}

/// Of values that are `stride` apart.
void add_noise(const ColumnOptions& column, std::size_t number, std::uint64_t seed, Stream stream,
               std::span<double> values, std::size_t stride) {
  if (!column.has_intervals()) return;
  for (std::size_t row = 0; row * stride < values.size(); ++row) {
    const auto words = random_words(seed, static_cast<std::uint32_t>(stream), row,
                                    static_cast<std::uint32_t>(number));
    double& value = values[row * stride];
    value = coordinate_of(column, value, uniform_from_words(words[0], words[1]));
  }
}

}  // namespace

double coordinate_of(const ColumnOptions& column, double value, double noise) {
  const bool absent = std::isnan(value);
  if (absent && !column.missing) return value;
  if (absent && !column.is_category()) return inside(column.atoms.front(), column.gap, noise);
  if (column.integer && column.atoms.empty()) value = inside(value, column.step, noise);
  if (column.periodic && column.has_cells()) {  // Cells are of one turn.
    const double length = column.upper - column.lower;
    value -= length * std::floor((value - column.lower) / length);
  }
  const std::vector<double>& values = column.is_category() ? column.values : column.atoms;
  if (values.empty()) return value;
  // What stands for a missing value is none by itself.
  const auto end = values.end() - (column.missing && column.is_category() ? 1 : 0);
  const auto found = absent ? end : std::lower_bound(values.begin(), end, value);
  const auto below = static_cast<double>(found - values.begin());
  const bool stands_for_missing =
      column.missing && !column.is_category() && found == values.begin();
  const bool equal = absent || (found != end && *found == value && !stands_for_missing);
  if (column.is_category()) return equal ? inside(below, 1.0, noise) : -1.0;
  const double low = value + below * column.gap;
  if (equal) return inside(low, column.gap, noise);
  return column.integer ? inside(low, column.step, noise) : low;
}

double value_at(const ColumnOptions& column, double coordinate, Drawn drawn) {
  if (std::isnan(coordinate)) return coordinate;
  double value = coordinate;
  if (column.is_category()) {
    const auto last = static_cast<double>(column.values.size() - 1);
    const double number = std::clamp(std::floor(coordinate), 0.0, last);
    return column.missing && number == last ? NAN : column.values[static_cast<std::size_t>(number)];
  }
  for (std::size_t i = column.atoms.size(); i-- > 0;) {
    const double low = column.atoms[i] + static_cast<double>(i) * column.gap;
    if (coordinate < low) continue;
    if (coordinate < low + column.gap) return column.missing && i == 0 ? NAN : column.atoms[i];
    value = coordinate - static_cast<double>(i + 1) * column.gap;
    break;
  }
  if (column.integer) {
    value = column.origin + column.step * std::floor((value - column.origin) / column.step);
    if (column.decimals > 0) value = to_decimals(value, column.decimals);
    if (!column.levels.empty()) return column.levels[nearest_of(column.levels, value)];
  }
  // What an atom ends belongs to it; elsewhere a pile at the end would be a value too common.
  const auto reflected = [&](double limit) {
    return std::binary_search(column.atoms.begin(), column.atoms.end(), limit)
               ? limit
               : 2.0 * limit - value;
  };
  if (drawn == Drawn::kAsItIs) return value;
  if (value < column.lowest) value = reflected(column.lowest);
  if (value > column.highest) value = reflected(column.highest);
  if (column.integer && column.decimals > 0) value = to_decimals(value, column.decimals);
  if (column.digits > 0) value = to_digits(column, value);
  return std::clamp(value, column.lowest, column.highest);
}

double log_interval(const ColumnOptions& column, double value) {
  if (column.atoms.empty()) return 0.0;
  if (std::isnan(value)) return column.missing ? std::log(column.gap) : 0.0;
  return std::binary_search(column.atoms.begin(), column.atoms.end(), value) ? std::log(column.gap)
                                                                             : 0.0;
}

std::vector<double> log_intervals(std::span<const ColumnOptions> columns,
                                  std::span<const double> x) {
  std::vector<double> result(columns.empty() ? 0 : x.size() / columns.size(), 0.0);
  for (std::size_t i = 0; i < x.size() && !columns.empty(); ++i)
    result[i / columns.size()] += log_interval(columns[i % columns.size()], x[i]);
  return result;
}

void add_noise(std::span<const ColumnOptions> columns, std::uint64_t seed, Stream stream,
               std::span<double> x) {
  for (std::size_t column = 0; column < columns.size() && !x.empty(); ++column)
    add_noise(columns[column], column, seed, stream, x.subspan(column), columns.size());
}

void add_noise(const ColumnOptions& column, std::size_t number, std::uint64_t seed, Stream stream,
               std::span<double> values) {
  add_noise(column, number, seed, stream, values, 1);
}

void centre_in_intervals(std::span<const ColumnOptions> columns, std::span<double> x) {
  for (std::size_t i = 0; i < x.size() && !columns.empty(); ++i)
    x[i] = coordinate_of(columns[i % columns.size()], x[i], 0.5);
}

}  // namespace thalweg

#include "thalweg/datasets/column_bounds.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/io/date_time.h"

namespace thalweg {

namespace {

/// What a bound of a column of dates is as a number; nothing for other columns and texts.
std::optional<double> number_of_date(std::string_view text, const ColumnOptions& column) {
  const std::optional<DateTime> date = parse_date_time(text);
  if (column.date.empty() || !date) return std::nullopt;
  const bool timed = date_format(column.date).time_separator != 0;
  const bool given_timed = date->format.time_separator != 0;
  if (given_timed && !timed) return std::nullopt;
  return timed && !given_timed ? 86400.0 * date->value : date->value;
}

/// Where the colon between two ends stands; times of day have colons of their own.
std::size_t colon_of(std::string_view ends, const ColumnOptions& column) {
  const auto is_end = [&](std::string_view text) {
    return trim(text).empty() || number_of_date(trim(text), column);
  };
  for (std::size_t at = ends.find(':'); at != std::string_view::npos; at = ends.find(':', at + 1))
    if (is_end(ends.substr(0, at)) && is_end(ends.substr(at + 1))) return at;
  return ends.find(':');
}

/// Bounds by entries of the setting `key`, or periods where `periodic`; adds to `named` whose.
void read_entries(std::vector<ColumnOptions>& columns, const std::vector<std::string>& entries,
                  const char* key, bool periodic, std::set<std::string>& named) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const ColumnOptions& column : columns) names.push_back(column.name);
  for (const std::string& entry : entries) {
    const auto unreadable = [&] {
      fail<ConfigError>("{}: '{}': expected name=lower:upper, as {}", key, entry,
                        periodic ? "phi=-180:180" : "x0=0:, x1=0:1 or day=2020-01-01:2020-12-31");
    };
    const auto number = [&](std::string_view text, double otherwise, const ColumnOptions& column) {
      text = trim(text);
      if (text.empty()) return otherwise;
      if (const std::optional<double> date = number_of_date(text, column)) return *date;
      if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
      double value = 0.0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error == std::errc::result_out_of_range)
        fail<ConfigError>("{}: '{}': {} is beyond the range of double; leave it empty for no bound",
                          key, entry, text);
      if (error != std::errc() || end != text.data() + text.size() || std::isnan(value))
        unreadable();
      return value;
    };
    const std::size_t equals = entry.rfind('=');
    if (equals == std::string::npos || entry.find(':', equals) == std::string::npos) unreadable();
    ColumnOptions& column = columns[column_number(names, entry.substr(0, equals), key)];
    if (!named.insert(column.name).second)
      fail<ConfigError>("{}: '{}': column '{}' is given bounds twice; give both ends in one entry",
                        key, entry, column.name);
    const std::string_view ends = std::string_view(entry).substr(equals + 1);
    const std::size_t colon = colon_of(ends, column);
    column.lower = number(ends.substr(0, colon), -INFINITY, column);
    column.upper = number(ends.substr(colon + 1), INFINITY, column);
    column.periodic = periodic;
    if (!(column.lower < column.upper))
      fail<ConfigError>("{}: '{}': the lower bound must be below the upper one", key, entry);
    if (periodic && !std::isfinite(column.upper - column.lower)) unreadable();
  }
}

}  // namespace

void read_bounds(std::vector<ColumnOptions>& columns, const std::vector<std::string>& bounds,
                 const std::vector<std::string>& periods) {
  std::set<std::string> named;
  read_entries(columns, bounds, "data.bounds", false, named);
  read_entries(columns, periods, "data.periodic", true, named);
}

double unbounded(double value, const ColumnOptions& column) {
  const bool low = std::isfinite(column.lower), high = std::isfinite(column.upper);
  if (low && high) return std::log(value - column.lower) - std::log(column.upper - value);
  if (low) return std::log(value - column.lower);
  if (high) return -std::log(column.upper - value);
  return value;
}

void check_bounds(ColumnOptions& column, std::span<const double> values, bool closed) {
  // Whole numbers lie on a lattice, of which bounds between its points are none.
  constexpr double kRounding = 1e-9;
  const auto above = [&](double bound) {
    return column.origin +
           column.step * std::ceil((bound - column.origin) / column.step - kRounding);
  };
  if (column.periodic) {  // Any number stands for a point of the circle.
    const double turns = (column.upper - column.lower) / column.step;
    if (column.integer && std::abs(turns - std::round(turns)) < kRounding * turns) {
      column.upper += above(column.lower) - column.lower;
      column.lower = above(column.lower);
    }
    return;
  }
  // Evenly spaced values stand for the gap above them, so they may lie on the lower bound, and the
  // gap of the highest reaches one step beyond the upper one.
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (value < column.lower || value > column.upper)
      fail<DataError>(
          "row {}, column '{}': the value {} is outside of its bounds {}; correct it or widen the "
          "bounds",
          row + 1, column.name, written_value(column, value), written_bounds(column));
    if (!closed && !column.has_intervals() && (value == column.lower || value == column.upper))
      fail<DataError>(
          "row {}, column '{}': the value {} lies on a bound, where the density would be 0 or "
          "infinite; widen the bound a little",
          row + 1, column.name, written_value(column, value));
  }
  if (column.integer) {
    if (std::isfinite(column.lower)) column.lower = above(column.lower);
    // The last point within, and the interval that it stands for.
    if (std::isfinite(column.upper))
      column.upper =
          column.origin +
          column.step *
              (std::floor((column.upper - column.origin) / column.step + kRounding) + 1.0);
  }
  column.upper += column.gap * static_cast<double>(column.atoms.size());
}

}  // namespace thalweg

#include "thalweg/datasets/even_spacing.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/datasets/rounding.h"

namespace thalweg {

namespace {

/// Sorted values with a number for each that repeats but for rounding.
struct Levels {
  std::vector<double> values;
  std::size_t commonest = 0;  ///< how often the commonest of them occurs
  double common_value = 0.0;
};

/// Merges values that are within `distance` of the first of them. `sorted` is.
Levels levels_of(const std::vector<double>& sorted, double distance) {
  Levels levels;
  for (std::size_t i = 0; i < sorted.size();) {
    const auto end = static_cast<std::size_t>(
        std::upper_bound(sorted.begin(), sorted.end(), sorted[i] + distance) - sorted.begin());
    levels.values.push_back(sorted[i]);
    if (end - i > levels.commonest) {
      levels.commonest = end - i;
      levels.common_value = sorted[i];
    }
    i = end;
  }
  return levels;
}

/// The greatest common divisor of all differences of whole numbers.
double whole_step(const std::vector<double>& levels) {
  std::int64_t step = 0;
  for (const double value : levels)
    step = std::gcd(step,
                    static_cast<std::int64_t>(value) - static_cast<std::int64_t>(levels.front()));
  return static_cast<double>(step);
}

/// The greatest common divisor of all differences of values that were written with up to 4
/// decimals, or up to 6 if a tenth of the rows repeats others, as digits that mean nothing would
/// not.
std::optional<double> decimal_step(const std::vector<double>& levels, double rounding_error,
                                   std::size_t rows) {
  const double largest = std::max(std::abs(levels.front()), std::abs(levels.back()));
  constexpr double kAstray = 0.001;
  const double finest = levels.size() - 1 <= rows - rows / 10 ? 1e6 : 1e4;
  for (double unit = 10.0; unit <= finest; unit *= 10.0) {
    // A value in these units must be whole beyond what rounding could do.
    const double error = 8.0 * unit * rounding_error;
    if (error > 1e-3 || unit * largest > 1e12) return std::nullopt;
    std::vector<double> scaled;
    scaled.reserve(levels.size());
    std::size_t astray = 0;  // as 9.899999 among values of one decimal
    for (const double value : levels) {
      const double times = value * unit, off = std::abs(times - std::round(times));
      if (off > error && (off > kAstray || unit * largest > 1e6 || ++astray > levels.size() / 20))
        break;
      scaled.push_back(std::round(times));
    }
    if (scaled.size() < levels.size()) continue;
    const double step = whole_step(scaled);
    if (step > 0.0) return step / unit;
  }
  return std::nullopt;
}

/// The distance of evenly spaced values, of which all their differences are multiples, up to the
/// digits that files are cut to. `values` and `levels` are sorted.
std::optional<double> even_step(const std::vector<double>& values,
                                const std::vector<double>& levels, double rounding_error) {
  double least = INFINITY;
  for (std::size_t i = 1; i < levels.size(); ++i)
    least = std::min(least, levels[i] - levels[i - 1]);
  const double range = values.back() - values.front();
  constexpr double kOff = 0.05;  // how far from a multiple a value may lie, in steps
  // Two values' errors must not be taken for a part of a step.
  if (kOff * least < 2.0 * rounding_error || range / least > 1e6) return std::nullopt;
  double steps = 0.0;
  for (std::size_t i = 1; i < levels.size(); ++i)
    steps += std::round((levels[i] - levels[i - 1]) / least);
  const double step = range / steps;
  for (const double value : values) {
    const double offset = (value - values.front()) / step;
    if (!(std::abs(offset - std::round(offset)) <= kOff)) return std::nullopt;
  }
  return step;
}

/// How many decimals origin and step have; -1 if more than 9 or none in particular.
std::int64_t decimals_of(double origin, double step) {
  double unit = 1.0;
  for (std::int64_t decimals = 0; decimals <= 9; ++decimals, unit *= 10.0) {
    const auto fits = [&](double value) {
      const double scaled = value * unit;
      return std::abs(scaled - std::round(scaled)) <= 1e-5 * std::min(1.0, step * unit);
    };
    if (std::abs(origin) * unit > 1e15) return -1;
    if (fits(origin) && fits(step)) return decimals;
  }
  return -1;
}

/// The largest magnitude, but for a few values far beyond all others, beside whose rounding these
/// would be one.
double largest_of_most(const std::vector<double>& sorted) {
  constexpr double kMost = 0.99, kBeyond = 10.0;
  const double largest = std::max(std::abs(sorted.front()), std::abs(sorted.back()));
  const double of_most = std::max(std::abs(sorted_quantile(sorted, 1.0 - kMost)),
                                  std::abs(sorted_quantile(sorted, kMost)));
  return of_most > 0.0 ? std::min(largest, kBeyond * of_most) : largest;
}

/// Says which value lies so far off that it decides the column's spread.
void note_far_value(const std::string& name, const std::vector<double>& sorted,
                    std::vector<std::string>& notes) {
  constexpr double kMost = 0.99, kFar = 1e4;
  const double low = sorted_quantile(sorted, 1.0 - kMost), high = sorted_quantile(sorted, kMost);
  const double above = sorted.back() - high, below = low - sorted.front();
  const double far = std::max(above, below);
  if (high > low && far > kFar * (high - low))
    notes.push_back(fmt::format(
        "column '{}' holds {:.6g}, {:.1g} times as far off as 98 % of the values are wide: it "
        "decides the scale of all others; take its rows out, or name it with --missing if it "
        "stands for one",
        name, above >= below ? sorted.back() : sorted.front(), far / (high - low)));
}

void check_declared(const std::string& column, const std::vector<double>& values) {
  for (std::size_t row = 0; row < values.size(); ++row)
    if (!is_whole({&values[row], 1}, 0x1p-53))
      fail<DataError>(
          "row {}, column '{}': the column is declared an integer but holds {}, which is {}: leave "
          "it out of data.integers{}",
          row + 1, column, values[row],
          values[row] == std::floor(values[row])
              ? "beyond 2^53, where double does not hold every whole number"
              : "not whole",
          values[row] == std::floor(values[row])
              ? ""
              : "; other steps are found by themselves (--kinds name=spaced demands one)");
}

}  // namespace

void find_spacing(ColumnOptions& column, std::vector<double> values, bool declared, bool find,
                  double rounding, std::vector<std::string>& notes) {
  if (declared) {
    check_declared(column.name, values);
    column.integer = true;
    return;
  }
  const bool whole = is_whole(values, rounding);
  std::sort(values.begin(), values.end());
  const double largest = largest_of_most(values);
  note_far_value(column.name, values, notes);
  const double rounding_error = whole ? 0.0 : rounding_of(values, rounding) * largest;
  const Levels levels = levels_of(values, 8.0 * rounding_error);
  const auto rows = static_cast<double>(values.size());
  const bool repeats = static_cast<double>(levels.values.size()) <= 0.2 * rows;
  if (find && levels.values.size() > 1) {
    std::optional<double> step;
    if (whole) step = whole_step(levels.values);
    if (!step && repeats) step = even_step(values, levels.values, rounding_error);
    if (!step) step = decimal_step(levels.values, rounding_error, values.size() - levels.commonest);
    if (step) {
      column.integer = true;
      column.step = *step;
      column.origin = values.front();
      column.decimals = decimals_of(column.origin, column.step);
      return;
    }
  }
  if (static_cast<double>(levels.commonest) > std::max(20.0, 0.02 * rows))
    notes.push_back(fmt::format(
        "column '{}' holds the value {:.6g} in {:.1f} % of the rows: its density has a spike there "
        "that says more of the recording than of the shape",
        column.name, levels.common_value, 100.0 * static_cast<double>(levels.commonest) / rows));
}

}  // namespace thalweg

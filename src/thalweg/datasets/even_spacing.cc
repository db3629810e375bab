#include "thalweg/datasets/even_spacing.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {

namespace {

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

}  // namespace

void find_spacing(ColumnOptions& column, std::vector<double> values, bool declared, bool find,
                  std::vector<std::string>& notes) {
  const bool whole = std::all_of(values.begin(), values.end(),
                                 [](double value) { return value == std::floor(value); });
  const auto rows = static_cast<double>(values.size());
  if (declared) {
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
  if (find && (whole || repeats)) {
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

}  // namespace thalweg

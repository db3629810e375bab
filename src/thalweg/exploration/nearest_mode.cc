#include "thalweg/exploration/nearest_mode.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

NearestMode::NearestMode(std::vector<ExploredMode> modes, std::span<const ColumnOptions> columns)
    : modes_(std::move(modes)) {
  if (modes_.empty()) fail<ShapeError>("nearest mode: expected at least one mode, got none");
  const std::size_t width = modes_.front().mean.size();
  if (!columns.empty() && columns.size() != width)
    fail<ShapeError>("nearest mode: expected {} columns, got {}", width, columns.size());
  period_.assign(width, 0.0);
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].periodic) period_[i] = columns[i].upper - columns[i].lower;
}

std::size_t NearestMode::operator()(const double* row) const {
  std::size_t nearest = 0;
  double least = INFINITY;
  for (std::size_t mode = 0; mode < modes_.size(); ++mode) {
    double distance = 0.0;
    for (std::size_t i = 0; i < period_.size(); ++i) {
      double difference = row[i] - modes_[mode].mean[i];
      if (period_[i] > 0.0) difference = std::remainder(difference, period_[i]);
      const double deviation = std::max(modes_[mode].deviation[i], 1e-300);
      // Without the width, a wide mode would take in what narrow ones have.
      distance += std::pow(difference / deviation, 2) + 2.0 * std::log(deviation);
    }
    if (distance < least) least = distance, nearest = mode;
  }
  return nearest;
}

std::vector<std::size_t> NearestMode::of(std::span<const double> x) const {
  std::vector<std::size_t> result;
  for (std::size_t begin = 0; begin < x.size(); begin += period_.size())
    result.push_back((*this)(x.data() + begin));
  return result;
}

std::string place_of(const ExploredMode& mode, std::span<const std::string> names) {
  constexpr std::size_t kColumns = 3;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(kColumns, names.size()); ++i)
    parts.push_back(fmt::format("{} {:.4g}", names[i], mode.mean[i]));
  if (names.size() > kColumns) parts.emplace_back("...");
  return fmt::format("({})", fmt::join(parts, ", "));
}

}  // namespace thalweg

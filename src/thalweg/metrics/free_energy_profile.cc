#include "thalweg/metrics/free_energy_profile.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

// Of the largest weight: what is lighter would leave nothing in single precision, and a bin that
// holds nothing else says nothing.
constexpr double kLeastWeight = 1e-38;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Subtracts the mean over the values that are not NaN.
void centre(std::vector<double>& values) {
  double sum = 0.0, count = 0.0;
  for (const double value : values)
    if (!std::isnan(value)) {
      sum += value;
      count += 1.0;
    }
  for (double& value : values) value -= sum / count;
}

/// Mean and standard deviation of what is not NaN; NaN for too few values.
std::pair<double, double> moments(const std::vector<double>& values) {
  double sum = 0.0, squares = 0.0, count = 0.0;
  for (const double value : values)
    if (!std::isnan(value)) {
      sum += value;
      count += 1.0;
    }
  if (count == 0.0) return {kNone, kNone};
  const double mean = sum / count;
  for (const double value : values)
    if (!std::isnan(value)) squares += (value - mean) * (value - mean);
  return {mean, count > 1.0 ? std::sqrt(squares / count) : kNone};
}

std::size_t checked_bins(std::span<const FreeEnergyProfile> repeats) {
  if (repeats.empty()) fail<ShapeError>("profiles: expected at least one, got none");
  const std::size_t bins = repeats.front().values.size();
  for (const FreeEnergyProfile& profile : repeats)
    if (profile.values.size() != bins || profile.centres.size() != bins)
      fail<ShapeError>("profiles: expected {} bins in each, got {} values and {} centres", bins,
                       profile.values.size(), profile.centres.size());
  return bins;
}

std::vector<double> bin_of(std::span<const FreeEnergyProfile> repeats, std::size_t bin) {
  std::vector<double> result;
  for (const FreeEnergyProfile& profile : repeats) result.push_back(profile.values[bin]);
  return result;
}

}  // namespace

FreeEnergyProfile free_energy_profile(std::span<const double> x,
                                      std::span<const double> log_weights, std::int64_t bins,
                                      const std::optional<std::pair<double, double>>& edges) {
  if (bins < 1) fail<ConfigError>("profile: expected at least 1 bin, got {}", bins);
  if (!log_weights.empty() && log_weights.size() != x.size())
    fail<ShapeError>("profile: expected {} weights, got {}", x.size(), log_weights.size());
  const auto log_weight = [&](std::size_t i) { return log_weights.empty() ? 0.0 : log_weights[i]; };
  double lower = std::numeric_limits<double>::infinity(), upper = -lower, largest = -lower;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) continue;
    lower = std::min(lower, x[i]);
    upper = std::max(upper, x[i]);
    if (std::isfinite(log_weight(i))) largest = std::max(largest, log_weight(i));
  }
  if (edges) {
    std::tie(lower, upper) = *edges;
    if (!(lower < upper))
      fail<ConfigError>("profile: expected edges in order, got {} and {}", lower, upper);
  }
  FreeEnergyProfile profile;
  const auto size = static_cast<std::size_t>(bins);
  std::vector<double> weights(size, 0.0);
  const double width = (upper - lower) / static_cast<double>(bins);
  double sum = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(x[i] >= lower && x[i] <= upper) || !std::isfinite(log_weight(i))) continue;
    const double weight = std::exp(log_weight(i) - largest);
    if (weight < kLeastWeight) continue;
    // The greatest x belongs to the last bin.
    const auto bin = static_cast<std::size_t>((x[i] - lower) / width);
    weights[std::min(bin, size - 1)] += weight;
    sum += weight;
  }
  if (!(sum > 0.0 && width > 0.0))
    fail<NumericalError>("profile: no weight falls between the edges {} and {}", lower, upper);
  for (std::size_t bin = 0; bin < size; ++bin) {
    profile.centres.push_back(lower + width * (static_cast<double>(bin) + 0.5));
    profile.values.push_back(weights[bin] > 0.0 ? -std::log(weights[bin] / (sum * width)) : kNone);
  }
  centre(profile.values);
  return profile;
}

MeanProfile mean_profile(std::span<const FreeEnergyProfile> repeats) {
  const std::size_t bins = checked_bins(repeats);
  MeanProfile result;
  for (std::size_t bin = 0; bin < bins; ++bin) {
    double place = 0.0;
    for (const FreeEnergyProfile& profile : repeats)
      place += profile.centres[bin] / static_cast<double>(repeats.size());
    const auto [mean, deviation] = moments(bin_of(repeats, bin));
    result.centres.push_back(place);
    result.values.push_back(mean);
    result.deviations.push_back(deviation);
  }
  return result;
}

ProfileError profile_error(std::span<const FreeEnergyProfile> repeats,
                           const std::function<double(double)>& exact, double limit) {
  const MeanProfile mean = mean_profile(repeats);
  std::vector<FreeEnergyProfile> errors(repeats.begin(), repeats.end());
  for (FreeEnergyProfile& error : errors) {
    std::vector<double> truth;
    for (std::size_t bin = 0; bin < error.values.size(); ++bin)
      truth.push_back(std::isnan(error.values[bin]) ? kNone : exact(error.centres[bin]));
    centre(truth);
    for (std::size_t bin = 0; bin < truth.size(); ++bin) error.values[bin] -= truth[bin];
  }
  std::vector<double> all, sizes, deviations, error_deviations;
  for (std::size_t bin = 0; bin < mean.centres.size(); ++bin) {
    if (!(std::abs(mean.centres[bin]) < limit)) continue;
    const std::vector<double> values = bin_of(errors, bin);
    all.insert(all.end(), values.begin(), values.end());
    deviations.push_back(mean.deviations[bin]);
    error_deviations.push_back(moments(values).second);
  }
  for (const double value : all) sizes.push_back(std::abs(value));
  return {std::abs(moments(all).first), moments(deviations).first, moments(error_deviations).first,
          moments(sizes).first};
}

}  // namespace thalweg

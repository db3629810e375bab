#include "thalweg/exploration/estimates.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/quantiles.h"
#include "thalweg/exploration/modes.h"
#include "thalweg/metrics/importance.h"

namespace thalweg {
namespace {

double log_mean_exp(std::span<const double> logs) {
  const double largest = *std::max_element(logs.begin(), logs.end());
  double sum = 0.0;
  for (const double value : logs) sum += std::exp(value - largest);
  return largest + std::log(sum / static_cast<double>(logs.size()));
}

double sample_deviation(const Eigen::VectorXd& values) {
  if (values.size() < 2) return 0.0;
  return std::sqrt((values.array() - values.mean()).square().sum() /
                   static_cast<double>(values.size() - 1));
}

double log_add(double a, double b) {
  const double larger = std::max(a, b);
  return std::isinf(larger) ? larger : larger + std::log1p(std::exp(std::min(a, b) - larger));
}

/// Log of the ratio of integrals from log p/q at points of p and at points of q, by iteration from
/// the median.
double bridge_ratio(const std::vector<double>& at_target, const std::vector<double>& at_proposal) {
  double ratio = median(at_target);
  const double total = static_cast<double>(at_target.size() + at_proposal.size());
  const double log_share = std::log(static_cast<double>(at_target.size()) / total);
  const double log_rest = std::log(static_cast<double>(at_proposal.size()) / total);
  std::vector<double> above(at_proposal.size()), below(at_target.size());
  for (int iteration = 0; iteration < 300; ++iteration) {
    for (std::size_t i = 0; i < above.size(); ++i)
      above[i] = at_proposal[i] - log_add(log_share + at_proposal[i], log_rest + ratio);
    for (std::size_t i = 0; i < below.size(); ++i)
      below[i] = -log_add(log_share + at_target[i], log_rest + ratio);
    const double next = log_mean_exp(above) - log_mean_exp(below);
    if (std::abs(next - ratio) < 1e-8) break;
    ratio = next;
  }
  return ratio;
}

void summarise(WeightedDraws& draws) {
  draws.share = 0.0;
  draws.shape = std::numeric_limits<double>::infinity();
  draws.log_integral = -std::numeric_limits<double>::infinity();
  if (!(draws.log_weights.maxCoeff() > draws.log_integral)) return;
  const std::span<const double> weights(draws.log_weights.data(),
                                        static_cast<std::size_t>(draws.log_weights.size()));
  const SmoothedWeights smoothed = smoothed_weights(weights);
  const ImportanceEstimate estimate = importance_estimate(smoothed);
  draws.log_integral = estimate.log_integral;
  draws.share = estimate.effective_share;
  draws.shape = smoothed.pareto_k;
  // Where the weights are not reliable, what follows looks at share and shape.
  draws.error = std::isnan(estimate.log_integral_error)
                    ? std::sqrt((1.0 / draws.share - 1.0) / static_cast<double>(weights.size()))
                    : estimate.log_integral_error;
}

}  // namespace

IslandEstimate combined(std::span<const double> log_integrals) {
  IslandEstimate result;
  result.log_integral = log_mean_exp(log_integrals);
  const auto count = static_cast<double>(log_integrals.size());
  // One population alone says nothing of its error.
  result.deviation = log_integrals.size() < 2
                         ? 9.0
                         : sample_deviation(Eigen::Map<const Eigen::VectorXd>(
                               log_integrals.data(), static_cast<Eigen::Index>(count)));
  result.error = 1.2 * std::max(result.deviation, 0.02) / std::sqrt(count);
  return result;
}

WeightedDraws weighted_draws(UnboundedEnergy& energy, const ReferenceDensity& proposal,
                             std::int64_t count, RandomSequence& random) {
  WeightedDraws draws;
  draws.y = proposal.draw(count, random);
  draws.log_weights = -energy(draws.y).energy - proposal.log_density(draws.y);
  summarise(draws);
  return draws;
}

WeightedDraws enough_draws(UnboundedEnergy& energy, const ReferenceDensity& proposal,
                           const WeightedDraws& draws, std::int64_t wanted,
                           RandomSequence& random) {
  const double needed = static_cast<double>(wanted) / std::max(draws.share, 1e-3);
  const auto count = static_cast<std::int64_t>(
      std::min(needed, 10.0 * static_cast<double>(std::max(wanted, draws.y.cols()))));
  if (count <= draws.y.cols()) return draws;
  const WeightedDraws more = weighted_draws(energy, proposal, count - draws.y.cols(), random);
  WeightedDraws result;
  result.y = Points(draws.y.rows(), count);
  result.y << draws.y, more.y;
  result.log_weights = Eigen::VectorXd(count);
  result.log_weights << draws.log_weights, more.log_weights;
  summarise(result);
  return result;
}

WeightedDraws pooled(const std::vector<TemperedParticles>& islands) {
  WeightedDraws result;
  std::int64_t total = 0;
  for (const TemperedParticles& island : islands) total += island.pool.cols();
  result.y = Points(islands.front().pool.rows(), total);
  result.log_weights = Eigen::VectorXd(total);
  std::int64_t filled = 0;
  for (const TemperedParticles& island : islands) {
    const std::int64_t count = island.pool.cols();
    result.y.middleCols(filled, count) = island.pool;
    result.log_weights.segment(filled, count)
        .setConstant(island.log_integral - std::log(static_cast<double>(count)));
    result.islands.push_back(count);
    filled += count;
  }
  return result;
}

BridgeEstimate bridged(const std::vector<TemperedParticles>& islands,
                       const ReferenceDensity& reference, const WeightedDraws& draws) {
  std::vector<double> at_target, at_proposal;
  for (const double value : draws.log_weights) at_proposal.push_back(value);
  std::vector<double> single;
  for (std::size_t k = 0; k < islands.size(); ++k) {
    const Eigen::VectorXd ratio = -islands[k].energy - reference.log_density(islands[k].y);
    at_target.insert(at_target.end(), ratio.begin(), ratio.end());
    std::vector<double> part;
    for (std::size_t i = k; i < at_proposal.size(); i += islands.size())
      part.push_back(at_proposal[i]);
    single.push_back(bridge_ratio({ratio.begin(), ratio.end()}, part));
  }
  const Eigen::Map<const Eigen::VectorXd> spread(single.data(),
                                                 static_cast<Eigen::Index>(single.size()));
  return {bridge_ratio(at_target, at_proposal),
          single.size() < 2
              ? 9.0
              : 1.2 * sample_deviation(spread) / std::sqrt(static_cast<double>(single.size()))};
}

double stein_discrepancy(const std::vector<TemperedParticles>& islands) {
  const std::int64_t features = islands.front().y.rows();
  const auto count = static_cast<std::int64_t>(islands.size());
  double largest = 0.0;
  for (std::int64_t f = 0; f < features; ++f) {
    std::vector<double> all;
    for (const TemperedParticles& island : islands)
      all.insert(all.end(), island.y.row(f).begin(), island.y.row(f).end());
    const Eigen::Map<const Eigen::ArrayXd> values(all.data(),
                                                  static_cast<Eigen::Index>(all.size()));
    const double mean = values.mean();
    const double deviation = std::sqrt((values - mean).square().mean());
    for (const bool second : {false, true}) {
      Eigen::VectorXd means(count);
      double sum = 0.0, squares = 0.0;
      for (std::int64_t k = 0; k < count; ++k) {
        const TemperedParticles& island = islands[static_cast<std::size_t>(k)];
        const Eigen::ArrayXd slope = island.gradient.row(f).transpose().array();
        const Eigen::ArrayXd y = island.y.row(f).transpose().array();
        const Eigen::ArrayXd identity =
            second ? Eigen::ArrayXd((y - mean) * slope - 1.0) : Eigen::ArrayXd(deviation * slope);
        means[k] = identity.mean();
        sum += identity.sum();
        squares += identity.square().sum();
      }
      const auto total = static_cast<double>(all.size());
      const double value = sum / total;
      const double spread = std::sqrt(std::max(0.0, squares / total - value * value) / total);
      const double error =
          std::max(sample_deviation(means) / std::sqrt(static_cast<double>(count)), 1.5 * spread);
      if (std::abs(value) > 4.0 * error) largest = std::max(largest, std::abs(value));
    }
  }
  return largest;
}

bool shares_differ(const std::vector<TemperedParticles>& islands, const Mixture& mixture,
                   const std::vector<std::int64_t>& mode_of_component) {
  const std::int64_t modes =
      1 + *std::max_element(mode_of_component.begin(), mode_of_component.end());
  const auto count = static_cast<std::int64_t>(islands.size());
  if (modes < 2 || count < 2) return false;
  Eigen::MatrixXd shares = Eigen::MatrixXd::Zero(modes, count);
  for (std::int64_t k = 0; k < count; ++k) {
    const Points& y = islands[static_cast<std::size_t>(k)].y;
    for (const std::int64_t mode : modes_of_points(mixture, mode_of_component, y))
      shares(mode, k) += 1.0 / static_cast<double>(y.cols());
  }
  const auto particles = static_cast<double>(islands.front().y.cols());
  for (std::int64_t mode = 0; mode < modes; ++mode) {
    const double mean = shares.row(mode).mean();
    const double chance = std::sqrt(mean * (1.0 - mean) / particles);
    if (sample_deviation(shares.row(mode).transpose()) > std::max(0.1, 5.0 * chance)) return true;
  }
  return false;
}

}  // namespace thalweg

#include "thalweg/sampling/particle_free_energy.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/systematic_rows.h"
#include "thalweg/sampling/particle_replica.h"

namespace thalweg {
namespace {

constexpr std::uint64_t kMoves = 5ULL << 56, kStarts = 6ULL << 56, kResampling = 7ULL << 56;

/// One place of the path, and the step size of moves there.
struct Place {
  double lambda = 0.0, step = 0.0;
};

/// exp of log weights over their largest.
std::vector<double> relative(const std::vector<double>& log_weights) {
  const double largest = *std::ranges::max_element(log_weights);
  std::vector<double> weights;
  for (const double value : log_weights) weights.push_back(std::exp(value - largest));
  return weights;
}

double effective_share(const std::vector<double>& log_weights) {
  double sum = 0.0, square = 0.0;
  for (const double weight : relative(log_weights)) {
    sum += weight;
    square += weight * weight;
  }
  return sum * sum / (square * static_cast<double>(log_weights.size()));
}

double log_mean(const std::vector<double>& log_weights) {
  double sum = 0.0;
  for (const double weight : relative(log_weights)) sum += weight;
  return *std::ranges::max_element(log_weights) +
         std::log(sum / static_cast<double>(log_weights.size()));
}

/// A population on the path.
class Island {
 public:
  Island(const ParticleEnergy& energy, const FreeEnergyOptions& options, std::uint64_t number)
      : energy_(energy),
        options_(options),
        number_(number),
        replicas_(static_cast<std::size_t>(options.replicas), ParticleReplica(energy)),
        log_weights_(replicas_.size(), 0.0) {
    for (std::size_t r = 0; r < replicas_.size(); ++r)
      replicas_[r].draw(options.start_scale, options.seed, kStarts | number << 24 | r);
    const double free = static_cast<double>(energy.features() - energy.options().dimensions);
    log_integral_ =
        0.5 * free * std::log(2.0 * std::numbers::pi * options.start_scale * options.start_scale);
  }

  /// How fast each replica's log density changes with lambda.
  std::vector<double> slopes() const {
    const double start = 1.0 / (options_.start_scale * options_.start_scale);
    std::vector<double> result;
    for (const ParticleReplica& replica : replicas_)
      result.push_back(replica.log_density({1.0, energy_.spring() - start}));
    return result;
  }

  /// Goes on to `place`. Gives the share of moves that were accepted.
  double advance(const Place& place) {
    const std::vector<double> slope = slopes();
    for (std::size_t r = 0; r < replicas_.size(); ++r)
      log_weights_[r] += (place.lambda - lambda_) * slope[r];
    lambda_ = place.lambda;
    if (effective_share(log_weights_) < 0.5) resample();
    const double start = 1.0 / (options_.start_scale * options_.start_scale);
    const ParticleWeights weights{lambda_, (1.0 - lambda_) * start + lambda_ * energy_.spring()};
    std::int64_t accepted = 0;
    for (std::size_t r = 0; r < replicas_.size(); ++r)
      for (std::int64_t s = 0; s < options_.sweeps; ++s)
        accepted +=
            replicas_[r].sweep(weights, place.step, options_.seed, kMoves | number_ << 24 | r,
                               static_cast<std::uint32_t>(step_ * options_.sweeps + s));
    ++step_;
    return static_cast<double>(accepted) /
           static_cast<double>(options_.replicas * options_.sweeps * energy_.options().particles);
  }

  double log_integral() const { return log_integral_ + log_mean(log_weights_); }
  double lambda() const { return lambda_; }

 private:
  void resample() {
    log_integral_ += log_mean(log_weights_);
    RandomSequence random(options_.seed, Stream::kChains,
                          kResampling | number_ << 32 | static_cast<std::uint64_t>(step_));
    const std::vector<std::int64_t> rows =
        systematic_rows(relative(log_weights_), random.uniform(), options_.replicas);
    std::vector<ParticleReplica> next;
    next.reserve(replicas_.size());
    for (const std::int64_t row : rows) next.push_back(replicas_[static_cast<std::size_t>(row)]);
    replicas_ = std::move(next);
    std::ranges::fill(log_weights_, 0.0);
  }

  const ParticleEnergy& energy_;
  const FreeEnergyOptions& options_;
  std::uint64_t number_;
  std::vector<ParticleReplica> replicas_;
  std::vector<double> log_weights_;
  double log_integral_ = 0.0, lambda_ = 0.0;
  std::int64_t step_ = 0;
};

/// The next lambda, such that weights of this step alone have the share asked for.
double next_lambda(const Island& island, double share) {
  const std::vector<double> slope = island.slopes();
  const auto keeps = [&](double step) {
    std::vector<double> log_weights;
    for (const double value : slope) log_weights.push_back(step * value);
    return effective_share(log_weights) >= share;
  };
  const double left = 1.0 - island.lambda();
  if (keeps(left)) return 1.0;
  // Energies of particles that lie in each other reach 1e36: the first steps are tiny.
  double low = std::log(1e-50), high = std::log(left);
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = 0.5 * (low + high);
    (keeps(std::exp(middle)) ? low : high) = middle;
  }
  return island.lambda() + std::exp(low);
}

}  // namespace

std::optional<FreeEnergyEstimate> particle_free_energy(const ParticleEnergy& energy,
                                                       const FreeEnergyOptions& options,
                                                       ThreadPool& pool,
                                                       const ParticleCallbacks& callbacks) {
  if (options.islands < 2 || options.replicas < 10 || options.sweeps < 1 ||
      !(options.effective_share > 0.0 && options.effective_share < 1.0) ||
      !(options.start_scale > 0.0))
    fail<ConfigError>(
        "free energy of particles: expected at least 2 islands of 10 replicas, 1 sweep, a share in "
        "(0, 1) and a scale above 0, got {}, {}, {}, {} and {}",
        options.islands, options.replicas, options.sweeps, options.effective_share,
        options.start_scale);
  const auto stopped = [&] { return callbacks.interrupted && callbacks.interrupted(); };
  constexpr std::size_t kMostPlaces = 100000;
  constexpr double kAcceptance = 0.4;
  std::vector<Place> path;
  Island pilot(energy, options, 0);
  for (double step = options.start_scale; pilot.lambda() < 1.0;) {
    if (stopped()) return std::nullopt;
    if (path.size() > kMostPlaces)
      fail<NumericalError>("the path to the target's integral does not end: more than {} steps",
                           kMostPlaces);
    path.push_back({next_lambda(pilot, options.effective_share), step});
    step = std::min(step * std::exp(pilot.advance(path.back()) - kAcceptance), 1e3);
  }
  const auto islands = static_cast<std::size_t>(options.islands);
  std::vector<double> log_integrals(islands);
  std::vector<Island> population;
  population.reserve(islands);
  for (std::size_t i = 0; i < islands; ++i) population.emplace_back(energy, options, i + 1);
  constexpr std::size_t kBlock = 5;
  for (std::size_t done = 0; done < path.size(); done += kBlock) {
    if (stopped()) return std::nullopt;
    pool.parallel(options.islands, [&](std::int64_t i, int) {
      for (std::size_t k = done; k < std::min(done + kBlock, path.size()); ++k)
        population[static_cast<std::size_t>(i)].advance(path[k]);
    });
    if (callbacks.progress)
      callbacks.progress(static_cast<double>(done) / static_cast<double>(path.size()));
  }
  for (std::size_t i = 0; i < islands; ++i) log_integrals[i] = population[i].log_integral();
  const std::vector<double> integrals = relative(log_integrals);
  double mean = 0.0, square = 0.0;
  for (const double value : integrals) mean += value / static_cast<double>(islands);
  for (const double value : integrals) square += (value - mean) * (value - mean);
  const double deviation = std::sqrt(square / static_cast<double>(islands - 1));
  return FreeEnergyEstimate{.log_integral = log_mean(log_integrals),
                            .error = deviation / mean / std::sqrt(static_cast<double>(islands)),
                            .steps = static_cast<std::int64_t>(path.size())};
}

}  // namespace thalweg

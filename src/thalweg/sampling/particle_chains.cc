#include "thalweg/sampling/particle_chains.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/sampling/particle_replica.h"

namespace thalweg {
namespace {

// What a number of a random sequence is for, in its highest bits.
constexpr std::uint64_t kMoves = 1ULL << 56, kStarts = 2ULL << 56, kSwaps = 3ULL << 56,
                        kTurns = 4ULL << 56, kPilot = 1ULL << 55;

struct Level {
  double beta = 1.0, step = 0.2;
};

/// One chain: a replica a temperature.
struct Chain {
  std::vector<ParticleReplica> replicas;
  std::uint64_t number = 0;
  std::uint32_t sweeps = 0;
  std::vector<std::int64_t> accepted, swapped, offered;
  std::vector<double> energy_sum, energy_square;
  std::int64_t counted = 0;

  Chain(const ParticleEnergy& energy, std::size_t levels, std::uint64_t own, double scale,
        std::uint64_t seed)
      : replicas(levels, ParticleReplica(energy)), number(own) {
    for (std::size_t k = 0; k < levels; ++k)
      replicas[k].draw(scale, seed, kStarts | number << 8 | k);
    forget();
  }

  void forget() {
    const std::size_t levels = replicas.size();
    accepted.assign(levels, 0);
    swapped.assign(levels, 0);
    offered.assign(levels, 0);
    energy_sum.assign(levels, 0.0);
    energy_square.assign(levels, 0.0);
    counted = 0;
  }

  void sweep(const std::vector<Level>& levels, double spring, std::uint64_t seed) {
    const std::size_t count = levels.size();
    std::vector<double> energies(count);
    for (std::size_t k = 0; k < count; ++k) {
      const ParticleWeights weights{levels[k].beta, levels[k].beta * spring};
      accepted[k] +=
          replicas[k].sweep(weights, levels[k].step, seed, kMoves | number << 8 | k, sweeps);
      energies[k] = count > 1 ? -replicas[k].log_density({1.0, spring}) : 0.0;
      energy_sum[k] += energies[k];
      energy_square[k] += energies[k] * energies[k];
    }
    ++counted;
    for (std::size_t k = sweeps % 2; k + 1 < count; k += 2) {
      ++offered[k];
      const double log_ratio =
          (levels[k].beta - levels[k + 1].beta) * (energies[k] - energies[k + 1]);
      const auto words = random_words(seed, static_cast<std::uint32_t>(Stream::kChains),
                                      kSwaps | number << 8 | k, sweeps);
      if (!(std::log(uniform_from_words(words[0], words[1])) < log_ratio)) continue;
      ++swapped[k];
      std::swap(replicas[k], replicas[k + 1]);
    }
    ++sweeps;
  }
};

void check(const ParticleChainOptions& options) {
  const auto need = [](const char* what, std::int64_t value, std::int64_t least,
                       std::int64_t most) {
    if (value < least || value > most)
      fail<ConfigError>("chains of particles: {}: expected {} to {}, got {}", what, least, most,
                        value);
  };
  need("chains", options.chains, 2, 1000000);
  need("levels", options.levels, 1, 200);
  need("burn_in", options.burn_in, 0, 100000000);
  need("thinning", options.thinning, 1, 1000000);
  need("draws", options.draws, 1, 100000000);
  if (!(options.start_scale > 0.0))
    fail<ConfigError>("chains of particles: start_scale: expected a number above 0, got {}",
                      options.start_scale);
}

/// Totals over chains of what level k did.
struct Totals {
  double acceptance = 0.0, swap_rate = 0.0, deviation = 0.0;
};
Totals totals(const std::vector<Chain>& chains, std::size_t k) {
  double accepted = 0.0, offered = 0.0, swapped = 0.0, sum = 0.0, square = 0.0, counted = 0.0;
  for (const Chain& chain : chains) {
    accepted += static_cast<double>(chain.accepted[k]);
    swapped += static_cast<double>(chain.swapped[k]);
    offered += static_cast<double>(chain.offered[k]);
    sum += chain.energy_sum[k];
    square += chain.energy_square[k];
    counted += static_cast<double>(chain.counted);
  }
  const double mean = sum / counted;
  return {accepted / counted, offered > 0.0 ? swapped / offered : 0.0,
          std::sqrt(std::max(square / counted - mean * mean, 0.0))};
}

/// Step sizes and temperatures that suit, by chains that serve nothing else.
std::vector<Level> tuned_levels(const ParticleEnergy& energy, const ParticleChainOptions& options,
                                ThreadPool& pool, const std::function<bool()>& interrupted) {
  constexpr std::size_t kChains = 16, kRounds = 24;
  constexpr int kSweeps = 50;
  constexpr double kAcceptance = 0.4, kGain = 2.0, kOverlap = 1.2;
  const auto count = static_cast<std::size_t>(options.levels);
  const auto particles = static_cast<double>(energy.options().particles);
  std::vector<Level> levels(count);
  for (std::size_t k = 0; k < count; ++k) levels[k].beta = std::pow(0.8, static_cast<double>(k));
  std::vector<Chain> chains;
  for (std::size_t c = 0; c < kChains; ++c)
    chains.emplace_back(energy, count, c, options.start_scale, options.seed ^ kPilot);
  for (std::size_t round = 0; round < kRounds && !interrupted(); ++round) {
    pool.parallel(kChains, [&](std::int64_t c, int) {
      Chain& chain = chains[static_cast<std::size_t>(c)];
      chain.forget();
      for (int sweep = 0; sweep < kSweeps; ++sweep)
        chain.sweep(levels, energy.spring(), options.seed ^ kPilot);
    });
    for (std::size_t k = 0; k < count; ++k) {
      const Totals found = totals(chains, k);
      levels[k].step *= std::exp(kGain * (found.acceptance / particles - kAcceptance));
      // At first chains fall from where they started, which is no fluctuation.
      if (round < kRounds / 2 || k + 1 == count) continue;
      levels[k + 1].beta = std::max(0.5 * levels[k].beta,
                                    levels[k].beta - kOverlap / std::max(found.deviation, 1e-300));
    }
  }
  return levels;
}

}  // namespace

std::optional<ParticleDraws> sample_particles(const ParticleEnergy& energy,
                                              const ParticleChainOptions& options, ThreadPool& pool,
                                              const ParticleCallbacks& callbacks) {
  check(options);
  const auto stopped = [&] { return callbacks.interrupted && callbacks.interrupted(); };
  const std::vector<Level> levels = tuned_levels(energy, options, pool, stopped);
  const auto count = static_cast<std::size_t>(options.chains);
  const auto width = static_cast<std::size_t>(energy.features());
  std::vector<Chain> chains;
  for (std::size_t c = 0; c < count; ++c)
    chains.emplace_back(energy, levels.size(), c, options.start_scale, options.seed);

  const std::int64_t total = options.burn_in + options.thinning * options.draws;
  const auto rows = static_cast<std::size_t>(options.draws) * count;
  ParticleDraws result{.chains = options.chains, .draws = options.draws};
  result.x.resize(rows * width);
  for (auto* values : {&result.energy, &result.virial, &result.square}) values->resize(rows);
  const auto keep = [&](const Chain& chain, std::size_t c, std::size_t draw) {
    const std::size_t row = draw * count + c;
    const std::span<double> x(&result.x[row * width], width);
    chain.replicas.front().write(x);
    turn_and_shuffle(x, energy.options().dimensions, options.seed, kTurns | row);
    std::vector<double> slopes(width);
    energy.evaluate(x.data(), 1, energy.features(), &result.energy[row], slopes.data());
    for (std::size_t f = 0; f < width; ++f) {
      result.virial[row] += x[f] * slopes[f];
      result.square[row] += x[f] * x[f];
    }
  };
  // In blocks, so that progress and interruption are seen.
  const std::int64_t block = std::max<std::int64_t>(1, total / 200);
  for (std::int64_t done = 0; done < total;) {
    if (stopped()) return std::nullopt;
    const std::int64_t end =
        std::min(done < options.burn_in ? options.burn_in : total, done + block);
    pool.parallel(options.chains, [&](std::int64_t c, int) {
      Chain& chain = chains[static_cast<std::size_t>(c)];
      for (std::int64_t sweep = done; sweep < end; ++sweep) {
        if (sweep == options.burn_in) chain.forget();
        chain.sweep(levels, energy.spring(), options.seed);
        const std::int64_t after = sweep + 1 - options.burn_in;
        if (after > 0 && after % options.thinning == 0)
          keep(chain, static_cast<std::size_t>(c),
               static_cast<std::size_t>(after / options.thinning - 1));
      }
    });
    done = end;
    if (callbacks.progress)
      callbacks.progress(static_cast<double>(done) / static_cast<double>(total));
  }
  for (std::size_t k = 0; k < levels.size(); ++k) {
    const Totals found = totals(chains, k);
    result.levels.push_back({levels[k].beta, levels[k].step,
                             found.acceptance / static_cast<double>(energy.options().particles),
                             found.swap_rate});
  }
  return result;
}

}  // namespace thalweg

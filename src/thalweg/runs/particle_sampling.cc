// Times of samples of particles.
#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

struct System {
  const char* name;
  std::int64_t particles, dimensions;
};
constexpr System kSystems[] = {{"dw4", 4, 2}, {"lj13", 13, 3}, {"lj55", 55, 3}};

const System& system_of(const std::string& name) {
  const auto* found = std::ranges::find(kSystems, name, &System::name);
  if (found == std::end(kSystems))
    fail<ConfigError>("particle_sampling: expected a row dw4, lj13 or lj55, got '{}'", name);
  return *found;
}

/// The networks of Table 5, and a velocity of three layers.
ModelOptions model_of(const System& system, bool continuous) {
  RunOptions options;
  options.model.features = system.particles * system.dimensions;
  options.model.base.dimensions = system.dimensions;
  continuous ? choose_for_continuous(options) : choose_for_free_form(options);
  choose_for_particles(options);
  if (continuous) options.model.flow.network_blocks = 3;
  return options.model;
}

}  // namespace

std::vector<Metric> particle_sampling_metrics(const std::string& row, const std::string& column,
                                              std::int64_t seed, ThreadPool& pool) {
  using Clock = std::chrono::steady_clock;
  const bool continuous = column.starts_with("matching");
  const bool with_density = column.ends_with("-density");
  if (!continuous && !column.starts_with("free-form"))
    fail<ConfigError>(
        "particle_sampling: expected a column free-form or matching, alone or with -density, got "
        "'{}'",
        column);
  const auto chance = static_cast<std::uint64_t>(seed);
  const Model model(model_of(system_of(row), continuous), chance);
  FlowSampler sampler(model, pool, chance);
  std::vector<double> log_density;
  const auto seconds = [&](std::int64_t count) {
    const auto start = Clock::now();
    sampler.next(count, {}, with_density ? &log_density : nullptr);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  // The first call compiles; then as many samples as fill some seconds.
  constexpr std::int64_t kFew = 16, kMany = 1 << 17;
  constexpr double kSeconds = 3.0;
  seconds(1);
  std::int64_t count = kFew;
  double taken = seconds(count);
  while (taken < kSeconds && count < kMany) taken = seconds(count *= 2);
  return {{"milliseconds", "a sample, ms", 1e3 * taken / static_cast<double>(count), 0.0, 4},
          {"samples", "samples timed", static_cast<double>(count), 0.0, 0}};
}

}  // namespace thalweg

#include "thalweg/runs/particle_metrics.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/quantiles.h"
#include "thalweg/datasets/particle_rows.h"
#include "thalweg/metrics/particle_observables.h"
#include "thalweg/targets/particle_energy.h"

namespace thalweg {
namespace {

/// Share of rows with a particle far from all others, by the usual distance of neighbours.
double lost_share(std::span<const double> rows, std::int64_t features, std::int64_t dimensions,
                  double usual) {
  const std::vector<double> nearest = nearest_distances(rows, features, features, dimensions);
  const auto particles = static_cast<std::size_t>(features / dimensions);
  std::size_t lost = 0;
  for (std::size_t first = 0; first < nearest.size(); first += particles)
    if (std::ranges::max(std::span(nearest).subspan(first, particles)) > kEvaporated * usual)
      ++lost;
  return static_cast<double>(lost * particles) / static_cast<double>(nearest.size());
}

/// Distances of all pairs of particles that are there, of rows with as many places.
std::vector<double> present_distances(const LoadedRun& run, std::span<const double> whole,
                                      std::span<const double> context) {
  const auto n = static_cast<std::size_t>(particle_dimensions(run));
  const auto features = static_cast<std::size_t>(run.options.model.features);
  const auto width = static_cast<std::size_t>(run.options.model.context_features);
  const std::size_t particles = features / n;
  std::vector<double> distances;
  for (std::size_t row = 0; row < whole.size() / features; ++row) {
    const auto species = context.subspan((row + 1) * width - particles, particles);
    std::vector<double> present;
    for (std::size_t i = 0; i < features; ++i)
      if (species[i / n] != 0.0) present.push_back(whole[row * features + i]);
    const std::vector<double> own =
        pair_distances(present, std::ssize(present), static_cast<std::int64_t>(n));
    distances.insert(distances.end(), own.begin(), own.end());
  }
  return distances;
}

}  // namespace

std::int64_t particle_dimensions(const LoadedRun& run) {
  if (run.options.data.particles > 0) return run.options.data.particles;
  if (!has_target(run.options.target) || !run.options.data.path.empty()) return 0;
  return make_target(run.options.target)->particle_dimensions();
}

std::vector<double> whole_particles(const LoadedRun& run, std::span<const double> x) {
  const std::vector<DerivedColumn>& derived = run.options.model.derived;
  const auto width = static_cast<std::size_t>(run.options.model.features);
  const std::vector<std::size_t> order = order_of_data(width, derived);
  std::vector<double> whole, unordered(order.size());
  whole.reserve(x.size() / width * order.size());
  for (std::size_t row = 0; row < x.size(); row += width) {
    const std::span<const double> own = x.subspan(row, width);
    auto next = std::ranges::copy(own, unordered.begin()).out;
    for (const DerivedColumn& column : derived) *next++ = column(own);
    for (const std::size_t number : order) whole.push_back(unordered[number]);
  }
  return whole;
}

std::vector<double> particle_distances(const LoadedRun& run, std::span<const double> whole,
                                       std::span<const double> context) {
  const std::int64_t dimensions = particle_dimensions(run);
  const std::int64_t features = run.options.model.features + std::ssize(run.options.model.derived);
  if (run.options.model.flow.species.empty()) return pair_distances(whole, features, dimensions);
  return present_distances(run, whole, context);
}

std::vector<double> particle_energies(const LoadedRun& run, std::span<const double> whole) {
  if (!has_target(run.options.target)) return {};
  const auto target = make_target(run.options.target);
  if (target->particle_options() == nullptr) return {};
  const ParticleEnergy energy(*target->particle_options());
  std::vector<double> values(whole.size() / static_cast<std::size_t>(energy.features())),
      slopes(whole.size());
  energy.evaluate(whole.data(), std::ssize(values), energy.features(), values.data(),
                  slopes.data());
  return values;
}

std::vector<Metric> particle_metrics(const LoadedRun& run, std::span<const double> samples,
                                     std::span<const double> held_out,
                                     std::span<const double> context) {
  const std::int64_t dimensions = particle_dimensions(run);
  const std::int64_t features = run.options.model.features + std::ssize(run.options.model.derived);
  const std::vector<double> drawn = whole_particles(run, samples);
  std::vector<double> known = whole_particles(run, held_out);
  const std::vector<double> own = particle_energies(run, drawn);
  const std::vector<double> others = particle_energies(run, known);
  std::vector<Metric> metrics;
  if (!own.empty())
    metrics.push_back({"median_energy", "median energy of samples, kT", median(own), 0.0, 3});
  if (!others.empty()) {
    metrics.push_back({"held_out_median_energy", "  of held-out rows", median(others), 0.0, 3});
    metrics.push_back({"energy_variation", "total variation of energies",
                       histogram_distance(own, others), 0.0, 4});
  }
  if (known.empty()) return metrics;
  metrics.push_back({"distance_variation", "total variation of distances",
                     histogram_distance(particle_distances(run, drawn, context),
                                        particle_distances(run, known, context)),
                     0.0, 4});
  if (!run.options.model.flow.species.empty()) return metrics;
  const double usual = centre_particles(known, features, features, dimensions).usual_distance;
  metrics.push_back({"lost_particle_share", "share of samples that lost a particle",
                     lost_share(drawn, features, dimensions, usual), 0.0, 4});
  return metrics;
}

}  // namespace thalweg

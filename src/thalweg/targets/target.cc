#include "thalweg/targets/target.h"

#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/targets/many_well.h"
#include "thalweg/targets/particles.h"
#include "thalweg/targets/two_dimensional.h"

namespace thalweg {
namespace {

/// Targets of particles: families of any number, and those of the papers.
void add_particles(KindTable<TargetKind>& table) {
  struct Row {
    const char *name, *summary, *pair;
    std::int64_t particles, dimensions;
    double spring;
    bool family;
  };
  for (const Row& row : std::vector<Row>{
           {"lennard_jones",
            "Lennard-Jones particles in a trap, particles.count of them; 13 in 3-D",
            "lennard_jones", 13, 3, 1.0, true},
           {"lj13", "13 Lennard-Jones particles in a trap, 39 columns", "lennard_jones", 13, 3, 1.0,
            false},
           {"lj55", "55 Lennard-Jones particles in a trap, 165 columns", "lennard_jones", 55, 3,
            1.0, false},
           {"multi_double_well",
            "particles with a double well for each distance, particles.count of them; 4 in 2-D",
            "multi_double_well", 4, 2, 0.0, true},
           {"dw4", "4 particles with a double well for each distance, 8 columns",
            "multi_double_well", 4, 2, 0.0, false}}) {
    const auto make = [row](const TargetSettings& settings) {
      const auto differs = [](std::int64_t wanted, std::int64_t own) {
        return wanted > 0 && wanted != own;
      };
      if (!row.family && (differs(settings.particles, row.particles) ||
                          differs(settings.dimensions, row.dimensions)))
        fail<ConfigError>(
            "particles.count and particles.dimensions: {} has {} particles in {} dimensions; "
            "others are of data.target = {}",
            row.name, row.particles, row.dimensions, row.pair);
      return make_particle_target(
          row.name,
          {.pair = row.pair,
           .particles = settings.particles > 0 ? settings.particles : row.particles,
           .dimensions = settings.dimensions > 0 ? settings.dimensions : row.dimensions,
           .temperature = settings.temperature,
           .spring = row.spring},
          settings.log_integral, settings.log_integral_error);
    };
    table.add({row.name, row.summary, [make] { return make({}); }, make});
  }
}

}  // namespace

KindTable<TargetKind>& target_kinds() {
  static KindTable<TargetKind> kinds = [] {
    KindTable<TargetKind> table({
        {"dual_moon", "two crescents that face each other, 2-D", make_dual_moon},
        {"circle_of_gaussians", "eight Gaussians on a circle of radius 2, 2-D",
         make_circle_of_gaussians},
        {"two_rings", "two rings of radius 1 and 2, 2-D", make_two_rings},
        {"two_moons", "two interleaved half circles, blurred, 2-D", make_two_moons},
        {"grid_of_gaussians", "five by five Gaussians, 2-D",
         [] { return make_grid_of_gaussians("grid_of_gaussians", 5, 1.0, 0.1); }},
        {"double_well", "two wells with 16 and 84 % of the mass, 2-D", make_double_well},
        {"many_well", "sixteen double wells side by side, 2^16 modes, 32-D",
         [] { return make_many_well(16); }},
        {"two_angles", "two angles, the second near twice the first, 2-D", make_two_angles},
    });
    // Deviations with which published scores of naive sampling from a ring are met.
    for (const auto& [count, deviation] : std::vector<std::pair<int, double>>{
             {2, 0.346}, {3, 0.349}, {4, 0.207}, {6, 0.170}, {9, 0.120}}) {
      const std::string name = fmt::format("ring_of_gaussians_{}", count);
      table.add({name, fmt::format("{} Gaussians on a ring, mean variance 1, 2-D", count),
                 [name, n = count, d = deviation] { return make_ring_of_gaussians(name, n, d); }});
    }
    add_particles(table);
    return table;
  }();
  return kinds;
}

Value Target::log_density(Value x) const {
  if (!x.valid()) fail<ShapeError>("{}: the value is empty: pass a value of a graph", name_);
  const ScopeName scope(*x.graph, name_);
  if (x.shape() != Shape{features_, 1})
    fail<ShapeError>("{}: expected a value of {} x 1, got {} x {}", x.graph->scope(), features_,
                     x.features(), x.items());
  return build_log_density(x);
}

const std::vector<std::string>& Target::columns() const {
  static const std::vector<std::string> none;
  return none;
}

std::vector<double> UnsampledTarget::sample(RandomSequence&) const {
  fail<ConfigError>("{}: an energy cannot be sampled: learn it with training.objective=reverse_kl",
                    name());
}

std::unique_ptr<Target> make_target(std::string_view name, const TargetSettings& settings) {
  const TargetKind& kind = target_kinds().find("data.target", name);
  if (kind.make_particles) return kind.make_particles(settings);
  if (settings.particles > 0 || settings.dimensions > 0 || settings.temperature != 1.0)
    fail<ConfigError>("particles: '{}' is no target of particles, as dw4 or lennard_jones are",
                      name);
  return kind.make();
}

}  // namespace thalweg

#include "thalweg/runs/dynamics_metrics.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "thalweg/core/error.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/sampling/density_potential.h"
#include "thalweg/sampling/molecular_dynamics.h"

namespace thalweg {
namespace {

/// `walkers` frames, evenly spaced.
std::vector<double> starts_of(const RunOptions& options, std::int64_t atoms, std::int64_t walkers) {
  const std::string& path = options.data.test.empty() ? options.data.path : options.data.test;
  if (path.empty())
    fail<ConfigError>("dynamics: expected data.test or data.path, at whose frames walkers begin");
  const Frames frames = read_frames(path, atoms);
  std::vector<double> rows;
  for (std::int64_t walker = 0; walker < walkers; ++walker) {
    const auto from =
        frames.positions.begin() + walker * frames.count() / walkers * 3 * frames.atoms;
    rows.insert(rows.end(), from, from + 3 * frames.atoms);
  }
  return rows;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double square_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return sum;
}

}  // namespace

EnergyTraces energy_traces(const RunOptions& options, const Model* model,
                           const DynamicsRequest& request, std::uint64_t seed, ThreadPool& pool) {
  const TargetOptions& target = options.target;
  if (target.system.empty())
    fail<ConfigError>("dynamics: expected molecule.system, whose masses move, got none");
  const NamedSystem named =
      read_named_system(target.system, target.solvent, options.molecule.topology);
  const std::int64_t coordinates = 3 * named.system.atoms();
  std::unique_ptr<const Potential> potential;
  if (model != nullptr)
    potential = molecule_potential(*model, target.system_temperature);
  else
    potential = std::make_unique<ForceField>(named.system);
  std::vector<double> masses;
  for (const double mass : named.system.masses) masses.insert(masses.end(), 3, mass);
  MolecularDynamics dynamics(*potential, std::move(masses),
                             {.temperatures = {target.system_temperature},
                              .replicas = request.walkers,
                              .time_step = 0.001 * request.time_step,
                              .friction = request.friction,
                              .ensemble = Ensemble::kMicrocanonical,
                              .equilibration = request.equilibration,
                              .seed = seed},
                             pool);
  // A degree of freedom, of each walker.
  const auto sums = [&] {
    std::vector<double> result = dynamics.kinetic_energies();
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = (result[i] + dynamics.energies()[i]) / static_cast<double>(coordinates);
    return result;
  };
  dynamics.start(starts_of(options, named.system.atoms(), request.walkers));
  dynamics.advance(request.equilibration);
  const std::vector<double> firsts = sums();
  EnergyTraces traces{
      .frame_time = 0.001 * request.time_step * static_cast<double>(request.frame_every),
      .frames = request.steps / request.frame_every,
      .walkers = std::vector<std::vector<double>>(static_cast<std::size_t>(request.walkers))};
  std::vector<bool> lost(traces.walkers.size(), false);
  const double most = 0.5 * kBoltzmann * target.system_temperature;
  for (std::int64_t frame = 0; frame < traces.frames; ++frame) {
    dynamics.advance(request.frame_every);
    const std::vector<double> now = sums();
    for (std::size_t i = 0; i < lost.size(); ++i) {
      // Comparisons with NaN are false.
      lost[i] = lost[i] || !(std::abs(now[i] - firsts[i]) <= most);
      if (!lost[i]) traces.walkers[i].push_back(now[i]);
    }
  }
  return traces;
}

std::vector<Metric> dynamics_metrics(const EnergyTraces& traces) {
  std::vector<double> deviations, times;
  double lost = 0.0;
  for (const std::vector<double>& own : traces.walkers) {
    times.push_back(traces.frame_time * static_cast<double>(own.size()));
    if (static_cast<std::int64_t>(own.size()) < traces.frames) lost += 1.0;
    if (own.size() > 1)
      deviations.push_back(std::sqrt(square_of(own) / static_cast<double>(own.size())));
  }
  const auto with_error = [](const char* name, const char* label, const std::vector<double>& values,
                             int decimals) {
    const auto count = static_cast<double>(values.size());
    return Metric{name, label, values.empty() ? NAN : mean_of(values),
                  values.size() < 2 ? NAN : std::sqrt(square_of(values) / (count * (count - 1.0))),
                  decimals};
  };
  return {with_error("energy_deviation", "deviation of the energy, kJ/mol a degree of freedom",
                     deviations, 5),
          {"lost_walkers", "share of walkers lost",
           lost / static_cast<double>(traces.walkers.size()), 0.0, 2},
          with_error("kept_time", "time that a walker is kept, ps", times, 2)};
}

LineChart dynamics_chart(const EnergyTraces& traces) {
  LineChart chart{.x_label = "ps", .y_label = "kJ/mol a degree of freedom"};
  for (std::size_t i = traces.walkers.size(); i-- > 0;) {
    const std::vector<double>& own = traces.walkers[i];
    if (own.empty()) continue;
    // One of them stands out.
    LineSeries series{.name = i == 0 ? "one walker" : "",
                      .style = i == 0 ? LineStyle::kSolid : LineStyle::kFaint,
                      .colour = i == 0 ? 0 : 1};
    for (std::size_t frame = 0; frame < own.size(); ++frame) {
      series.x.push_back(traces.frame_time * static_cast<double>(frame + 1));
      series.y.push_back(own[frame] - own.front());
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace thalweg

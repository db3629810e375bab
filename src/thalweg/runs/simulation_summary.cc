#include "thalweg/runs/simulation_summary.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/version.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/npy.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/molecules/molecular_system.h"
#include "thalweg/report/progress.h"

namespace thalweg {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// Draws x chains numbers of one temperature.
struct Series {
  std::vector<double> values;
  std::int64_t chains;

  double mean() const {
    double sum = 0.0;
    for (const double value : values) sum += value;
    return sum / static_cast<double>(values.size());
  }
  ChainDiagnostics diagnostics() const {
    if (std::ranges::all_of(values, [&](double value) { return value == values[0]; }))
      return {kNone, kNone};
    return worst_diagnostics(values, chains, 1);
  }
  SimulationMean with_error(const ChainDiagnostics& mixing) const {
    const double centre = mean();
    double square = 0.0;
    for (const double value : values) square += (value - centre) * (value - centre);
    const auto count = static_cast<double>(values.size());
    return {centre, std::sqrt(square / std::max(count - 1.0, 1.0) /
                              std::min(mixing.effective_samples, count))};
  }
};

SimulationMean mean_of(const Series& series) { return series.with_error(series.diagnostics()); }

/// Column `which` of energies.npy at one temperature, times a factor.
Series series_of(const std::vector<double>& energies, std::int64_t frames, std::int64_t walkers,
                 std::int64_t first, std::int64_t chains, std::int64_t which, double factor) {
  Series series{{}, chains};
  for (std::int64_t frame = 0; frame < frames; ++frame)
    for (std::int64_t walker = first; walker < first + chains; ++walker)
      series.values.push_back(
          factor * energies[static_cast<std::size_t>((frame * walkers + walker) * 3 + which)]);
  return series;
}

/// A line through each replica's sums of energies.
EnergyDrift drift_of(const Series& potential, const Series& kinetic, double frame_time,
                     double freedoms) {
  const auto chains = static_cast<std::size_t>(potential.chains);
  const std::size_t frames = potential.values.size() / chains;
  std::vector<double> slopes;
  double square = 0.0;
  for (std::size_t chain = 0; chain < chains; ++chain) {
    double mean_time = 0.0, mean = 0.0, both = 0.0, times = 0.0;
    const auto total = [&](std::size_t frame) {
      const std::size_t i = frame * chains + chain;
      return potential.values[i] + kinetic.values[i];
    };
    for (std::size_t frame = 0; frame < frames; ++frame) {
      mean_time += static_cast<double>(frame) / static_cast<double>(frames);
      mean += total(frame) / static_cast<double>(frames);
    }
    for (std::size_t frame = 0; frame < frames; ++frame) {
      const double off = static_cast<double>(frame) - mean_time;
      both += off * (total(frame) - mean);
      times += off * off;
    }
    const double slope = both / times;
    for (std::size_t frame = 0; frame < frames; ++frame) {
      const double rest = total(frame) - mean - slope * (static_cast<double>(frame) - mean_time);
      square += rest * rest;
    }
    slopes.push_back(slope / frame_time / freedoms);
  }
  EnergyDrift drift;
  for (const double slope : slopes) drift.slope += slope / static_cast<double>(chains);
  for (const double slope : slopes)
    drift.slope_error += (slope - drift.slope) * (slope - drift.slope);
  drift.slope_error =
      chains > 1 ? std::sqrt(drift.slope_error / static_cast<double>(chains * (chains - 1)))
                 : kNone;
  drift.deviation = std::sqrt(square / static_cast<double>(potential.values.size()));
  return drift;
}

void add_places(const std::vector<double>& features, std::int64_t chains, std::int64_t width,
                SimulationSummary& summary) {
  const ChainDiagnostics worst = worst_diagnostics(features, chains, width);
  summary.place_r_hat = worst.r_hat;
  summary.place_samples = worst.effective_samples;
}

void add_backbone(const Frames& frames, const std::vector<BackboneAngles>& angles,
                  std::int64_t chains, SimulationSummary& summary) {
  summary.backbone = backbone_rows(frames.positions, frames.atoms, angles);
  std::vector<double> features;
  for (std::size_t frame = 0; frame < static_cast<std::size_t>(frames.count()); ++frame)
    for (const BackboneRows& own : summary.backbone)
      for (const double angle : {own.phi[frame], own.psi[frame]}) {
        // One frame without an angle must not hide what the others say.
        const double known = std::isnan(angle) ? 0.0 : angle;
        features.insert(features.end(), {std::cos(known), std::sin(known)});
      }
  add_places(features, chains, static_cast<std::int64_t>(4 * angles.size()), summary);
}

std::string text_of(const SimulationMean& mean, int decimals) {
  if (std::isnan(mean.error)) return fmt::format("{:.{}f}", mean.value, decimals);
  return fmt::format("{:.{}f} +- {:.{}f}", mean.value, decimals, mean.error, decimals);
}

std::string number_or_unknown(double value, int decimals) {
  return std::isnan(value) ? "not known" : fmt::format("{:.{}f}", value, decimals);
}

double positive_share(const std::vector<double>& values) {
  return static_cast<double>(std::ranges::count_if(values, [](double v) { return v > 0.0; })) /
         static_cast<double>(values.size());
}

}  // namespace

SimulationSummary summarise_simulation(const SimulationPaths& paths, const SimulationState& state,
                                       std::int64_t coordinates,
                                       const std::vector<BackboneAngles>& angles) {
  const SimulationRequest& request = state.request;
  const SimulationUnits units = units_of(request);
  SimulationSummary summary;
  summary.energies = read_npy(paths.energies()).values;
  const auto levels = static_cast<std::int64_t>(request.temperatures.size());
  const std::int64_t walkers = levels * request.replicas;
  if (static_cast<std::int64_t>(summary.energies.size()) != state.frames * walkers * 3)
    fail<DataError>("{}: expected energies of {} frames and {} walkers, got {} numbers",
                    paths.energies(), state.frames, walkers, summary.energies.size());
  if (state.frames == 0) return summary;
  const double freedoms = summary.freedoms = static_cast<double>(coordinates);
  summary.moved_freedoms = static_cast<double>(coordinates - state.directions.free);
  for (std::int64_t level = 0; level < levels; ++level) {
    const auto series = [&](std::int64_t which, double factor) {
      return series_of(summary.energies, state.frames, walkers, level * request.replicas,
                       request.replicas, which, factor);
    };
    const Series potential = series(0, 1.0), kinetic = series(1, 1.0);
    TemperatureSummary own;
    own.temperature = request.temperatures[static_cast<std::size_t>(level)];
    const ChainDiagnostics mixing = potential.diagnostics();
    own.potential = potential.with_error(mixing);
    own.kinetic = mean_of(series(1, 2.0 / (freedoms * units.boltzmann)));
    own.virial = mean_of(series(2, 1.0 / (summary.moved_freedoms * units.boltzmann)));
    own.r_hat = mixing.r_hat;
    own.effective_samples = mixing.effective_samples;
    own.exchanged = kNone;
    if (level + 1 < levels) {
      const ExchangeCounts& counts = state.exchanges[static_cast<std::size_t>(level)];
      own.exchanged = counts.tries == 0 ? kNone
                                        : static_cast<double>(counts.accepted) /
                                              static_cast<double>(counts.tries);
    }
    summary.temperatures.push_back(own);
    // Of atoms by the nanosecond.
    const double frame_time = (request.system.empty() ? 1.0 : 1e-3) * units.time_step *
                              request.time_step * static_cast<double>(request.frame_every);
    if (request.ensemble == "nve" && state.frames > 1)
      summary.drift.push_back(drift_of(potential, kinetic, frame_time, freedoms));
  }
  if (!angles.empty())
    add_backbone(read_frames(paths.trajectory(request.format), coordinates / 3), angles,
                 request.replicas, summary);
  if (request.system.empty() && state.directions.free == 0)
    add_places(read_npy(paths.trajectory(request.format)).values, request.replicas, coordinates,
               summary);
  return summary;
}

std::string with_unit(const std::string& name, const std::string& unit) {
  return unit.empty() ? name : name + ", " + unit;
}

std::string moved_by(const SimulationRequest& request) {
  const std::string mover = !request.flow.empty()             ? "the model " + request.flow
                            : !request.energy_library.empty() ? request.energy_library
                            : !request.target.empty()         ? request.target
                                                              : request.energy;
  if (mover.empty()) return request.system;
  return fmt::format("{} moved by {}", request.system.empty() ? "points" : request.system, mover);
}

std::string simulation_text(const SimulationState& state, const SimulationSummary& summary) {
  const SimulationRequest& request = state.request;
  const SimulationUnits units = units_of(request);
  std::string text;
  const auto line = [&](const std::string& label, const std::string& value) {
    text += fmt::format("  {:<36} {}\n", label, value);
  };
  const auto walkers = request.replicas * static_cast<std::int64_t>(request.temperatures.size());
  const double time = units.time_step * request.time_step *
                      static_cast<double>(request.steps + request.equilibration);
  text += fmt::format("{}: {} {} of {}{:g}{} each, {} frames\n", moved_by(request),
                      format_count(walkers), walkers == 1 ? "walker" : "walkers",
                      units.time.empty() ? "time " : "", time,
                      units.time.empty() ? "" : " " + units.time, format_count(state.frames));
  for (const TemperatureSummary& own : summary.temperatures) {
    const int decimals = units.temperature.empty() ? 4 : 2;
    text += units.temperature.empty()
                ? fmt::format("at temperature {:g}\n", own.temperature)
                : fmt::format("at {:g} {}\n", own.temperature, units.temperature);
    line(with_unit("potential energy", units.energy), text_of(own.potential, decimals + 1));
    line(with_unit("kinetic temperature", units.temperature), text_of(own.kinetic, decimals));
    line(with_unit("virial temperature", units.temperature), text_of(own.virial, decimals));
    line("R-hat, effective samples",
         fmt::format("{}, {} of {}", number_or_unknown(own.r_hat, 4),
                     number_or_unknown(own.effective_samples, 0), state.frames * request.replicas));
    if (!std::isnan(own.exchanged))
      line("exchanges with the next accepted", fmt::format("{:.3f}", own.exchanged));
  }
  for (const EnergyDrift& drift : summary.drift) {
    line(request.system.empty() ? "energy drift over time and freedoms"
                                : "energy drift, kJ/mol/ns/freedom",
         std::isnan(drift.slope_error)
             ? fmt::format("{:.2e}", drift.slope)
             : fmt::format("{:.2e} +- {:.1e}", drift.slope, drift.slope_error));
    line(with_unit("energy deviation", units.energy), fmt::format("{:.4g}", drift.deviation));
  }
  for (const BackboneRows& each : summary.backbone)
    line(fmt::format("{}: share of phi > 0", each.residue),
         fmt::format("{:.4f}", positive_share(each.phi)));
  if (!std::isnan(summary.place_r_hat))
    line(fmt::format("R-hat, effective samples of {}",
                     request.system.empty() ? "the columns" : "angles"),
         fmt::format("{}, {}", number_or_unknown(summary.place_r_hat, 4),
                     number_or_unknown(summary.place_samples, 0)));
  line("time", fmt::format("{}, {:.0f} steps of a walker a second", format_duration(state.seconds),
                           static_cast<double>(state.step * walkers) / state.seconds));
  return text;
}

std::vector<std::string> simulation_warnings(const SimulationState& state,
                                             const SimulationSummary& summary) {
  constexpr double kLargestRHat = 1.02, kErrors = 4.0;
  const bool of_points = state.request.system.empty();
  std::vector<std::string> warnings;
  if (summary.temperatures.empty()) return warnings;
  const bool langevin = state.request.ensemble == "nvt" || state.request.equilibration > 0;
  if (langevin && state.request.friction == 0.0)
    warnings.push_back(
        "--friction is 0: nothing brings the walkers to their temperature, and each keeps the "
        "energy that it began with, as in nve; give one above 0");
  const TemperatureSummary& first = summary.temperatures.front();
  // NaN, of what does not vary, hides nothing.
  const double r_hat = std::fmax(first.r_hat, summary.place_r_hat);
  if (state.request.ensemble == "nvt" && r_hat > kLargestRHat)
    warnings.push_back(
        fmt::format("R-hat is {:.3f}: the replicas have not forgotten where they began; take more "
                    "--steps, or --temperatures for replica exchange",
                    r_hat));
  for (const TemperatureSummary& own : summary.temperatures) {
    if (state.request.ensemble != "nvt") break;
    // Where energies run away errors do too: no mean is further off than six deviations of a frame.
    const double most = 6.0 * own.temperature * std::sqrt(2.0 / std::max(summary.freedoms, 1.0));
    const auto is_off = [&](const SimulationMean& mean, double limit) {
      const double off = std::abs(mean.value - own.temperature);
      return !std::isfinite(mean.value) || off > limit || off > kErrors * mean.error;
    };
    const bool kinetic = is_off(own.kinetic, most);
    if (!kinetic && !is_off(own.virial, INFINITY)) continue;
    warnings.push_back(
        fmt::format("the {0} temperature is {1}{2} where {3:g}{2} is right: not in equilibrium, or "
                    "--time-step is too long{4}",
                    kinetic ? "kinetic" : "virial",
                    text_of(kinetic ? own.kinetic : own.virial, of_points ? 4 : 1),
                    of_points ? "" : " K", own.temperature,
                    of_points                    ? ", or the energy does not confine the points"
                    : state.request.flow.empty() ? ""
                                                 : ", or the flow has too little of the molecule"));
  }
  return warnings;
}

void write_simulation_json(const SimulationPaths& paths, const SimulationState& state,
                           std::int64_t atoms, const SimulationSummary& summary,
                           const std::vector<std::string>& warnings) {
  const SimulationRequest& request = state.request;
  const auto mean = [](const SimulationMean& value) {
    return nlohmann::ordered_json{{"mean", value.value}, {"error", value.error}};
  };
  // Units are a part of names.
  const bool of_points = request.system.empty();
  const auto named = [&](const char* name, const char* unit) {
    return of_points ? std::string(name) : fmt::format("{}_{}", name, unit);
  };
  nlohmann::ordered_json figures = {{"thalweg", version()},
                                    {"system", request.system},
                                    {"solvent", request.solvent},
                                    {"flow", request.flow},
                                    {"energy", request.energy},
                                    {"constants", request.constants},
                                    {"energy_library", request.energy_library},
                                    {"target", request.target},
                                    {"atoms", atoms},
                                    {"ensemble", request.ensemble},
                                    {named("time_step", "fs"), request.time_step},
                                    {named("friction", "per_ps"), request.friction},
                                    {"steps", request.steps},
                                    {"equilibration", request.equilibration},
                                    {"replicas", request.replicas},
                                    {"frame_every", request.frame_every},
                                    {"exchange_every", request.exchange_every},
                                    {"frames", state.frames},
                                    {"seed", request.seed},
                                    {"seconds", state.seconds}};
  for (const TemperatureSummary& own : summary.temperatures)
    figures["temperatures"].push_back({{"temperature", own.temperature},
                                       {named("potential", "kj_mol"), mean(own.potential)},
                                       {"kinetic_temperature", mean(own.kinetic)},
                                       {"virial_temperature", mean(own.virial)},
                                       {"r_hat", own.r_hat},
                                       {"effective_samples", own.effective_samples},
                                       {"exchanged", own.exchanged}});
  for (const EnergyDrift& drift : summary.drift)
    figures["drift"] = {{named("slope", "kj_mol_ns_freedom"), drift.slope},
                        {"slope_error", drift.slope_error},
                        {named("deviation", "kj_mol"), drift.deviation}};
  for (const BackboneRows& each : summary.backbone)
    figures["backbone"].push_back(
        {{"residue", each.residue}, {"phi_above_0", positive_share(each.phi)}});
  if (!std::isnan(summary.place_r_hat)) {
    const std::string of = of_points ? "points" : "backbone";
    figures[of + "_r_hat"] = summary.place_r_hat;
    figures[of + "_effective_samples"] = summary.place_samples;
  }
  figures["warnings"] = warnings;
  write_file_atomically(paths.summary(), figures.dump(2) + "\n");
}

}  // namespace thalweg

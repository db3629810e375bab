// What a simulation's files say, in numbers, words and pictures.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/runs/simulation_files.h"

namespace thalweg {

/// A mean with its standard error by effective samples; NaN where they are not known.
struct SimulationMean {
  double value = 0.0, error = 0.0;
};

/// One temperature's walkers over all frames.
struct TemperatureSummary {
  double temperature = 0.0;
  SimulationMean potential;
  SimulationMean kinetic;  ///< temperature of the velocities
  /// Of the positions: sum of x dU/dx over k_B and the number of coordinates, less the directions
  /// along which the energy does not change.
  SimulationMean virial;
  double r_hat = 0.0, effective_samples = 0.0;  ///< of the potential energy
  double exchanged = 0.0;                       ///< share of tries with the next; NaN for the last
};

/// Of a microcanonical simulation: how well the sum of energies is kept.
struct EnergyDrift {
  double slope = 0.0;        ///< kJ/mol/ns, or energy over time, a degree of freedom
  double slope_error = 0.0;  ///< over replicas; NaN for one
  double deviation = 0.0;    ///< root mean square around the line
};

/// In the simulation's units, see units_of().
struct SimulationSummary {
  double freedoms = 0.0, moved_freedoms = 0.0;  ///< of velocities, and of positions by the energy
  std::vector<TemperatureSummary> temperatures = {};
  std::vector<EnergyDrift> drift = {};      ///< one, or none
  std::vector<BackboneRows> backbone = {};  ///< frame by frame and replica by replica
  /// The worst of cosines and sines of backbone angles, or of the columns of points that have a
  /// place, which those of particles that may move together have not; NaN where there are none.
  double place_r_hat = std::numeric_limits<double>::quiet_NaN(), place_samples = place_r_hat;
  std::vector<double> energies = {};  ///< as energies.npy
};

/// Reads what simulate() wrote of so many coordinates, in `invariant` directions of which the
/// energy does not change. Throws DataError for damaged files.
SimulationSummary summarise_simulation(const SimulationPaths& paths, const SimulationState& state,
                                       std::int64_t coordinates,
                                       const std::vector<BackboneAngles>& angles);

/// `name` with its unit, if it has one.
std::string with_unit(const std::string& name, const std::string& unit);

/// What is simulated, in words.
std::string moved_by(const SimulationRequest& request);

/// For people, a line each.
std::string simulation_text(const SimulationState& state, const SimulationSummary& summary);
/// What is not as it should be, a sentence each.
std::vector<std::string> simulation_warnings(const SimulationState& state,
                                             const SimulationSummary& summary);
/// Writes summary.json; `atoms` are 0 of points.
void write_simulation_json(const SimulationPaths& paths, const SimulationState& state,
                           std::int64_t atoms, const SimulationSummary& summary,
                           const std::vector<std::string>& warnings);
/// Writes report.html and plots/, of points with their `columns`; without pictures where there is
/// no gnuplot.
void write_simulation_page(const SimulationPaths& paths, const SimulationState& state,
                           const SimulationSummary& summary,
                           const std::vector<std::string>& columns,
                           const std::vector<std::string>& warnings);

}  // namespace thalweg

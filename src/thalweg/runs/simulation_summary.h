// What a simulation's files say, in numbers, words and pictures.
#pragma once

#include <cstdint>
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
  SimulationMean potential;  ///< kJ/mol
  SimulationMean kinetic;    ///< temperature of the velocities, K
  SimulationMean virial;     ///< of the positions: sum of x dU/dx over (3 atoms - 3) k_B, K
  double r_hat = 0.0, effective_samples = 0.0;  ///< of the potential energy
  double exchanged = 0.0;                       ///< share of tries with the next; NaN for the last
};

/// Of a microcanonical simulation: how well the sum of energies is kept.
struct EnergyDrift {
  double slope = 0.0;        ///< kJ/mol/ns a degree of freedom
  double slope_error = 0.0;  ///< over replicas; NaN for one
  double deviation = 0.0;    ///< root mean square around the line, kJ/mol
};

struct SimulationSummary {
  std::vector<TemperatureSummary> temperatures;
  std::vector<EnergyDrift> drift = {};                  ///< one, or none
  std::vector<BackboneRows> backbone = {};              ///< frame by frame and replica by replica
  double backbone_r_hat = 0.0, backbone_samples = 0.0;  ///< the worst of cosines and sines
  std::vector<double> energies = {};                    ///< as energies.npy
};

/// Reads what simulate() wrote. `coordinates` are 3 an atom. Throws DataError for damaged files.
SimulationSummary summarise_simulation(const SimulationPaths& paths, const SimulationState& state,
                                       std::int64_t atoms,
                                       const std::vector<BackboneAngles>& angles);

/// What is simulated, in words.
std::string moved_by(const SimulationRequest& request);

/// For people, a line each.
std::string simulation_text(const SimulationState& state, const SimulationSummary& summary);
/// What is not as it should be, a sentence each.
std::vector<std::string> simulation_warnings(const SimulationState& state,
                                             const SimulationSummary& summary);
/// Writes summary.json.
void write_simulation_json(const SimulationPaths& paths, const SimulationState& state,
                           std::int64_t atoms, const SimulationSummary& summary,
                           const std::vector<std::string>& warnings);
/// Writes report.html and plots/; without pictures where there is no gnuplot.
void write_simulation_page(const SimulationPaths& paths, const SimulationState& state,
                           const SimulationSummary& summary,
                           const std::vector<std::string>& warnings);

}  // namespace thalweg

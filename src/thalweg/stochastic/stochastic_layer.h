// Layers of random moves with the log ratio of their path probabilities (Wu, Koehler, Noe 2020).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/stochastic/energy.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// How a stochastic layer moves. `y` and its energy u are those of make_stochastic_layer.
struct StochasticOptions {
  /// Of stochastic_kinds():
  /// - metropolis: y + step_size noise, accepted by the energy;
  /// - langevin: overdamped Langevin steps without a test (eqs. 18 to 20 there, beta = 1), whose
  ///   step_size is epsilon;
  /// - inertial: Langevin steps with velocities, drawn afresh in each layer, of time step step_size
  ///   and unit masses (the splitting OBABO);
  /// - mala: a langevin step, accepted so that exp(-u) stays as it is;
  /// - hmc: fresh velocities, leapfrog steps of step_size, accepted likewise.
  std::string kind = "metropolis";
  std::int64_t steps = 10;      ///< moves; at least 1
  double step_size = 0.1;       ///< of the first move; positive
  double last_step_size = 0.0;  ///< of the last one, with equal factors between; 0: step_size
  /// Makes step_size a parameter; the ratio of the last to the first stays.
  bool trainable = false;
  std::int64_t leapfrog_steps = 5;  ///< hmc: of each move; at least 1
  double friction = 1.0;            ///< inertial: per unit of time; at least 0
  /// Above 0: y has positions of particles in so many dimensions, whose centre of mass stays.
  std::int64_t mean_free_dimensions = 0;
};

struct StochasticKind {
  std::string name, summary;
  std::vector<std::string> settings = {};  ///< keys of the settings that it reads
  /// From checked options; its Mapped is that of make_stochastic_layer.
  std::function<std::shared_ptr<const Transform>(ParameterStore&, const std::string& name,
                                                 std::shared_ptr<const Energy>,
                                                 const StochasticOptions&)>
      make;
};

/// What setting stochastic.kind chooses from, and what a program adds to it.
KindTable<StochasticKind>& stochastic_kinds();

/// A layer of `options.steps` moves by `energy`. It is a transform in whose Mapped log_det is the
/// log ratio of path probabilities, log P(back again) - log P(the moves made): for forward and
/// inverse alike. Inverse makes the same kind of moves, with the step sizes from the last to the
/// first, so that its paths are forward's in reverse. So a flow with such layers has path
/// weights in place of a density (see Flow::log_prob).
///
/// For moves that are accepted or rejected the ratio is u(end) - u(start) (eq. 22 there). Langevin
/// steps have eq. 20, inertial ones minus the change of kinetic energy by forces: the noise parts
/// keep the velocities' distribution, the rest keeps volumes and can be reversed.
///
/// In a training graph derivatives flow through moves and ratios to the start, the energy's
/// parameters and a trainable step size. Those of the accepting itself, which jumps, are left out,
/// as in the published work. A move to where the energy is not finite is rejected and leaves no
/// trace in value or derivatives; langevin and inertial moves, which have no test, want steps small
/// enough.
///
/// Throws ConfigError for an unknown kind and values out of range.
std::shared_ptr<const Transform> make_stochastic_layer(ParameterStore& parameters,
                                                       const std::string& name,
                                                       std::shared_ptr<const Energy> energy,
                                                       const StochasticOptions& options);

}  // namespace thalweg

// The objectives that a setting can name.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/objectives/objective.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// What objectives are made with; each takes what it needs.
struct ObjectiveOptions {
  std::string kind = "maximum_likelihood";  ///< a name of objective_kinds()
  double likelihood_weight = 0.5;           ///< mixed: weight of the likelihood, in [0, 1]
  std::int64_t likelihood_steps = 0;  ///< mixed, force_matching: first steps, without energies
  /// reverse_kl and mixed: factor on the target's log density at first, in [0, 1]
  double annealing_start = 0.01;
  /// steps, those of likelihood alone not counted, after which that factor has grown by 1; it ends
  /// at 1
  std::int64_t annealing_steps = 0;
  double reconstruction_weight = 100.0;  ///< free_form: this and the next four, see
                                         ///< FreeFormLossOptions
  std::int64_t probes = 1;
  double reconstruction_start = 0.0;
  std::int64_t reconstruction_steps = 0;
  double noise = 0.0;
  std::string pairing = "independent";  ///< flow_matching: a name of pairing_names()
  double force_weight = 0.001;  ///< force_matching: this and the next, see ForceMatchingOptions
  double energy_weight = 0.0;
  bool forces_of_data = false;  ///< force_matching: those that come with the points are matched
  /// This times Z of a resampled base is taken off the loss, so that it rejects less; at least 0
  double rejection_weight = 0.0;
};

/// One kind of objective.
struct ObjectiveKind {
  std::string name, summary;
  std::vector<std::string> settings = {};  ///< keys of the settings that it reads
  std::function<std::unique_ptr<Objective>(const ObjectiveOptions&,
                                           const std::shared_ptr<const Target>&)>
      make;
  bool needs_rows = true;           ///< learns from points, or from draws of a target
  bool needs_target = false;        ///< takes the density of a target
  bool takes_forces = false;        ///< forces that come with points may stand for a target
  std::string loss = "loss, nats";  ///< what the loss is, on its axis
  std::string told = "loss";        ///< and in a line of progress
  bool is_likelihood = false;       ///< the loss is the negative log likelihood, as of validation
  bool falls = true;                ///< what `loss` names gets less as a model gets better
};

/// What setting training.objective chooses from, and what a program adds to it.
KindTable<ObjectiveKind>& objective_kinds();

/// The objective that the options name. Throws ConfigError for an unknown one, DataError for one
/// that needs a target without one.
std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                          const std::shared_ptr<const Target>& target);

}  // namespace thalweg

#include "thalweg/objectives/kinds.h"

#include "thalweg/core/error.h"
#include "thalweg/objectives/flow_matching.h"
#include "thalweg/objectives/force_matching.h"
#include "thalweg/objectives/free_form.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/mixed.h"
#include "thalweg/objectives/reverse_kl.h"

namespace thalweg {
namespace {

ReverseKlOptions reverse_options(const ObjectiveOptions& options, std::int64_t first_step) {
  return {.rejection_weight = options.rejection_weight,
          .annealing_start = options.annealing_start,
          .annealing_steps = options.annealing_steps,
          .first_step = first_step};
}

ReverseKl reverse_kl(const ObjectiveOptions& options, const std::shared_ptr<const Target>& target,
                     std::int64_t first_step) {
  return ReverseKl(target, reverse_options(options, first_step));
}

}  // namespace

KindTable<ObjectiveKind>& objective_kinds() {
  using TargetPointer = std::shared_ptr<const Target>;
  static KindTable<ObjectiveKind> kinds({
      {.name = "maximum_likelihood",
       .summary = "the likelihood of points",
       .settings = {"training.rejection_weight"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer&) {
             return std::make_unique<MaximumLikelihood>(options.rejection_weight);
           },
       .loss = "negative log likelihood, nats",
       .is_likelihood = true},
      {.name = "reverse_kl",
       .summary = "KL(model || target), from a target's energy alone",
       .settings = {"training.annealing_start", "training.annealing_steps",
                    "training.rejection_weight"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer& target) {
             return std::make_unique<ReverseKl>(reverse_kl(options, target, 0));
           },
       .needs_rows = false,
       .needs_target = true,
       .loss = "KL(model || target) - log integral, nats"},
      {.name = "mixed",
       .summary = "a mean of the two, from points and an energy",
       .settings = {"training.likelihood_weight", "training.likelihood_steps",
                    "training.annealing_start", "training.annealing_steps",
                    "training.rejection_weight"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer& target) {
             return std::make_unique<MixedLikelihood>(
                 MaximumLikelihood(options.rejection_weight),
                 reverse_kl(options, target, options.likelihood_steps), options.likelihood_weight,
                 options.likelihood_steps);
           },
       .needs_target = true},
      {.name = "force_matching",
       .summary = "forces of an energy at points, beside the likelihood and maybe reverse KL",
       .settings = {"training.force_weight", "training.energy_weight", "training.likelihood_steps",
                    "training.annealing_start", "training.annealing_steps",
                    "training.rejection_weight"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer& target) {
             return std::make_unique<ForceMatching>(
                 target,
                 ForceMatchingOptions{.force_weight = options.force_weight,
                                      .energy_weight = options.energy_weight,
                                      .of_data = options.forces_of_data,
                                      .rejection_weight = options.rejection_weight,
                                      .first_steps = options.likelihood_steps},
                 reverse_options(options, options.likelihood_steps));
           },
       .needs_target = true,
       .takes_forces = true,
       .loss = "likelihood and squared forces, weighted"},
      {.name = "free_form",
       .summary = "an estimate of the likelihood's gradient and reconstruction, of free-form flows",
       .settings = {"training.reconstruction_weight", "training.reconstruction_start",
                    "training.reconstruction_steps", "training.reconstruction_search",
                    "training.probes", "training.noise", "training.rejection_weight"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer&) {
             return std::make_unique<FreeFormLoss>(
                 FreeFormLossOptions{.reconstruction_weight = options.reconstruction_weight,
                                     .probes = options.probes,
                                     .reconstruction_start = options.reconstruction_start,
                                     .reconstruction_steps = options.reconstruction_steps,
                                     .noise = options.noise,
                                     .rejection_weight = options.rejection_weight});
           },
       .loss = "reconstruction error |x - g(f(x))|^2 a row",
       .told = "reconstruction",
       .falls = false},
      {.name = "flow_matching",
       .summary = "a regression of the velocity on straight paths, of continuous flows",
       .settings = {"training.pairing"},
       .make =
           [](const ObjectiveOptions& options, const TargetPointer&) {
             return std::make_unique<FlowMatching>(pairing_by_name(options.pairing));
           },
       .loss = "squared error of the velocity, a column",
       .told = "matching"},
  });
  return kinds;
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                          const std::shared_ptr<const Target>& target) {
  const ObjectiveKind& kind = objective_kinds().find("training.objective", options.kind);
  const bool has_forces = kind.takes_forces && options.forces_of_data;
  if (kind.needs_target && !target && !has_forces)
    fail<DataError>("training: the objective {} needs a target with a density", kind.name);
  return kind.make(options, target);
}

}  // namespace thalweg

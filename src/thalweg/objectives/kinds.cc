#include "thalweg/objectives/kinds.h"

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/objectives/maximum_likelihood.h"
#include "thalweg/objectives/mixed.h"
#include "thalweg/objectives/reverse_kl.h"

namespace thalweg {
namespace {

ReverseKl reverse_kl(const ObjectiveOptions& options, const std::shared_ptr<const Target>& target,
                     std::int64_t first_step) {
  return ReverseKl(target, {.rejection_weight = options.rejection_weight,
                            .annealing_start = options.annealing_start,
                            .annealing_steps = options.annealing_steps,
                            .first_step = first_step});
}

}  // namespace

std::vector<ObjectiveKind>& objective_kinds() {
  using TargetPointer = std::shared_ptr<const Target>;
  static std::vector<ObjectiveKind> kinds = {
      {"maximum_likelihood",
       "of the training data",
       {"training.rejection_weight"},
       false,
       [](const ObjectiveOptions& options, const TargetPointer&) {
         return std::make_unique<MaximumLikelihood>(options.rejection_weight);
       }},
      {"reverse_kl",
       "from a target's energy alone",
       {"training.annealing_start", "training.annealing_steps", "training.rejection_weight"},
       true,
       [](const ObjectiveOptions& options, const TargetPointer& target) {
         return std::make_unique<ReverseKl>(reverse_kl(options, target, 0));
       }},
      {"mixed",
       "of both",
       {"training.likelihood_weight", "training.likelihood_steps", "training.annealing_start",
        "training.annealing_steps", "training.rejection_weight"},
       true,
       [](const ObjectiveOptions& options, const TargetPointer& target) {
         return std::make_unique<MixedLikelihood>(
             MaximumLikelihood(options.rejection_weight),
             reverse_kl(options, target, options.likelihood_steps), options.likelihood_weight,
             options.likelihood_steps);
       }}};
  return kinds;
}

std::unique_ptr<Objective> make_objective(const ObjectiveOptions& options,
                                          const std::shared_ptr<const Target>& target) {
  std::vector<std::string> names;
  for (const ObjectiveKind& kind : objective_kinds()) names.push_back(kind.name);
  const auto found = std::ranges::find(names, options.kind);
  if (found == names.end())
    fail<ConfigError>("training.objective: expected an objective, got '{}'{}", options.kind,
                      name_hint(options.kind, names));
  const ObjectiveKind& kind = objective_kinds()[static_cast<std::size_t>(found - names.begin())];
  if (kind.needs_target && !target)
    fail<DataError>("training: the objective {} needs a target with a density", kind.name);
  return kind.make(options, target);
}

}  // namespace thalweg

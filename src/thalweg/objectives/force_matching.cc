#include "thalweg/objectives/force_matching.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {

ForceMatching::ForceMatching(std::shared_ptr<const Target> target,
                             const ForceMatchingOptions& options, const ReverseKlOptions& reverse)
    : target_(std::move(target)), options_(options), likelihood_(options.rejection_weight) {
  if (!target_ && (!options.of_data || options.energy_weight > 0.0))
    fail<ConfigError>("force matching: expected a target{}, got none",
                      options.of_data ? " for training.energy_weight" : " or forces of the data");
  if (!(options.force_weight > 0.0 && options.force_weight <= 1.0))
    fail<ConfigError>("training.force_weight: expected a number above 0 and up to 1, got {}",
                      options.force_weight);
  if (!(options.energy_weight >= 0.0 && options.force_weight + options.energy_weight <= 1.0))
    fail<ConfigError>(
        "training.energy_weight: expected at least 0, and with training.force_weight = {} at most "
        "1 together, got {}",
        options.force_weight, options.energy_weight);
  if (options.first_steps < 0)
    fail<ConfigError>("training.likelihood_steps: expected at least 0, got {}",
                      options.first_steps);
  if (options.energy_weight == 0.0) return;
  reverse_.emplace(target_, reverse);
  if (options.first_steps == 0) return;
  ForceMatchingOptions without = options;
  without.energy_weight = 0.0;
  first_ = std::make_unique<ForceMatching>(target_, without);
}

Value flow_forces(const Flow& flow, Value y, std::size_t layers, Value context) {
  const std::size_t inner = std::min(layers, flow.transforms().size());
  const Mapped data = flow.forward(y, context, inner);
  if (const InternalCoordinates* coordinates = flow.coordinates()) {
    const Value positions = stop_gradient(coordinates->to_positions(data.value).value);
    return vjp({flow.log_prob_at_positions(positions, context)}, {}, {positions}).front();
  }
  // The columns' maps are elementwise, so that dx/dy is a column: d/dx = (dx/dy)^-1 d/dy.
  const Value stretch =
      jvp({data.value}, {y}, {broadcast(y.graph->constant(1.0), y.shape())}).front();
  const Value log_density = flow.log_prob(y, context, inner) - data.log_det;
  return vjp({log_density}, {}, {y}).front() / stretch;
}

Value target_forces(const Flow& flow, const Target& target, Value y, std::size_t layers) {
  const Value x =
      stop_gradient(flow.forward(y, {}, std::min(layers, flow.transforms().size())).value);
  if (const InternalCoordinates* coordinates = flow.coordinates()) {
    const Value positions = stop_gradient(coordinates->to_positions(x).value);
    const Mapped internal = coordinates->to_internal(positions);
    const Value log_density = target.log_density(internal.value) + internal.log_det;
    return stop_gradient(vjp({log_density}, {}, {positions}).front());
  }
  return stop_gradient(vjp({target.log_density(x)}, {}, {x}).front());
}

Loss ForceMatching::build(StepBuilder& step) const {
  const Flow& flow = step.flow();
  if (flow.context_features() > 0 && !options_.of_data)
    fail<ConfigError>(
        "force matching: a flow with a context cannot be compared with the forces of an energy, "
        "which knows none: give forces beside the points by data.forces");
  if (target_ && target_->features() != flow.features())
    fail<ShapeError>("force matching: expected a target of {} features, got {} of {}",
                     flow.features(), target_->features(), target_->name());
  for (const auto& transform : flow.transforms())
    if (transform->stochastic() || !transform->exact_slopes())
      fail<ConfigError>(
          "training.objective: force_matching takes forces of the flow, and the layer '{}' has "
          "none that are exact: choose another flow.kind{}",
          transform->name(), transform->stochastic() ? "" : ", or flow.log_det = \"exact\"");
  const StepBuilder::Rows rows = step.rows();
  const Value wanted =
      options_.of_data ? step.forces() : target_forces(flow, *target_, rows.y, step.layers());
  const Value found = flow_forces(flow, rows.y, step.layers(), rows.context);
  const Value error = sum(square(found - wanted), Axis::kFeatures);
  Loss loss{.value = options_.force_weight * batch_mean(error), .non_finite = {}};
  Value finite = is_finite(error);
  const double likelihood = 1.0 - options_.force_weight - options_.energy_weight;
  if (likelihood > 0.0) {
    const Value log_prob = row_log_prob(step);
    loss.value = loss.value + likelihood * likelihood_.of_rows(step, log_prob).value;
    // A row counts once, whichever part of its loss is not finite.
    finite = finite * is_finite(log_prob);
  }
  loss.non_finite = batch_sum(1.0 - finite);
  if (!reverse_) return loss;
  const Loss part = reverse_->build(step);
  if (part.surrogate.valid()) loss.surrogate = loss.value + options_.energy_weight * part.surrogate;
  loss.value = loss.value + options_.energy_weight * part.value;
  loss.non_finite = loss.non_finite + part.non_finite;
  return loss;
}

}  // namespace thalweg

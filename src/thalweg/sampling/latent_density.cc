#include "thalweg/sampling/latent_density.h"

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

/// Layers without a context are not given one.
Value context_for(std::int64_t context_features, Value context) {
  return context_features == 0 ? Value{} : context;
}

}  // namespace

std::string statement(ChainTarget target) {
  switch (target) {
    case ChainTarget::kModel:
      return "the flow's own density";
    case ChainTarget::kSharpened:
      return "the sharpened density q_Z/|J_f| of the latent space, not the flow's own density";
    case ChainTarget::kEnergy:
      return "the density that the run was trained for, not the flow's own";
  }
  return {};
}

LatentDensity::LatentDensity(const Flow& flow, std::size_t column_maps, ChainTarget target,
                             std::shared_ptr<const Target> energy)
    : flow_(&flow),
      inner_(flow.transforms().size() - column_maps),
      target_(target),
      energy_(std::move(energy)) {
  if (flow.stochastic())
    fail<ConfigError>(
        "Markov chains: this flow has stochastic layers and so no density of its own to move by; "
        "draw with the samplers naive or importance");
  if (target_ != ChainTarget::kEnergy) return;
  if (energy_ == nullptr)
    fail<ConfigError>(
        "Markov chains: expected a run that was trained for a target or an energy, to sample that");
  if (energy_->features() != flow.features())
    fail<ConfigError>("Markov chains: '{}' has {} features, the flow {}", energy_->name(),
                      energy_->features(), flow.features());
}

Mapped LatentDensity::inner_forward(Value z, Value context) const {
  Mapped result{z, z.graph->constant(0.0)};
  for (std::size_t i = 0; i < inner_; ++i) {
    const Transform& transform = *flow_->transforms()[i];
    const Mapped mapped =
        transform.forward(result.value, context_for(transform.context_features(), context));
    result = {mapped.value, result.log_det + mapped.log_det};
  }
  return result;
}

Mapped LatentDensity::inner_inverse(Value y, Value context) const {
  Mapped result{y, y.graph->constant(0.0)};
  for (std::size_t i = inner_; i-- > 0;) {
    const Transform& transform = *flow_->transforms()[i];
    const Mapped mapped =
        transform.inverse(result.value, context_for(transform.context_features(), context));
    result = {mapped.value, result.log_det + mapped.log_det};
  }
  return result;
}

Value LatentDensity::log_base(const Base& base, Value z, Value context) const {
  return base.log_prob(z, context_for(base.context_features(), context));
}

Value LatentDensity::log_density(Value y, Value log_base, Value log_det, Value context) const {
  if (target_ == ChainTarget::kModel) return log_base;
  if (target_ == ChainTarget::kSharpened) return log_base - log_det;
  Mapped data{y, log_det};
  for (std::size_t i = inner_; i < flow_->transforms().size(); ++i) {
    const Transform& transform = *flow_->transforms()[i];
    const Mapped mapped =
        transform.forward(data.value, context_for(transform.context_features(), context));
    data = {mapped.value, data.log_det + mapped.log_det};
  }
  return energy_->log_density(data.value) + data.log_det;
}

ChainPoint LatentDensity::at(Value z, Value context, bool with_gradient, bool with_score) const {
  const Mapped mapped = inner_forward(z, context);
  ChainPoint point;
  point.z = z;
  point.y = mapped.value;
  point.log_det = mapped.log_det;
  point.log_base = log_base(flow_->base(), z, context);
  point.log_density = log_density(point.y, point.log_base, point.log_det, context);
  if (with_gradient) point.gradient = vjp({point.log_density}, {}, {z})[0];
  if (with_score) {
    const Mapped latent = inner_inverse(point.y, context);
    point.score =
        vjp({log_base(flow_->base(), latent.value, context) + latent.log_det}, {}, {point.y})[0];
  }
  return point;
}

Value LatentDensity::gradient(Value z, Value context) const {
  const Mapped mapped = inner_forward(z, context);
  const Value base = log_base(flow_->base(), z, context);
  return vjp({log_density(mapped.value, base, mapped.log_det, context)}, {}, {z})[0];
}

Value LatentDensity::to_latent(Value y, Value context) const {
  return inner_inverse(y, context).value;
}

Value LatentDensity::pull_back(Value y, Value tangent, Value context) const {
  return jvp({inner_inverse(y, context).value}, {y}, {tangent})[0];
}

Value LatentDensity::push_forward(const ChainPoint& point, Value tangent) const {
  return jvp({point.y}, {point.z}, {tangent})[0];
}

Value LatentDensity::push_forward(Value z, Value tangent, Value context) const {
  return jvp({inner_forward(z, context).value}, {z}, {tangent})[0];
}

Value LatentDensity::to_data(Value y, Value context) const {
  for (std::size_t i = inner_; i < flow_->transforms().size(); ++i) {
    const Transform& transform = *flow_->transforms()[i];
    y = transform.forward(y, context_for(transform.context_features(), context)).value;
  }
  return y;
}

Value LatentDensity::draw(Graph& graph, Value context) const {
  const Base& base = flow_->base().proposal();
  return base.draw(graph, 0, context_for(base.context_features(), context));
}

Value LatentDensity::log_draw(Value z, Value context) const {
  return log_base(flow_->base().proposal(), z, context);
}

}  // namespace thalweg

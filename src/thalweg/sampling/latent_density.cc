#include "thalweg/sampling/latent_density.h"

#include "thalweg/bases/mean_free_normal.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {
namespace {

/// Layers without a context are not given one.
Value context_for(std::int64_t context_features, Value context) {
  return context_features == 0 ? Value{} : context;
}

/// Column k of a matrix of 2 columns below each other, or of 1.
Value column(Value jacobian, std::int64_t features, std::int64_t k) {
  return slice(jacobian, k * features, features);
}

Value element(Value v, std::int64_t i) { return slice(v, i, 1); }

Value determinant(Value first, Value second) {
  return element(first, 0) * element(second, 1) - element(first, 1) * element(second, 0);
}

/// J^-1 v by Cramer's rule.
Value solved(Value jacobian, Value v) {
  if (v.features() == 1) return v / jacobian;
  const Value first = column(jacobian, 2, 0), second = column(jacobian, 2, 1);
  return concat({determinant(v, second), determinant(first, v)}) / determinant(first, second);
}

/// J^-T v.
Value solved_transposed(Value jacobian, Value v) {
  if (v.features() == 1) return v / jacobian;
  return solved(take(jacobian, {0, 2, 1, 3}), v);
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

LatentDensity::LatentDensity(const Model& model, ChainTarget target,
                             std::shared_ptr<const Target> energy)
    : LatentDensity(model.flow(), model.parameters(), target, std::move(energy)) {
  model_ = &model;
  layers_ = model.layers();
}

LatentDensity::LatentDensity(const Flow& flow, const ParameterStore& parameters, ChainTarget target,
                             std::shared_ptr<const Target> energy)
    : flow_(&flow),
      parameters_(&parameters),
      layers_(flow.transforms().size()),
      target_(target),
      energy_(std::move(energy)) {
  if (paths() && target_ != ChainTarget::kEnergy)
    fail<ConfigError>(
        "Markov chains: this flow has stochastic layers and so no density of its own to move by; "
        "draw with the samplers naive or importance, or independence for what it was trained for");
  if (target_ != ChainTarget::kEnergy) return;
  if (energy_ == nullptr)
    fail<ConfigError>(
        "Markov chains: expected a run that was trained for a target or an energy, to sample that");
  if (energy_->features() != flow_->features())
    fail<ConfigError>("Markov chains: '{}' has {} features, the flow {}", energy_->name(),
                      energy_->features(), flow_->features());
}

Value LatentDensity::log_density(Value y, Value log_base, Value log_det) const {
  if (target_ == ChainTarget::kModel) return log_base;
  if (target_ == ChainTarget::kSharpened) return log_base - log_det;
  const Mapped data = flow_->forward(y, {}, layers_);
  return energy_->log_density(data.value) + (log_det + data.log_det);
}

std::vector<double> LatentDensity::layers_context(std::span<const double> context) const {
  if (model_ == nullptr) return {context.begin(), context.end()};
  require_known_classes("Markov chains", *model_, context);
  return standardised_context(*model_, context);
}

ChainPoint LatentDensity::at(Value z, Value context, const PointWishes& wishes) const {
  const Mapped mapped = flow_->forward(z, context, 0, layers_);
  ChainPoint point;
  point.z = z;
  point.y = mapped.value;
  point.log_det = mapped.log_det;
  point.log_base = flow_->log_base(z, context);
  point.log_density = log_density(point.y, point.log_base, point.log_det);
  if (wishes.gradient) point.gradient = allowed(vjp({point.log_density}, {}, {z})[0], context);
  if (wishes.jacobian) {
    // The slopes of log q_Y(f(z)) come along with the columns, at next to no cost.
    std::vector<Value> columns, slopes;
    for (std::int64_t k = 0; k < features(); ++k) {
      std::vector<double> unit(static_cast<std::size_t>(features()), 0.0);
      unit[static_cast<std::size_t>(k)] = 1.0;
      const std::vector<Value> moved = jvp({point.y, point.log_base - point.log_det}, {z},
                                           {z.graph->constant({features(), 1}, std::move(unit))});
      columns.push_back(moved[0]);
      slopes.push_back(moved[1]);
    }
    point.jacobian = concat(columns);
    if (wishes.score)
      point.score = allowed(solved_transposed(point.jacobian, concat(slopes)), context);
  } else if (wishes.score) {
    const Mapped latent = flow_->inverse(point.y, context, 0, layers_);
    const Value log_density = flow_->log_base(latent.value, context) + latent.log_det;
    point.score = allowed(vjp({log_density}, {}, {point.y})[0], context);
  }
  return point;
}

Value LatentDensity::gradient(Value z, Value context) const {
  return at(z, context, {.gradient = true}).gradient;
}

Value LatentDensity::to_latent(Value y, Value context) const {
  return flow_->inverse(y, context, 0, layers_).value;
}

Value LatentDensity::pull_back(const ChainPoint& point, Value tangent, Value context) const {
  if (point.jacobian.valid()) return solved(point.jacobian, tangent);
  return jvp({flow_->inverse(point.y, context, 0, layers_).value}, {point.y}, {tangent})[0];
}

Value LatentDensity::push_forward(const ChainPoint& point, Value tangent, Value context) const {
  if (!point.jacobian.valid())
    return jvp({flow_->forward(point.z, context, 0, layers_).value}, {point.z}, {tangent})[0];
  Value product;
  for (std::int64_t k = 0; k < features(); ++k) {
    const Value part = column(point.jacobian, features(), k) * element(tangent, k);
    product = product.valid() ? product + part : part;
  }
  return product;
}

Value LatentDensity::unsolved(Value z, Value context) const {
  const Mapped mapped = flow_->forward(z, context, 0, layers_);
  return target_ == ChainTarget::kModel ? mapped.unsolved_value : mapped.unsolved;
}

Value LatentDensity::to_data(Value y) const { return flow_->forward(y, {}, layers_).value; }

Value LatentDensity::allowed(Value direction, Value context) const {
  const Base& base = flow_->base();
  return base.along(direction, context_for(base.context_features(), context));
}

Value LatentDensity::noise(Graph& graph, Value context) const {
  return allowed(graph.normal({features(), 1}), context);
}

Value LatentDensity::draw(Graph& graph, Value context) const {
  const Base& base = flow_->base().proposal();
  return base.draw(graph, 0, context_for(base.context_features(), context));
}

Value LatentDensity::log_draw(Value z, Value context) const {
  const Base& base = flow_->base().proposal();
  return base.log_prob(z, context_for(base.context_features(), context));
}

}  // namespace thalweg

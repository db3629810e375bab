#include "thalweg/objectives/objective.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/transforms/free_form.h"

namespace thalweg {

std::vector<std::string> pairing_names() {
  return {"independent", "optimal_transport", "equivariant"};
}

Pairing pairing_by_name(const std::string& name) {
  const std::vector<std::string> names = pairing_names();
  const auto found = std::ranges::find(names, name);
  if (found == names.end())
    fail<ConfigError>("training.pairing: expected one of {}, got '{}'", fmt::join(names, ", "),
                      name);
  return static_cast<Pairing>(found - names.begin());
}

StepBuilder::StepBuilder(Graph& graph, const Flow& flow, std::int64_t samples, std::size_t layers,
                         bool mapped)
    : graph_(graph), flow_(flow), samples_(samples), layers_(layers), mapped_(mapped) {}

Value StepBuilder::input(std::int64_t features, StepInput described) {
  const Value value = graph_.input({features, 1}, described.domain);
  inputs_.push_back(std::move(described));
  return value;
}

const StepBuilder::Rows& StepBuilder::rows() {
  if (has_rows_) return rows_;
  if (has_draws_)
    fail<ConfigError>("objective: ask for rows before draws, which otherwise take their domain");
  has_rows_ = true;
  rows_.y = input(flow_.features(), {.source = StepSource::kRows});
  if (flow_.context_features() > 0)
    rows_.context = input(flow_.context_features(), {.source = StepSource::kContext});
  if (mapped_) rows_.log_det = input(1, {.source = StepSource::kLogDet});
  return rows_;
}

Value StepBuilder::forces() {
  rows();
  return input(flow_.force_features(), {.source = StepSource::kForces});
}

Domain StepBuilder::draws() {
  if (has_rows_) return graph_.add_domain(samples_);
  has_draws_ = true;
  return 0;
}

Value StepBuilder::latent(Domain domain) {
  const Base& base = flow_.base();
  const Value z = base.draw(graph_, domain);
  if (!base.rejects()) return z;
  return input(flow_.features(), {.source = StepSource::kLatent, .domain = domain});
}

Value StepBuilder::paired(Pairing pairing) {
  const Base& base = flow_.base();
  if (base.rejects())
    fail<ConfigError>(
        "base.kind: expected a base without a rejection step for {}, which does not train it, got "
        "'{}': set base.kind = \"normal\"",
        graph_.scope(), base.name());
  if (pairing == Pairing::kEquivariant && base.mean_free_dimensions() == 0)
    fail<ConfigError>(
        "training.pairing: equivariant takes a base of particles, base.kind = "
        "\"mean_free_normal\", got '{}': set training.pairing = \"optimal_transport\"",
        base.name());
  const Value context = rows().context;
  if (pairing == Pairing::kIndependent)
    return stop_gradient(flow_.draw(graph_, rows().y.domain(), context));
  return input(flow_.features(), {.source = StepSource::kPaired, .pairing = pairing});
}

Value StepBuilder::number(Domain domain, std::function<double(std::int64_t step)> at) {
  return input(1, {.source = StepSource::kNumber, .domain = domain, .number = std::move(at)});
}

TrainingStep training_step(StepBuilder& builder, const Objective& objective) {
  Graph& graph = builder.graph();
  if (!objective.trains_encoders())
    for (const auto& transform : builder.flow().transforms())
      if (dynamic_cast<const FreeForm*>(transform.get()) != nullptr)
        fail<ConfigError>(
            "training.objective: expected free_form for a flow with the free-form layer '{}', got "
            "{}, which leaves its encoder alone",
            transform->name(), objective.name());
  Loss loss;
  {
    const ScopeName scope(graph, objective.name());
    loss = objective.build(builder);
  }
  TrainingStep step;
  step.loss = loss.value;
  step.non_finite = loss.non_finite;
  std::vector<Value> parameters;
  const auto& infos = graph.parameters().infos();
  // A base within a base has names of its own behind the first.
  const std::string& base = builder.flow().base().name();
  const std::string prefix = base.substr(0, base.find('.')) + ".";
  for (std::size_t index = 0; index < infos.size(); ++index) {
    const bool of_base = infos[index].name.starts_with(prefix);
    if (!infos[index].trainable || (of_base && !objective.trains_base())) continue;
    step.trainable.push_back({static_cast<std::int32_t>(index)});
    parameters.push_back(graph.parameter(step.trainable.back()));
  }
  if (parameters.empty()) fail<ConfigError>("training: the model has no trainable parameters");
  step.gradients = gradient(loss.surrogate.valid() ? loss.surrogate : loss.value, parameters);
  return step;
}

TrainingStep training_step(Graph& graph, const Flow& flow, const Objective& objective,
                           std::int64_t samples) {
  StepBuilder builder(graph, flow, samples);
  return training_step(builder, objective);
}

Value acceptance_reward(Graph& graph, const Base& base, double weight, Value context) {
  if (!(weight >= 0.0 && std::isfinite(weight)))
    fail<ConfigError>("training.rejection_weight: expected a number of at least 0, got {}", weight);
  if (weight == 0.0) return graph.constant(0.0);
  const Value rate = base.acceptance_rate(graph, context);
  if (!rate.valid())
    fail<ConfigError>(
        "training.rejection_weight: expected 0 for the base '{}', which rejects nothing, got {}: "
        "set base.kind = \"resampled\" or leave it out",
        base.name(), weight);
  return weight * (rate.batched() ? batch_mean(rate) : rate);
}

}  // namespace thalweg

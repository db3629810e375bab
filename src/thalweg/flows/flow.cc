#include "thalweg/flows/flow.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/engine/program.h"

namespace thalweg {

Flow::Flow(std::shared_ptr<const Base> base,
           std::vector<std::shared_ptr<const Transform>> transforms)
    : base_(std::move(base)), transforms_(std::move(transforms)) {
  const auto accept_context = [this](const std::string& name, std::int64_t features) {
    if (features == 0) return;
    if (context_features_ != 0 && context_features_ != features)
      fail<ShapeError>("flow: '{}' expects a context of {} features, another layer one of {}", name,
                       features, context_features_);
    context_features_ = features;
  };
  accept_context(base_->name(), base_->context_features());
  for (const auto& transform : transforms_) {
    if (transform->features() != base_->features())
      fail<ShapeError>("flow: '{}' has {} features, the base {}", transform->name(),
                       transform->features(), base_->features());
    accept_context(transform->name(), transform->context_features());
  }
}

namespace {

/// Layers without a context are not given one.
Value context_for(std::int64_t context_features, Value context) {
  return context_features == 0 ? Value{} : context;
}

}  // namespace

Mapped Flow::forward(Value z, Value context) const {
  Mapped result{z, z.graph->constant(0.0)};
  for (const auto& transform : transforms_) {
    const Mapped mapped =
        transform->forward(result.value, context_for(transform->context_features(), context));
    result = {mapped.value, result.log_det + mapped.log_det};
  }
  return result;
}

Mapped Flow::inverse(Value x, Value context) const {
  Mapped result{x, x.graph->constant(0.0)};
  for (auto transform = transforms_.rbegin(); transform != transforms_.rend(); ++transform) {
    const Mapped mapped =
        (*transform)->inverse(result.value, context_for((*transform)->context_features(), context));
    result = {mapped.value, result.log_det + mapped.log_det};
  }
  return result;
}

bool Flow::stochastic() const {
  return std::ranges::any_of(transforms_,
                             [](const auto& transform) { return transform->stochastic(); });
}

Value Flow::log_prob(Value x, Value context) const {
  const Mapped latent = inverse(x, context);
  return base_->log_prob(latent.value, context_for(base_->context_features(), context)) +
         latent.log_det;
}

void initialise_from_data(const Flow& flow, ParameterStore& parameters, std::span<const double> x,
                          std::span<const double> context) {
  const std::int64_t features = flow.features();
  const auto rows = static_cast<std::int64_t>(x.size()) / features;
  if (rows < 1) fail<ShapeError>("initialise_from_data: expected at least one row, got none");
  ThreadPool pool;
  std::vector<double> current(x.begin(), x.end());
  for (auto entry = flow.transforms().rbegin(); entry != flow.transforms().rend(); ++entry) {
    const Transform& transform = **entry;
    if (transform.wants_data()) transform.initialise(parameters, current);
    Graph graph(parameters);
    const Value input = graph.input({features, 1});
    const Value given =
        transform.context_features() > 0 ? graph.input({transform.context_features(), 1}) : Value{};
    const Value output = transform.inverse(input, given).value;
    Executor<double> executor(std::make_shared<Program<double>>(graph, std::vector<Value>{output}),
                              pool);
    std::vector<double> next(current.size());
    const BatchInput<double> inputs[] = {{current.data()}, {context.data()}};
    double* const outputs[] = {next.data()};
    executor.run({.parameters = parameters.flat().data(),
                  .inputs = inputs,
                  .counts = {&rows, 1},
                  .outputs = outputs});
    current.swap(next);
    if (!std::all_of(current.begin(), current.end(),
                     [](double value) { return std::isfinite(value); }))
      fail<NumericalError>(
          "'{}': values are not finite after this layer while it is initialised from data: look "
          "for "
          "extreme or constant columns",
          transform.name());
  }
}

}  // namespace thalweg

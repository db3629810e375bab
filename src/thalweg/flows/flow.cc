#include "thalweg/flows/flow.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/engine/row_map.h"

namespace thalweg {

Flow::Flow(std::shared_ptr<const Base> base,
           std::vector<std::shared_ptr<const Transform>> transforms,
           std::shared_ptr<const InternalCoordinates> coordinates)
    : base_(std::move(base)),
      transforms_(std::move(transforms)),
      coordinates_(std::move(coordinates)) {
  if (coordinates_ && coordinates_->features() != base_->features())
    fail<ShapeError>("flow: expected the {} internal coordinates of {} atoms, got a base of {}",
                     coordinates_->features(), coordinates_->atoms(), base_->features());
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

std::size_t Flow::checked_end(std::size_t first, std::size_t last) const {
  const std::size_t end = last == kAll ? transforms_.size() : last;
  if (first > end || end > transforms_.size())
    fail<ShapeError>("flow: expected layers within 0 to {}, got {} to {}", transforms_.size(),
                     first, end);
  return end;
}

Mapped Flow::forward(Value z, Value context, std::size_t first, std::size_t last) const {
  Mapped result{z, z.graph->constant(0.0)};
  const std::size_t end = checked_end(first, last);
  for (std::size_t i = first; i < end; ++i) {
    const Transform& transform = *transforms_[i];
    result = result.then(
        transform.forward(result.value, context_for(transform.context_features(), context)));
  }
  return result;
}

Mapped Flow::inverse(Value x, Value context, std::size_t first, std::size_t last) const {
  Mapped result{x, x.graph->constant(0.0)};
  for (std::size_t i = checked_end(first, last); i-- > first;) {
    const Transform& transform = *transforms_[i];
    result = result.then(
        transform.inverse(result.value, context_for(transform.context_features(), context)));
  }
  return result;
}

Value Flow::log_prob_at_positions(Value positions, Value context) const {
  if (!coordinates_)
    fail<ConfigError>("flow: expected one of a molecule's internal coordinates, which this is not");
  const Mapped internal = coordinates_->to_internal(positions);
  return log_prob(internal.value, context) + internal.log_det;
}

Value Flow::log_base(Value z, Value context) const {
  return base_->log_prob(z, context_for(base_->context_features(), context));
}

Value Flow::draw(Graph& graph, Domain domain, Value context) const {
  return base_->draw(graph, domain, context_for(base_->context_features(), context));
}

bool Flow::exact_slopes() const {
  return std::ranges::all_of(transforms_, [](const auto& transform) {
    return !transform->stochastic() && transform->exact_slopes();
  });
}

bool Flow::stochastic() const {
  return std::ranges::any_of(transforms_,
                             [](const auto& transform) { return transform->stochastic(); });
}

Value Flow::log_prob(Value x, Value context, std::size_t layers) const {
  const Mapped latent = inverse(x, context, 0, layers);
  return log_base(latent.value, context) + latent.log_det;
}

void initialise_from_data(const Flow& flow, ParameterStore& parameters, std::span<const double> x,
                          std::span<const double> context, ThreadPool& pool, std::size_t layers) {
  const std::int64_t features = flow.features();
  const auto rows = static_cast<std::int64_t>(x.size()) / features;
  if (rows < 1) fail<ShapeError>("initialise_from_data: expected at least one row, got none");
  std::vector<double> current(x.begin(), x.end());
  for (std::size_t i = std::min(layers, flow.transforms().size()); i-- > 0;) {
    const Transform& transform = *flow.transforms()[i];
    if (transform.wants_data())
      transform.initialise(parameters, current,
                           transform.context_features() > 0 ? context : std::span<const double>());
    Graph graph(parameters);
    const Value input = graph.input({features, 1});
    const Value given =
        flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
    RowMap map(graph, {flow.inverse(input, given, i, i + 1).value}, pool);
    current = map({.rows = rows, .inputs = {current, context}});
    if (!std::all_of(current.begin(), current.end(),
                     [](double value) { return std::isfinite(value); }))
      fail<NumericalError>(
          "'{}': values are not finite after this layer while it is initialised from data: look "
          "for extreme or constant columns",
          transform.name());
  }
}

}  // namespace thalweg

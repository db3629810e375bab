#include "thalweg/nn/masked_mlp.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

MaskedMlp::MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                     std::int64_t features, std::int64_t outputs_each, const MlpOptions& options)
    : Network(name, features, features * outputs_each, options.context_features),
      outputs_each_(outputs_each),
      options_(options) {
  if (!(options.dropout >= 0.0 && options.dropout < 1.0))
    fail<ConfigError>("{}: expected a dropout rate in [0, 1), got {}", name, options.dropout);
  // What each unit has seen: of the context nothing that counts, of feature i the first i + 1.
  std::vector<std::int64_t> seen(static_cast<std::size_t>(options.context_features), 0);
  for (std::int64_t i = 0; i < features; ++i) seen.push_back(i + 1);
  const std::int64_t lowest = options.context_features > 0 || features == 1 ? 0 : 1;
  for (std::size_t i = 0; i <= options.hidden.size(); ++i) {
    const bool last = i == options.hidden.size();
    const std::int64_t rows = last ? outputs() : options.hidden[i];
    if (rows < 1) fail<ConfigError>("{}: expected hidden layers of at least 1, got {}", name, rows);
    std::vector<std::int64_t> degrees;
    for (std::int64_t row = 0; row < rows; ++row)
      degrees.push_back(last ? row % features : lowest + row % (features - lowest));
    Layer layer;
    std::vector<double> weights, bias;
    for (const std::int64_t degree : degrees) {
      double inputs_seen = 0.0;
      for (const std::int64_t from : seen) {
        layer.mask.push_back(from <= degree ? 1.0 : 0.0);
        inputs_seen += layer.mask.back();
      }
      const double range =
          last && options.zero_output ? 0.0 : 1.0 / std::sqrt(std::max(1.0, inputs_seen));
      for (std::size_t column = 0; column < seen.size(); ++column)
        weights.push_back(range * (2.0 * random.uniform() - 1.0));
      bias.push_back(range * (2.0 * random.uniform() - 1.0));
    }
    const auto columns = static_cast<std::int64_t>(seen.size());
    const std::string part = fmt::format("{}.{}", name, i);
    layer.weights = parameters.add(part + ".weights", rows, columns, std::move(weights));
    layer.bias = parameters.add(part + ".bias", rows, 1, std::move(bias));
    layers_.push_back(std::move(layer));
    seen = std::move(degrees);
  }
}

Value MaskedMlp::masked_weights(Graph& graph, const Layer& layer) const {
  const Value weights = graph.parameter(layer.weights);
  return weights * graph.constant(weights.shape(), layer.mask);
}

/// From what enters the activation of the first hidden layer to what enters the last layer.
Value MaskedMlp::hidden(Value x) const {
  Graph& graph = *x.graph;
  const auto activated = [&](Value value) {
    return dropout(activate(options_.activation, value), options_.dropout);
  };
  x = activated(x);
  for (std::size_t i = 1; i + 1 < layers_.size(); ++i)
    x = activated(dense(masked_weights(graph, layers_[i]), x, graph.parameter(layers_[i].bias)));
  return x;
}

Value MaskedMlp::build(Value x, Value context) const {
  Graph& graph = *x.graph;
  if (context.valid()) x = concat({context, x});
  const auto apply = [&](const Layer& layer, Value value) {
    return dense(masked_weights(graph, layer), value, graph.parameter(layer.bias));
  };
  if (layers_.size() > 1) x = hidden(apply(layers_.front(), x));
  return apply(layers_.back(), x);
}

Value MaskedMlp::outputs_of(Graph& graph, std::int64_t feature, Value before, Value context) const {
  const ScopeName scope(graph, name());
  if (feature < 0 || feature >= inputs())
    fail<ShapeError>("{}: expected a feature from 0 to {}, got {}", graph.scope(), inputs() - 1,
                     feature);
  if (before.valid() ? before.shape() != Shape{feature, 1} : feature > 0)
    fail<ShapeError>("{}: expected the {} features before feature {}, got {}", graph.scope(),
                     feature, feature, before.valid() ? before.features() : 0);
  std::vector<Value> parts;
  if (context.valid()) parts.push_back(context);
  if (before.valid()) parts.push_back(before);
  // Only the columns of what is known; all others are masked for this feature anyway.
  const std::int64_t known = options_.context_features + feature;
  const auto from_known = [&](Value weights, Value bias) {
    return parts.empty() ? bias
                         : dense(slice(weights, 0, known, Axis::kItems), concat(parts), bias);
  };
  std::vector<std::int32_t> rows;
  for (std::int64_t i = 0; i < outputs_each_; ++i)
    rows.push_back(static_cast<std::int32_t>(i * inputs() + feature));
  const Layer& last = layers_.back();
  const Value weights = take(masked_weights(graph, last), rows);
  const Value bias = take(graph.parameter(last.bias), rows);
  if (layers_.size() == 1) return from_known(weights, bias);
  const Layer& first = layers_.front();
  return dense(weights,
               hidden(from_known(masked_weights(graph, first), graph.parameter(first.bias))), bias);
}

}  // namespace thalweg

#include "thalweg/nn/masked_mlp.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

/// One input and `outputs_each` outputs a feature.
MaskedLayout uniform_layout(std::int64_t features, std::int64_t outputs_each) {
  MaskedLayout layout{.features = features, .input_owners = {}, .output_owners = {}};
  for (std::int64_t i = 0; i < features; ++i)
    layout.input_owners.push_back(static_cast<std::int32_t>(i));
  for (std::int64_t i = 0; i < features * outputs_each; ++i)
    layout.output_owners.push_back(static_cast<std::int32_t>(i % features));
  return layout;
}

void check_layout(const std::string& name, const MaskedLayout& layout) {
  for (const auto* owners : {&layout.input_owners, &layout.output_owners})
    for (const std::int32_t owner : *owners)
      if (owner < 0 || owner >= layout.features)
        fail<ConfigError>("{}: expected owners from 0 to {}, got {}", name, layout.features - 1,
                          owner);
  if (!std::ranges::is_sorted(layout.input_owners))
    fail<ConfigError>("{}: expected ascending owners of the inputs", name);
}

}  // namespace

MaskedMlp::MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                     std::int64_t features, std::int64_t outputs_each, const MlpOptions& options)
    : MaskedMlp(parameters, name, random, uniform_layout(features, outputs_each), options) {}

MaskedMlp::MaskedMlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                     MaskedLayout layout, const MlpOptions& options)
    : Network(name, static_cast<std::int64_t>(layout.input_owners.size()),
              static_cast<std::int64_t>(layout.output_owners.size()), options.context_features),
      layout_(std::move(layout)),
      options_(options) {
  if (!(options.dropout >= 0.0 && options.dropout < 1.0))
    fail<ConfigError>("{}: expected a dropout rate in [0, 1), got {}", name, options.dropout);
  check_layout(name, layout_);
  const std::int64_t features = layout_.features;
  // What each unit has seen: of the context nothing that counts, of feature i the first i + 1.
  std::vector<std::int64_t> inputs_seen_by(static_cast<std::size_t>(options.context_features), 0);
  for (const std::int32_t owner : layout_.input_owners) inputs_seen_by.push_back(owner + 1);
  std::vector<std::int64_t> seen = inputs_seen_by;
  const std::int64_t lowest = options.context_features > 0 || features == 1 ? 0 : 1;
  for (std::size_t i = 0; i <= options.hidden.size(); ++i) {
    const bool last = i == options.hidden.size();
    const std::int64_t rows = last ? outputs() : options.hidden[i];
    if (rows < 1) fail<ConfigError>("{}: expected hidden layers of at least 1, got {}", name, rows);
    std::vector<std::int64_t> degrees;
    for (std::int64_t row = 0; row < rows; ++row)
      degrees.push_back(last ? layout_.output_owners[static_cast<std::size_t>(row)]
                             : lowest + row % (features - lowest));
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
  if (!layout_.linear_path) return;
  Masked linear;
  for (const std::int32_t owner : layout_.output_owners)
    for (const std::int64_t from : inputs_seen_by) linear.mask.push_back(from <= owner ? 1.0 : 0.0);
  linear.weights = parameters.add(name + ".linear", outputs(),
                                  static_cast<std::int64_t>(inputs_seen_by.size()), 0.0);
  linear_ = std::move(linear);
}

std::int64_t MaskedMlp::inputs_before(std::int64_t feature) const {
  return std::ranges::lower_bound(layout_.input_owners, feature) - layout_.input_owners.begin();
}

Value MaskedMlp::masked_weights(Graph& graph, const Masked& layer) const {
  const Value weights = graph.parameter(layer.weights);
  return weights * graph.constant(weights.shape(), layer.mask);
}

/// From what enters the activation of the first hidden layer to what enters the last layer.
Value MaskedMlp::hidden(Value x, Domain domain) const {
  Graph& graph = *x.graph;
  const auto activated = [&](Value value) {
    return dropout(activate(options_.activation, value), options_.dropout, domain);
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
  const Value last =
      apply(layers_.back(), layers_.size() > 1 ? hidden(apply(layers_.front(), x)) : x);
  return linear_ ? last + dense(masked_weights(graph, *linear_), x) : last;
}

Value MaskedMlp::outputs_of(Graph& graph, std::int64_t feature, Value before, Value context,
                            Domain domain) const {
  const ScopeName scope(graph, name());
  if (feature < 0 || feature >= layout_.features)
    fail<ShapeError>("{}: expected a feature from 0 to {}, got {}", graph.scope(),
                     layout_.features - 1, feature);
  const std::int64_t count = inputs_before(feature);
  if (before.valid() ? before.shape() != Shape{count, 1} : count > 0)
    fail<ShapeError>("{}: expected the {} inputs before feature {}, got {}", graph.scope(), count,
                     feature, before.valid() ? before.features() : 0);
  std::vector<Value> parts;
  if (context.valid()) parts.push_back(context);
  if (before.valid()) parts.push_back(before);
  // Only the columns of what is known; all others are masked for this feature anyway.
  const std::int64_t known = options_.context_features + count;
  const auto from_known = [&](Value weights, Value bias) {
    return parts.empty() ? bias
                         : dense(slice(weights, 0, known, Axis::kItems), concat(parts), bias);
  };
  std::vector<std::int32_t> rows;
  for (std::size_t i = 0; i < layout_.output_owners.size(); ++i)
    if (layout_.output_owners[i] == feature) rows.push_back(static_cast<std::int32_t>(i));
  const Layer& last = layers_.back();
  const Value weights = take(masked_weights(graph, last), rows);
  const Value bias = take(graph.parameter(last.bias), rows);
  const Layer& first = layers_.front();
  const Value result =
      layers_.size() == 1
          ? from_known(weights, bias)
          : dense(weights,
                  hidden(from_known(masked_weights(graph, first), graph.parameter(first.bias)),
                         domain),
                  bias);
  if (!linear_ || parts.empty()) return result;
  // What is known is what the mask lets through.
  return result +
         dense(slice(take(graph.parameter(linear_->weights), rows), 0, known, Axis::kItems),
               concat(parts));
}

}  // namespace thalweg

#include "thalweg/nn/network.h"

#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::array<std::pair<std::string_view, Activation>, 8> kActivations = {{
    {"relu", Activation::kRelu},
    {"leaky_relu", Activation::kLeakyRelu},
    {"elu", Activation::kElu},
    {"tanh", Activation::kTanh},
    {"sigmoid", Activation::kSigmoid},
    {"softplus", Activation::kSoftplus},
    {"silu", Activation::kSilu},
    {"gelu", Activation::kGelu},
}};

void check_rate(std::string_view where, double rate) {
  if (!(rate >= 0.0 && rate < 1.0))
    fail<ConfigError>("{}: expected a dropout rate in [0, 1), got {}", where, rate);
}

/// Adds weights and bias of a dense layer: zeros, or uniform in +-1/sqrt(inputs).
std::pair<ParameterId, ParameterId> add_layer(ParameterStore& parameters, const std::string& name,
                                              RandomSequence& random, std::int64_t inputs,
                                              std::int64_t outputs, bool zero) {
  const double range = zero ? 0.0 : 1.0 / std::sqrt(static_cast<double>(inputs));
  const auto draw = [&](std::int64_t count) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = range * (2.0 * random.uniform() - 1.0);
    return values;
  };
  const ParameterId weights =
      parameters.add(name + ".weights", outputs, inputs, draw(outputs * inputs));
  return {weights, parameters.add(name + ".bias", outputs, 1, draw(outputs))};
}

template <typename Layer>
Value apply(const Layer& layer, Value x) {
  Graph& graph = *x.graph;
  return dense(graph.parameter(layer.weights), x, graph.parameter(layer.bias));
}

}  // namespace

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const auto& [name, activation] : kActivations) names.emplace_back(name);
  return names;
}

Activation activation_by_name(std::string_view name) {
  for (const auto& [known_name, activation] : kActivations)
    if (name == known_name) return activation;
  fail<ConfigError>("unknown activation '{}': expected one of {}", name,
                    fmt::join(activation_names(), ", "));
}

bool is_smooth(Activation activation) {
  return activation != Activation::kRelu && activation != Activation::kLeakyRelu &&
         activation != Activation::kElu;
}

std::vector<std::string> smooth_activation_names() {
  std::vector<std::string> names;
  for (const auto& [name, activation] : kActivations)
    if (is_smooth(activation)) names.emplace_back(name);
  return names;
}

Value activate(Activation activation, Value x) {
  switch (activation) {
    case Activation::kRelu:
      return relu(x);
    case Activation::kLeakyRelu:
      return maximum(x, 0.01 * x);
    case Activation::kElu:
      return relu(x) + expm1(minimum(x, x.graph->constant(0.0)));
    case Activation::kTanh:
      return tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kSoftplus:
      return softplus(x);
    case Activation::kSilu:
      return x * sigmoid(x);
    case Activation::kGelu:
      return (0.5 * x) * (1.0 + erf(x * (0.5 * std::numbers::sqrt2)));
  }
  fail<ConfigError>("unknown activation number {}", static_cast<int>(activation));
}

Value dropout(Value x, double rate, Domain domain) {
  check_rate(x.graph->scope(), rate);
  if (rate == 0.0 || x.graph->phase() == Phase::kEvaluation) return x;
  Graph& graph = *x.graph;
  const Value kept =
      less_equal(graph.constant(rate), graph.uniform(x.shape(), x.batched() ? x.domain() : domain));
  return x * (kept * (1.0 / (1.0 - rate)));
}

Network::Network(std::string name, std::int64_t inputs, std::int64_t outputs,
                 std::int64_t context_features)
    : name_(std::move(name)),
      inputs_(inputs),
      outputs_(outputs),
      context_features_(context_features) {
  if (inputs < 1 || outputs < 1 || context_features < 0)
    fail<ConfigError>(
        "{}: expected at least one input and output and no negative context, got {}, {} and {}",
        name_, inputs, outputs, context_features);
}

Value Network::operator()(Value x, Value context) const {
  if (!x.valid()) fail<ShapeError>("{}: the input is empty: pass a value of a graph", name_);
  const ScopeName scope(*x.graph, name_);
  if (x.features() != inputs_)
    fail<ShapeError>("{}: expected {} input features, got {}", x.graph->scope(), inputs_,
                     x.features());
  if (context.valid() != (context_features_ > 0))
    fail<ShapeError>("{}: expected {} context features, got {}", x.graph->scope(),
                     context_features_, context.valid() ? context.features() : 0);
  if (context.valid() && context.shape() != Shape{context_features_, x.items()})
    fail<ShapeError>("{}: expected a context of {} x {}, got {} x {}", x.graph->scope(),
                     context_features_, x.items(), context.features(), context.items());
  return build(x, context);
}

Mlp::Mlp(ParameterStore& parameters, const std::string& name, RandomSequence& random,
         std::int64_t inputs, std::int64_t outputs, const MlpOptions& options)
    : Network(name, inputs, outputs, options.context_features), options_(options) {
  check_rate(name, options.dropout);
  std::int64_t width = inputs + options.context_features;
  for (std::size_t i = 0; i <= options.hidden.size(); ++i) {
    const bool last = i == options.hidden.size();
    const std::int64_t next = last ? outputs : options.hidden[i];
    if (next < 1) fail<ConfigError>("{}: expected hidden layers of at least 1, got {}", name, next);
    const auto [weights, bias] = add_layer(parameters, fmt::format("{}.{}", name, i), random, width,
                                           next, last && options.zero_output);
    layers_.push_back({weights, bias});
    width = next;
  }
}

Value Mlp::build(Value x, Value context) const {
  if (context.valid()) x = concat({x, context});
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i)
    x = dropout(activate(options_.activation, apply(layers_[i], x)), options_.dropout);
  return apply(layers_.back(), x);
}

ResidualNetwork::ResidualNetwork(ParameterStore& parameters, const std::string& name,
                                 RandomSequence& random, std::int64_t inputs, std::int64_t outputs,
                                 const ResidualNetworkOptions& options)
    : Network(name, inputs, outputs, options.context_features), options_(options) {
  check_rate(name, options.dropout);
  if (options.hidden < 1 || options.blocks < 0)
    fail<ConfigError>("{}: expected a width of at least 1 and no negative depth, got {} and {}",
                      name, options.hidden, options.blocks);
  const auto layer = [&](const std::string& part, std::int64_t from, std::int64_t to, bool zero) {
    const auto [weights, bias] = add_layer(parameters, name + "." + part, random, from, to, zero);
    return Layer{weights, bias};
  };
  const std::int64_t context = options.context_features;
  input_ = layer("input", inputs + context, options.hidden, false);
  for (std::int64_t i = 0; i < options.blocks; ++i) {
    const std::string block = fmt::format("block{}", i);
    blocks_.push_back(
        {layer(block + ".first", options.hidden, options.hidden, false),
         layer(block + ".second", options.hidden, options.hidden, false),
         context > 0 ? layer(block + ".gate", context, options.hidden, false) : Layer{}});
  }
  output_ = layer("output", options.hidden, outputs, options.zero_output);
}

Value ResidualNetwork::build(Value x, Value context) const {
  x = apply(input_, context.valid() ? concat({x, context}) : x);
  for (const Block& block : blocks_) {
    Value branch = apply(block.first, activate(options_.activation, x));
    branch = dropout(activate(options_.activation, branch), options_.dropout);
    branch = apply(block.second, branch);
    if (context.valid()) branch = branch * sigmoid(apply(block.gate, context));
    x = x + branch;
  }
  return apply(output_, x);
}

}  // namespace thalweg

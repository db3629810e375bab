#include "thalweg/nn/lipschitz_mlp.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kTiny = 1e-12;          // below, vectors and squared norms count as 0
constexpr double kSwishSlope = 1.1;      // the steepest slope of x sigmoid(x) is 1.09984
constexpr double kFirstSharpness = 0.5;  // of beta; k = 0.97
constexpr int kSquarings = 12;           // of W W^T: 4096th power

Value norm(Value vector) { return sqrt(sum(square(vector))); }

/// An upper bound of the largest singular value of `weights`, tight up to n^(1 / 8192).
Value schatten_bound(Value weights) {
  Graph& graph = *weights.graph;
  const bool wide = weights.features() < weights.items();
  const std::int64_t size = std::min(weights.features(), weights.items());
  const Value identity = identity_matrix(graph, size);
  const Value least = graph.constant(kTiny);
  // Raised to kTiny where it is less, which keeps it a bound.
  const auto trace = [&](Value matrix) { return maximum(sum(matrix * identity), least); };
  Value power = matmul(weights, weights, !wide, wide);
  Value scale = trace(power);
  Value log_square = log(scale);
  power = power / scale;
  double exponent = 1.0;
  for (int squaring = 0; squaring < kSquarings; ++squaring) {
    power = matmul(power, power);
    exponent *= 0.5;
    scale = trace(power);
    log_square = log_square + exponent * log(scale);
    power = power / scale;
  }
  return exp(0.5 * log_square);
}

}  // namespace

LipschitzMlp::LipschitzMlp(ParameterStore& parameters, const std::string& name,
                           RandomSequence& random, std::int64_t inputs, std::int64_t outputs,
                           const LipschitzMlpOptions& options)
    : Network(name, inputs, outputs, options.context_features), options_(options) {
  if (!(options.lipschitz > 0.0 && std::isfinite(options.lipschitz)))
    fail<ConfigError>("{}: expected a positive Lipschitz constant, got {}", name,
                      options.lipschitz);
  if (options.power_iterations < 1)
    fail<ConfigError>("{}: expected at least 1 power iteration, got {}", name,
                      options.power_iterations);
  const auto uniform = [&](std::int64_t count, double range) {
    std::vector<double> values(static_cast<std::size_t>(count));
    for (double& value : values) value = range * (2.0 * random.uniform() - 1.0);
    return values;
  };
  std::int64_t width = inputs;
  for (std::size_t i = 0; i <= options.hidden.size(); ++i) {
    const bool last = i == options.hidden.size();
    const std::int64_t next = last ? outputs : options.hidden[i];
    if (next < 1) fail<ConfigError>("{}: expected hidden layers of at least 1, got {}", name, next);
    const std::string part = fmt::format("{}.{}", name, i);
    const double range = 1.0 / std::sqrt(static_cast<double>(width));
    Layer layer;
    layer.weights = parameters.add(part + ".weights", next, width, uniform(next * width, range));
    layer.bias = parameters.add(part + ".bias", next, 1, uniform(next, range));
    std::vector<double> start(static_cast<std::size_t>(next));
    for (double& value : start) value = random.normal() / std::sqrt(static_cast<double>(next));
    layer.singular_vector = parameters.add(part + ".singular_vector", next, 1, std::move(start),
                                           /*trainable=*/false);
    layers_.push_back(layer);
    if (!last) sharpness_.push_back(parameters.add(part + ".beta", 1, 1, kFirstSharpness));
    width = next;
  }
  const std::int64_t given = options.context_features;
  if (given > 0) {
    const std::int64_t first = parameters.info(layers_.front().weights).rows;
    context_weights_ =
        parameters.add(name + ".context.weights", first, given,
                       uniform(first * given, 1.0 / std::sqrt(static_cast<double>(given))));
  }
}

Value LipschitzMlp::largest_singular_value(Graph& graph, const Layer& layer) const {
  const Value weights = graph.parameter(layer.weights);
  if (graph.phase() == Phase::kEvaluation) return schatten_bound(weights);
  const Value fixed = stop_gradient(weights);
  const Value least = graph.constant(kTiny);
  Value left = graph.parameter(layer.singular_vector);
  for (std::int64_t i = 0; i < options_.power_iterations; ++i) {
    const Value next = matmul(fixed, matmul(fixed, left, true));
    const Value length = norm(next);
    left = select(less(least, length), next / length, left);  // stays where the weights are 0
  }
  Value right = matmul(fixed, left, true);
  const Value length = norm(right);
  right = select(less(least, length), right / length, right);
  const auto& updates = graph.buffer_updates();
  if (std::none_of(updates.begin(), updates.end(), [&](const BufferUpdate& update) {
        return update.buffer.index == layer.singular_vector.index;
      }))
    graph.update_buffer(layer.singular_vector, stop_gradient(left));
  return sum(stop_gradient(left) * matmul(weights, stop_gradient(right)));
}

LipschitzMlp::Weights LipschitzMlp::weights(Graph& graph) const {
  const double bound = std::pow(options_.lipschitz, 1.0 / static_cast<double>(layers_.size()));
  Weights result;
  for (const Layer& layer : layers_) {
    const Value sigma = largest_singular_value(graph, layer);
    const Value factor = bound / maximum(sigma, graph.constant(bound));
    result.dense.push_back(graph.parameter(layer.weights) * factor);
  }
  for (const ParameterId beta : sharpness_)
    result.sharpness.push_back(softplus(graph.parameter(beta)));
  return result;
}

Value LipschitzMlp::run(const Weights& weights, Value x, Value context,
                        std::vector<Value>* slopes) const {
  Graph& graph = *x.graph;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = dense(weights.dense[i], x, graph.parameter(layers_[i].bias));
    if (i == 0 && context.valid()) x = x + dense(graph.parameter(context_weights_), context);
    if (i + 1 == layers_.size()) break;
    const Value sharpness = weights.sharpness[i];
    const Value gate = sigmoid(sharpness * x);
    x = (x * gate) * (1.0 / kSwishSlope);
    if (slopes != nullptr)
      slopes->push_back(gate * (1.0 / kSwishSlope) + (sharpness * x) * (1.0 - gate));
  }
  return x;
}

Value LipschitzMlp::evaluate(const Weights& weights, Value x, Value context) const {
  return run(weights, x, context, nullptr);
}

LipschitzMlp::Linearised LipschitzMlp::linearise(const Weights& weights, Value x,
                                                 Value context) const {
  Linearised result;
  result.dense = weights.dense;
  result.value = run(weights, x, context, &result.slopes);
  return result;
}

Value LipschitzMlp::Linearised::push(Value tangents) const {
  for (std::size_t i = 0; i < dense.size(); ++i) {
    tangents = ::thalweg::dense(dense[i], tangents);
    if (i < slopes.size()) tangents = slopes[i] * tangents;
  }
  return tangents;
}

Value LipschitzMlp::Linearised::pull(Value cotangents) const {
  for (std::size_t i = dense.size(); i-- > 0;) {
    if (i < slopes.size()) cotangents = slopes[i] * cotangents;
    cotangents = ::thalweg::dense(dense[i], cotangents, {}, true);
  }
  return cotangents;
}

Value LipschitzMlp::build(Value x, Value context) const {
  return evaluate(weights(*x.graph), x, context);
}

}  // namespace thalweg

#include "thalweg/transforms/lu_linear.h"

#include "thalweg/core/error.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {

LULinear::LULinear(ParameterStore& parameters, const std::string& name, std::int64_t features,
                   std::vector<std::int32_t> order)
    : Transform(name, features), order_(std::move(order)), back_(inverse_order(name, order_)) {
  if (!order_.empty() && static_cast<std::int64_t>(order_.size()) != features)
    fail<ConfigError>("{}: expected an order of {} features, got {}", name, features,
                      order_.size());
  factors_ = parameters.add(name + ".factors", features, features, 0.0);
  bias_ = parameters.add(name + ".bias", features, 1, 0.0);
}

LULinear::Product LULinear::product(Graph& graph) const {
  const std::int64_t count = features();
  const auto mask = [&](auto&& wanted) {
    std::vector<double> values;
    for (std::int64_t row = 0; row < count; ++row)
      for (std::int64_t column = 0; column < count; ++column)
        values.push_back(wanted(row, column) ? 1.0 : 0.0);
    return graph.constant({count, count}, std::move(values));
  };
  const Value one = mask([](auto row, auto column) { return row == column; });
  const Value below = mask([](auto row, auto column) { return row > column; });
  const Value above = mask([](auto row, auto column) { return row < column; });
  const Value factors = graph.parameter(factors_);
  const Value log_diagonal = sum(factors * one, Axis::kItems);
  const Value lower = factors * below + one;
  const Value upper = factors * above + one * exp(log_diagonal);
  return {matmul(lower, upper), sum(log_diagonal, Axis::kFeatures)};
}

Mapped LULinear::build_inverse(Value x, Value /*context*/) const {
  Graph& graph = *x.graph;
  const auto [matrix, log_det] = product(graph);
  const Value z = dense(matrix, x, graph.parameter(bias_));
  return {order_.empty() ? z : take(z, order_), log_det};
}

Mapped LULinear::build_forward(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const auto [matrix, log_det] = product(graph);
  if (!back_.empty()) z = take(z, back_);
  return {dense(::thalweg::inverse(matrix), z - graph.parameter(bias_)), -log_det};
}

}  // namespace thalweg

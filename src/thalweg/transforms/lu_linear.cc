#include "thalweg/transforms/lu_linear.h"

#include "thalweg/core/error.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {

LULinear::LULinear(ParameterStore& parameters, const std::string& name, std::int64_t features,
                   const std::vector<std::int32_t>& order, const std::vector<bool>& circular)
    : Transform(name, features), on_line_(static_cast<std::size_t>(features), 1.0) {
  if (!circular.empty() && static_cast<std::int64_t>(circular.size()) != features)
    fail<ConfigError>("{}: expected {} flags for circular features, got {}", name, features,
                      circular.size());
  for (std::size_t feature = 0; feature < circular.size(); ++feature)
    if (circular[feature]) on_line_[feature] = 0.0;
  if (!order.empty() && static_cast<std::int64_t>(order.size()) != features)
    fail<ConfigError>("{}: expected an order of {} features, got {}", name, features, order.size());
  if (!order.empty()) order_ = parameters.add_integers(name + ".order", order);
  inverse_order(name, order_);  // throws unless it is a permutation
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
  const auto line = [this](auto feature) {
    return on_line_[static_cast<std::size_t>(feature)] > 0;
  };
  const Value below =
      mask([&](auto row, auto column) { return row > column && line(row) && line(column); });
  const Value above =
      mask([&](auto row, auto column) { return row < column && line(row) && line(column); });
  const Value on_line = graph.constant({count, 1}, on_line_);
  const Value factors = graph.parameter(factors_);
  const Value log_diagonal = sum(factors * one, Axis::kItems) * on_line;
  const Value lower = factors * below + one;
  const Value upper = factors * above + one * exp(log_diagonal);
  // The permutation goes to the rows of the shared matrix, not to every sample.
  const auto permuted = [this](Value value) {
    return order_.empty() ? value : take(value, order_);
  };
  return {permuted(matmul(lower, upper)), permuted(graph.parameter(bias_) * on_line),
          sum(log_diagonal, Axis::kFeatures)};
}

Mapped LULinear::build_inverse(Value x, Value /*context*/) const {
  const auto [matrix, bias, log_det] = product(*x.graph);
  return {dense(matrix, x, bias), log_det};
}

Mapped LULinear::build_forward(Value z, Value /*context*/) const {
  const auto [matrix, bias, log_det] = product(*z.graph);
  return {dense(::thalweg::inverse(matrix), z - bias), -log_det};
}

}  // namespace thalweg

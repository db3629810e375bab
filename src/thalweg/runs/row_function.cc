#include "thalweg/runs/row_function.h"

#include <cmath>

#include "thalweg/core/random.h"
#include "thalweg/engine/row_map.h"

namespace thalweg {

RowFunction row_function(const ParameterStore& parameters, std::int64_t features,
                         const std::function<Value(Value)>& build, ThreadPool& pool) {
  Graph graph(parameters);
  const Value x = graph.input({features, 1});
  auto map = std::make_shared<RowMap>(graph, std::vector<Value>{build(x)}, pool);
  return [=](std::span<const double> rows) {
    return (*map)({.rows = static_cast<std::int64_t>(rows.size()) / features, .inputs = {rows}});
  };
}

RowFunction target_log_density(std::shared_ptr<const Target> target, ThreadPool& pool) {
  static const ParameterStore no_parameters;
  return row_function(
      no_parameters, target->features(), [&](Value x) { return target->log_density(x); }, pool);
}

std::vector<double> counted_log_density(const RowFunction& log_density,
                                        std::span<const double> rows, std::int64_t& undefined) {
  std::vector<double> values = log_density(rows);
  for (double& value : values)
    if (std::isnan(value)) {
      value = -INFINITY;
      ++undefined;
    }
  return values;
}

std::vector<double> target_samples(const Target& target, std::uint64_t seed, Stream stream,
                                   std::uint64_t first, std::int64_t count) {
  std::vector<double> result;
  for (std::int64_t row = 0; row < count; ++row) {
    RandomSequence random(seed, stream, first + static_cast<std::uint64_t>(row));
    const std::vector<double> point = target.sample(random);
    result.insert(result.end(), point.begin(), point.end());
  }
  return result;
}

}  // namespace thalweg

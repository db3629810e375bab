#include "thalweg/runs/row_function.h"

#include "thalweg/core/random.h"
#include "thalweg/engine/program.h"

namespace thalweg {

RowFunction row_function(const ParameterStore& parameters, std::int64_t features,
                         const std::function<Value(Value)>& build, ThreadPool& pool) {
  Graph graph(parameters);
  const Value x = graph.input({features, 1});
  auto executor = std::make_shared<Executor<double>>(
      std::make_shared<Program<double>>(graph, std::vector<Value>{build(x)}), pool);
  return [=, &parameters](std::span<const double> rows) {
    const auto count = static_cast<std::int64_t>(rows.size()) / features;
    std::vector<double> result(static_cast<std::size_t>(count));
    const BatchInput<double> input{rows.data(), nullptr};
    double* const output = result.data();
    RunArguments<double> arguments;
    arguments.parameters = parameters.flat().data();
    arguments.inputs = {&input, 1};
    arguments.counts = {&count, 1};
    arguments.outputs = {&output, 1};
    executor->run(arguments);
    return result;
  };
}

RowFunction target_log_density(std::shared_ptr<const Target> target, ThreadPool& pool) {
  static const ParameterStore no_parameters;
  return row_function(
      no_parameters, target->features(), [&](Value x) { return target->log_density(x); }, pool);
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

// Runs a graph once, for tests.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/program.h"

namespace thalweg::testing {

/// Values of `outputs`: samples x size where batched, else size. `inputs` holds one array a slot,
/// `counts` the samples of each domain. T is the precision that the program works in.
template <typename T = double>
std::vector<std::vector<T>> run_graph(const Graph& graph, const std::vector<Value>& outputs,
                                      const std::vector<std::vector<T>>& inputs,
                                      const std::vector<std::int64_t>& counts,
                                      std::uint64_t seed = 1, std::int64_t lanes = 0,
                                      int threads = 1) {
  ThreadPool pool(threads);
  const auto program = std::make_shared<const Program<T>>(graph, outputs, lanes);
  Executor<T> executor(program, pool);
  std::vector<BatchInput<T>> slots;
  slots.reserve(inputs.size());
  for (const auto& input : inputs) slots.push_back({input.data(), nullptr});
  std::vector<std::vector<T>> results(outputs.size());
  std::vector<T*> pointers(outputs.size(), nullptr);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].batched()) continue;
    const std::int64_t count = counts[static_cast<std::size_t>(outputs[i].domain())];
    results[i].resize(static_cast<std::size_t>(count * outputs[i].shape().size()));
    pointers[i] = results[i].data();
  }
  const std::vector<T> parameters(graph.parameters().flat().begin(),
                                  graph.parameters().flat().end());
  executor.run({.parameters = parameters.data(),
                .inputs = slots,
                .counts = counts,
                .seed = seed,
                .outputs = pointers});
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].batched()) continue;
    const auto values = executor.shared_output(i);
    results[i].assign(values.begin(), values.end());
  }
  return results;
}

}  // namespace thalweg::testing

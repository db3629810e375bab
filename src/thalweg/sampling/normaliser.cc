#include "thalweg/sampling/normaliser.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

std::vector<NormaliserEstimate> estimate_normaliser(Model& model, std::int64_t samples,
                                                    std::uint64_t seed, ThreadPool& pool,
                                                    Precision precision) {
  constexpr std::int64_t kBlock = 16384;  // proposals at a time
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return {};
  if (samples < 2) fail<ConfigError>("normaliser: expected at least 2 samples, got {}", samples);
  Graph graph(model.parameters());
  const ClassTable& classes = model.classes();
  const Value given = classes.empty() ? Value{} : graph.input({classes.context_features(), 1});
  RowMap acceptance(graph, {base->acceptance_of_proposal(graph, 0, given)}, pool, precision);
  const std::span<double> values = model.parameters().values(base->normaliser());
  const std::span<double> errors = model.parameters().values(base->normaliser_error());
  std::vector<NormaliserEstimate> estimates;
  for (std::size_t number = 0; number < values.size(); ++number) {
    double sum = 0.0, squares = 0.0;
    for (std::int64_t begin = 0; begin < samples; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, samples - begin);
      std::vector<double> context;
      if (!classes.empty()) {
        const std::vector<double> row =
            standardised_context(model, classes.context(static_cast<std::int64_t>(number)));
        for (std::int64_t i = 0; i < count; ++i)
          context.insert(context.end(), row.begin(), row.end());
      }
      for (const double value : acceptance({.rows = count,
                                .inputs = {context},
                                .seed = class_seed(seed, number),
                                .first_sample = static_cast<std::uint64_t>(begin)})) {
        sum += value;
        squares += value * value;
      }
    }
    NormaliserEstimate& estimate = estimates.emplace_back();
    const auto n = static_cast<double>(samples);
    estimate.samples = samples;
    estimate.value = sum / n;
    estimate.standard_error =
        std::sqrt(std::max(0.0, squares / n - estimate.value * estimate.value) / (n - 1.0));
    if (!std::isfinite(estimate.value) || estimate.value <= 0.0)
      fail<NumericalError>(
          "normaliser: the acceptance network gives a mean of {} over {} proposals; expected a "
          "number in (0, 1]",
          estimate.value, samples);
  }
  for (std::size_t number = 0; number < values.size(); ++number) {
    values[number] = estimates[number].value;
    errors[number] = estimates[number].standard_error;
  }
  return estimates;
}

}  // namespace thalweg

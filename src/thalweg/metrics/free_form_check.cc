#include "thalweg/metrics/free_form_check.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/quantiles.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {
namespace {

double root_mean(const std::vector<double>& squares) {
  double sum = 0.0;
  for (const double square : squares) sum += square;
  return std::sqrt(std::max(0.0, sum) / static_cast<double>(squares.size()));
}

}  // namespace

std::int64_t FreeFormCheck::unsolved() const {
  return std::count(solved.begin(), solved.end(), false);
}

FreeFormCheck check_free_form(const Model& model, std::span<const double> x,
                              std::span<const double> context, std::uint64_t seed,
                              ThreadPool& pool) {
  const Flow& flow = model.flow();
  const std::size_t layers = model.layers();
  ColumnMap columns(model, pool);
  std::vector<double> log_det;
  const std::vector<double> y = columns.to_layers(x, &log_det);
  const std::vector<double> given = standardised_context(model, context);

  Graph graph(model.parameters());
  const Value input = graph.input({flow.features(), 1});
  const Value condition =
      flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
  std::vector<Value> outputs;
  Value unsolved = graph.constant(0.0);
  for (const auto density :
       {FreeFormDensity::kExact, FreeFormDensity::kDecoder, FreeFormDensity::kEncoder}) {
    const Mapped latent = inverse_by(density, flow, input, condition, layers);
    outputs.push_back(flow.log_base(latent.value, condition) + latent.log_det);
    if (latent.unsolved.valid()) unsolved = latent.unsolved;
  }
  const InversionErrors errors = inversion_errors(flow, input, condition, layers);
  const Value z = flow.draw(graph, 0, condition);
  const Value decoded = flow.forward(z, condition, 0, layers).value;
  const Value back = inverse_by(FreeFormDensity::kEncoder, flow, decoded, condition, layers).value;
  for (const Value& value :
       {unsolved, errors.reconstruction, errors.jacobian, sqrt(sum(square(back - z)))})
    outputs.push_back(value);
  RowMap map(graph, outputs, pool, Precision::kDouble);
  const auto rows = static_cast<std::int64_t>(y.size()) / flow.features();
  std::vector<std::vector<double>> results =
      map.run({.rows = rows, .inputs = {y, given}, .seed = seed});

  FreeFormCheck check;
  for (std::size_t way = 0; way < 3; ++way)
    for (std::size_t row = 0; row < log_det.size(); ++row)
      results[way][row] = log_det[row] == -INFINITY ? -INFINITY : results[way][row] + log_det[row];
  check.exact = std::move(results[0]);
  check.decoder = std::move(results[1]);
  check.encoder = std::move(results[2]);
  for (const double value : results[3]) check.solved.push_back(value <= 0.0);
  check.reconstruction = root_mean(results[4]);
  check.jacobian = root_mean(results[5]);
  check.latent = median(results[6]);
  return check;
}

}  // namespace thalweg

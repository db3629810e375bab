#include "thalweg/transforms/residual.h"

#include <fmt/ranges.h>

#include <array>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::int64_t kFewFeatures = 8;          // exact by default
constexpr std::int64_t kMostExactFeatures = 128;  // whose equations elimination solves
constexpr std::int64_t kSureTerms = 10;           // of the series
constexpr double kSeriesRemainder = 1e-3;         // of the series, in nats a feature
constexpr double kFixedPointReduction = 1e-4;     // of the error, before the Newton steps
constexpr double kSolveReduction = 1e-6;          // of the error, where a series solves
constexpr int kNewtonSteps = 2;
constexpr std::array<std::pair<std::string_view, ResidualLogDet>, 3> kLogDets = {{
    {"auto", ResidualLogDet::kAutomatic},
    {"exact", ResidualLogDet::kExact},
    {"series", ResidualLogDet::kSeries},
}};

double checked_lipschitz(const std::string& name, double lipschitz) {
  if (!(lipschitz > 0.0 && lipschitz < 1.0))
    fail<ConfigError>("{}: expected a Lipschitz constant in (0, 1), got {}", name, lipschitz);
  return lipschitz;
}

/// Steps that reduce an error to `reduction` if each multiplies it by `lipschitz`.
std::int64_t steps_for(double lipschitz, double reduction) {
  return static_cast<std::int64_t>(std::ceil(std::log(reduction) / std::log(lipschitz)));
}

std::int64_t series_terms(double lipschitz) {
  std::int64_t terms = 1;
  for (double power = lipschitz * lipschitz;
       power / (static_cast<double>(terms + 1) * (1.0 - lipschitz)) > kSeriesRemainder;
       power *= lipschitz)
    ++terms;
  return terms;
}

/// I + J, features x features with the columns as items.
Value jacobian(const LipschitzMlp::Linearised& at) {
  const Value identity = identity_matrix(*at.value.graph, at.value.features());
  return identity + at.push(identity);
}

Value columns(Value matrix, std::int64_t start, std::int64_t count) {
  return slice(matrix, start, count, Axis::kItems);
}

Value rows(Value matrix, std::int64_t start, std::int64_t count) {
  return slice(matrix, start, count, Axis::kFeatures);
}

/// One step of elimination without pivoting: what is left of `matrix` without its first row and
/// column.
Value eliminated(Value matrix, Value pivot) {
  const std::int64_t height = matrix.features() - 1;
  const std::int64_t width = matrix.items() - 1;
  const Value factors = rows(columns(matrix, 0, 1), 1, height) / pivot;
  const Value rest = columns(matrix, 1, width);
  return rows(rest, 1, height) - factors * rows(rest, 0, 1);
}

Value log_determinant(Value matrix) {
  std::vector<Value> pivots;
  while (true) {
    pivots.push_back(rows(columns(matrix, 0, 1), 0, 1));
    if (matrix.features() == 1) return sum(log(concat(pivots)), Axis::kFeatures);
    matrix = eliminated(matrix, pivots.back());
  }
}

/// matrix^-1 right_side.
Value solved(Value matrix, Value right_side) {
  std::vector<Value> pivots, upper_rows;
  for (matrix = concat({matrix, right_side}, Axis::kItems);;
       matrix = eliminated(matrix, pivots.back())) {
    pivots.push_back(rows(columns(matrix, 0, 1), 0, 1));
    upper_rows.push_back(rows(columns(matrix, 1, matrix.items() - 1), 0, 1));
    if (matrix.features() == 1) break;
  }
  Value solution;
  for (std::size_t row = pivots.size(); row-- > 0;) {
    const Value upper = upper_rows[row];
    Value value = columns(upper, upper.items() - 1, 1);
    if (solution.valid())
      value = value - sum(transpose(columns(upper, 0, upper.items() - 1)) * solution);
    value = value / pivots[row];
    solution = solution.valid() ? concat({value, solution}) : value;
  }
  return solution;
}

}  // namespace

std::vector<std::string> residual_log_det_names() {
  std::vector<std::string> names;
  for (const auto& [name, log_det] : kLogDets) names.emplace_back(name);
  return names;
}

ResidualLogDet residual_log_det_by_name(std::string_view name) {
  for (const auto& [known, log_det] : kLogDets)
    if (name == known) return log_det;
  fail<ConfigError>("unknown log-determinant '{}': expected one of {}", name,
                    fmt::join(residual_log_det_names(), ", "));
}

Residual::Residual(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                   std::int64_t features, const ResidualOptions& options)
    : Transform(name, features, options.context_features),
      options_(options),
      network_(parameters, name + ".network", random, features, features,
               {.hidden = options.hidden,
                .lipschitz = checked_lipschitz(name, options.lipschitz),
                .context_features = options.context_features}) {
  if (options_.log_det == ResidualLogDet::kAutomatic)
    options_.log_det = features <= kFewFeatures ? ResidualLogDet::kExact : ResidualLogDet::kSeries;
}

Value Residual::series_log_det(const LipschitzMlp::Linearised& at, Value x) const {
  Graph& graph = *x.graph;
  const Domain domain = x.batched() ? x.domain() : 0;
  const Value probe = sign(graph.uniform(x.shape(), domain) - 0.5);
  const Value random = graph.uniform({1, 1}, domain);
  Value power = probe;    // (J^T)^(k-1) v
  Value value, solution;  // solution: the estimate of (I + J)^-T v
  const std::int64_t terms = series_terms(options_.lipschitz);
  double probability = 1.0;
  for (std::int64_t k = 1; k <= terms; ++k) {
    const double sign_of_term = k % 2 == 1 ? 1.0 : -1.0;
    Value weight = graph.constant(sign_of_term);
    if (k > kSureTerms) {
      probability *= options_.lipschitz;
      weight = less(random, graph.constant(probability)) * (sign_of_term / probability);
    }
    const Value part = weight * power;
    solution = solution.valid() ? solution + part : part;
    power = at.pull(power);
    const Value term = (weight * (1.0 / static_cast<double>(k))) * sum(power * probe);
    value = value.valid() ? value + term : term;
  }
  const Value slope = sum(stop_gradient(solution) * at.push(probe));
  return stop_gradient(value) + (slope - stop_gradient(slope));
}

Value Residual::log_det(const LipschitzMlp::Linearised& at, Value x) const {
  const bool series =
      options_.log_det == ResidualLogDet::kSeries && x.graph->phase() == Phase::kTraining;
  return series ? series_log_det(at, x) : log_determinant(jacobian(at));
}

Value Residual::solve(const LipschitzMlp::Linearised& at, Value right_side) const {
  if (features() <= kMostExactFeatures) return solved(jacobian(at), right_side);
  Value solution = right_side;
  Value power = right_side;
  for (std::int64_t k = steps_for(options_.lipschitz, kSolveReduction); k > 0; --k) {
    power = -at.push(power);
    solution = solution + power;
  }
  return solution;
}

bool Residual::exact_slopes() const { return options_.log_det != ResidualLogDet::kSeries; }

Mapped Residual::build_inverse(Value x, Value context) const {
  const auto at = network_.linearise(network_.weights(*x.graph), x, context);
  return {x + at.value, log_det(at, x)};
}

Mapped Residual::build_forward(Value z, Value context) const {
  const LipschitzMlp::Weights weights = network_.weights(*z.graph);
  Value x = z;
  for (std::int64_t i = steps_for(options_.lipschitz, kFixedPointReduction); i > 0; --i)
    x = z - network_.evaluate(weights, x, context);
  x = stop_gradient(x);
  // Each Newton step doubles the order to which derivatives are exact, plus one.
  for (int i = 0; i < kNewtonSteps; ++i) {
    const auto at = network_.linearise(weights, x, context);
    x = x - solve(at, x + at.value - z);
  }
  return {x, -log_det(network_.linearise(weights, x, context), x)};
}

}  // namespace thalweg

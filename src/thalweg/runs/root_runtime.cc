// The time of root finding beside a closed form.
#include <charconv>
#include <chrono>
#include <functional>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/nn/network.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/transforms/find_root.h"
#include "thalweg/transforms/rational_quadratic_spline.h"

namespace thalweg {
namespace {

constexpr std::int64_t kRows = 1000, kRepeats = 5;
constexpr SplineOptions kSpline = {.bins = 8, .bound = 3.0};

std::int64_t whole_number(const char* what, const std::string& name) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number < 2 || number > 4096)
    fail<ConfigError>("root_runtime: expected a number of {} from 2 to 4096, got '{}'", what, name);
  return number;
}

/// Splines side by side, of a row of numbers.
class SplineFunction : public MonotoneFunction {
 public:
  Value operator()(Value x, const std::vector<Value>& parameters) const override {
    const Splines splines{parameters.at(0), parameters.at(1), parameters.at(2),
                          parameters.at(3), kSpline.bound,    {}};
    return transpose(apply_splines(splines, transpose(x)).value);
  }
};

/// Seconds of one inverse of all rows, `inverse` being given the splines and y, features x 1.
double seconds(std::int64_t features, ThreadPool& pool,
               const std::function<Value(const Splines&, Value)>& inverse) {
  ParameterStore parameters;
  RandomSequence random(1, Stream::kInitialisation);
  const Mlp network(parameters, "network", random, features, features * spline_parameters(kSpline),
                    {.hidden = {64}});
  Graph graph(parameters);
  const Value kept = graph.input({features, 1}), y = graph.input({features, 1});
  const Splines splines =
      make_splines(reshape(network(kept), {spline_parameters(kSpline), features}), kSpline);
  RowMap map(graph, {inverse(splines, y)}, pool, Precision::kFloat);
  std::vector<double> rows(static_cast<std::size_t>(kRows * features));
  for (double& value : rows) value = 1.5 * random.normal();
  std::vector<double> times;
  for (std::int64_t repeat = 0; repeat <= kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    map.run({.rows = kRows, .inputs = {rows, rows}});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (repeat > 0) times.push_back(taken.count());  // the first fills caches
  }
  return median(std::move(times));
}

}  // namespace

std::vector<Metric> root_runtime_metrics(const std::string& row, const std::string& column,
                                         std::int64_t /*seed*/, ThreadPool& pool) {
  const std::int64_t features = whole_number("columns", row), bins = whole_number("bins", column);
  const double closed = seconds(features, pool, [](const Splines& splines, Value y) {
    return invert_splines(splines, y).value;
  });
  const double searched = seconds(features, pool, [&](const Splines& splines, Value y) {
    const Value low = y.graph->constant(-kSpline.bound), high = y.graph->constant(kSpline.bound);
    const Value inside = transpose(clamp(y, -kSpline.bound, kSpline.bound));
    return transpose(
        find_root(std::make_shared<const SplineFunction>(), inside,
                  {splines.widths, splines.heights, splines.left_slopes, splines.right_slopes}, low,
                  high, {.bins = bins}));
  });
  return {{"slowdown", "time over that of the closed form", searched / closed, 0.0, 2},
          {"milliseconds", "search, ms", 1e3 * searched, 0.0, 3},
          {"closed_form_milliseconds", "closed form, ms", 1e3 * closed, 0.0, 3}};
}

}  // namespace thalweg

// Functions outside of the engine that want the points of whole batches get them, to the bits of
// those that get a tile's.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/batch_function.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

/// The sum of sin x, which remembers how many points it was given at a time, and whether slopes
/// were asked for.
template <typename Kind>
class Sines : public Kind {
 public:
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    const std::lock_guard lock(mutex_);
    counts.push_back(count);
    slopes.push_back(gradients != nullptr);
    for (std::int64_t i = 0; i < count; ++i) {
      values[i] = 0.0;
      for (std::int64_t f = 0; f < features; ++f) {
        const double x = points[i * features + f];
        if (x > 1e6) fail<NumericalError>("too far");
        values[i] += std::sin(x);
        if (gradients != nullptr) gradients[i * features + f] = std::cos(x);
      }
    }
  }

  mutable std::vector<std::int64_t> counts;
  mutable std::vector<bool> slopes;

 private:
  mutable std::mutex mutex_;
};

using Numbers = std::vector<double>;

Numbers points(std::int64_t rows) {
  RandomSequence random(3, Stream::kTarget);
  Numbers values(static_cast<std::size_t>(2 * rows));
  for (double& value : values) value = random.normal();
  if (rows > 40) {
    values[20] = std::numeric_limits<double>::quiet_NaN();
    values[71] = std::numeric_limits<double>::infinity();
  }
  return values;
}

/// Two calls, the second one at a point that the first one decides; random numbers; sums of finite
/// parts, and their derivative by a parameter.
std::vector<Numbers> two_calls(const std::shared_ptr<const OutsideFunction>& function,
                               std::int64_t rows, int threads) {
  ParameterStore parameters;
  const ParameterId scale = parameters.add("scale", 2, 1, {0.7, -1.3});
  Graph graph(parameters);
  const Value x = graph.input({2, 1});
  const Value y = graph.parameter(scale) * x + 0.1 * graph.normal({2, 1});
  const Value first = call(function, y);
  const Value second = call(function, stop_gradient(vjp({first}, {}, {y})[0]) + y);
  const Value both = first + second;
  const Value loss = batch_sum(select(is_finite(both), both, graph.constant(0.0)));
  return run_graph(
      graph, {both, vjp({both}, {}, {x})[0], loss, gradient(loss, {graph.parameter(scale)})[0]},
      {points(rows)}, {rows}, 5, 64, threads);
}

void expect_same_bits(const std::vector<Numbers>& a, const std::vector<Numbers>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t k = 0; k < a.size(); ++k) {
    ASSERT_EQ(a[k].size(), b[k].size());
    for (std::size_t i = 0; i < a[k].size(); ++i)
      EXPECT_TRUE(a[k][i] == b[k][i] || (std::isnan(a[k][i]) && std::isnan(b[k][i])))
          << "output " << k << ", number " << i;
  }
}

TEST(OutsideCalls, WholeBatchesHaveTheBitsOfTiles) {
  for (const std::int64_t rows : {1, 63, 64, 1000, 40000})
    for (const int threads : {1, 3}) {
      const auto tiles = std::make_shared<const Sines<OutsideFunction>>();
      const auto batches = std::make_shared<const Sines<BatchFunction>>();
      expect_same_bits(two_calls(tiles, rows, 1), two_calls(batches, rows, threads));
      const std::int64_t finite = rows > 40 ? rows - 2 : rows;
      if (rows <= 16384) {
        // The values and the sums are of sweeps of their own where sums need another one.
        for (const std::int64_t count : batches->counts) EXPECT_EQ(count, finite);
      } else {
        EXPECT_EQ(batches->counts.front(), 16384 - 2);
        EXPECT_EQ(batches->counts.back(), rows % 16384);
      }
    }
}

TEST(OutsideCalls, SlopesAreAskedForWhereTheyAreRead) {
  const ParameterStore parameters;
  const auto check = [&](const auto& function, bool always) {
    Graph graph(parameters);
    const Value x = graph.input({2, 1});
    const Value value = call(function, x);
    run_graph(graph, {value}, {points(10)}, {10});
    EXPECT_EQ(function->slopes, std::vector<bool>{always});
    run_graph(graph, {value, vjp({value}, {}, {x})[0]}, {points(10)}, {10});
    EXPECT_EQ(function->slopes.back(), true);
  };
  check(std::make_shared<const Sines<OutsideFunction>>(), true);
  check(std::make_shared<const Sines<BatchFunction>>(), false);
}

TEST(OutsideCalls, NoPointsAreNoCallAndErrorsEndTheRun) {
  const ParameterStore parameters;
  const auto function = std::make_shared<const Sines<BatchFunction>>();
  Graph graph(parameters);
  const Value x = graph.input({2, 1});
  const std::vector<Value> outputs = {call(function, x)};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(std::isnan(run_graph(graph, outputs, {Numbers{nan, 1.0}}, {1})[0][0]));
  EXPECT_TRUE(run_graph(graph, outputs, {Numbers{}}, {0})[0].empty());
  EXPECT_TRUE(function->counts.empty());
  EXPECT_THROW(run_graph(graph, outputs, {Numbers{1e7, 1.0}}, {1}), NumericalError);
}

}  // namespace
}  // namespace thalweg::testing

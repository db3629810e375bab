// What tests of mixtures that have numeric inverses share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg::testing {

inline std::vector<double> normals(std::int64_t count, double scale, std::uint64_t number) {
  RandomSequence random(5, Stream::kEvaluation, number);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = scale * random.normal();
  return values;
}

/// f, f' and the inverse of f with its first three derivatives by y = f(x), at each x.
template <typename T = double>
std::vector<std::vector<T>> map_and_inverse(const std::shared_ptr<const MonotoneMixture>& mixture,
                                            const std::vector<double>& raw,
                                            const std::vector<double>& x) {
  const ParameterStore none;
  Graph graph(none);
  const std::vector<Value> made =
      mixture->parameters(graph.constant({mixture->raw_parameters(), 1}, raw));
  const Value at = graph.input({1, 1});
  const Value image = (*mixture)(at, made);
  const Value slope = jvp({image}, {at}, {graph.constant(1.0)})[0];
  // The root as a function of its own argument.
  const Value y = stop_gradient(image);
  std::vector<Value> outputs{image, slope, inverse(mixture, y, made)};
  for (int order = 0; order < 3; ++order)
    outputs.push_back(jvp({outputs.back()}, {y}, {graph.constant(1.0)})[0]);
  return run_graph<T>(graph, outputs, {std::vector<T>(x.begin(), x.end())}, {std::ssize(x)});
}

/// That map_and_inverse() found the inverse of a function with this slope, and its derivatives: g'
/// = 1 / f', g'' = -f'' / f'^3, g''' = (3 f''^2 - f' f''') / f'^5, with f'' and f''' by differences
/// in long double.
inline void expect_inverse(const std::vector<std::vector<double>>& values,
                           const std::vector<double>& x,
                           const std::function<long double(long double)>& slope) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr long double kStep = 1e-4L;
    const auto at = [&](long double away) { return slope(x[i] + away * kStep); };
    const long double one = at(0.0L);
    const long double two =
        (8.0L * (at(1.0L) - at(-1.0L)) - (at(2.0L) - at(-2.0L))) / (12.0L * kStep);
    const long double three =
        (16.0L * (at(1.0L) + at(-1.0L)) - at(2.0L) - at(-2.0L) - 30.0L * one) /
        (12.0L * kStep * kStep);
    EXPECT_NEAR(values[2][i], x[i],
                1e-13 + 1e-14 * (1.0 + std::abs(x[i])) / static_cast<double>(one));
    const auto expect = [&](double got, long double wanted) {
      EXPECT_NEAR(got, static_cast<double>(wanted),
                  1e-6 * (1.0 + std::abs(static_cast<double>(wanted))))
          << x[i];
    };
    expect(values[3][i], 1.0L / one);
    expect(values[4][i], -two / (one * one * one));
    expect(values[5][i], (3.0L * two * two - one * three) / std::pow(one, 5.0L));
  }
}

}  // namespace thalweg::testing

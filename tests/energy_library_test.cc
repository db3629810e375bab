// Energies from shared libraries: values, the one derivative, ragged batches, and what is refused.
#include "thalweg/targets/energy_library.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <mutex>

#include "run_graph.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Energies and gradients, rows of 1 + features.
std::vector<double> energies(const Target& target, const std::vector<double>& points) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const Value x = graph.input({target.features(), 1});
  const Value energy = -target.log_density(x);
  return run_graph(graph, {concat({energy, vjp({energy}, {}, {x})[0]})}, {points},
                   {static_cast<std::int64_t>(points.size()) / target.features()})[0];
}

/// The message of the error that `function` throws, if it does.
std::string outcome(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void expect_start(const std::string& text, const std::string& start) {
  EXPECT_EQ(text.substr(0, start.size()), start);
}

TEST(EnergyLibrary, GivesTheMuellerBrownPotential) {
  const auto target = load_energy_library(THALWEG_WELLS);
  EXPECT_EQ(target->features(), 2);
  EXPECT_EQ(target->columns(), (std::vector<std::string>{"x0", "x1"}));
  EXPECT_FALSE(target->can_sample());
  // The published minima and the higher saddle point, to the digits given there.
  const std::vector<std::array<double, 3>> stationary = {{-0.558, 1.442, -146.700},
                                                         {0.623, 0.028, -108.167},
                                                         {-0.050, 0.467, -80.768},
                                                         {-0.822, 0.624, -40.665}};
  for (const auto& [x, y, energy] : stationary) {
    const std::vector<double> got = energies(*target, {x, y});
    EXPECT_NEAR(got[0], 0.05 * energy, 0.05 * 0.005);
    EXPECT_NEAR(got[1], 0.0, 0.1);
    EXPECT_NEAR(got[2], 0.0, 0.1);
  }
}

TEST(EnergyLibrary, HasSlopesAndServesRaggedBatches) {
  const auto target = load_energy_library(THALWEG_WELLS);
  for (const std::int64_t count : {1, 37, 300}) {
    std::vector<double> points;
    for (std::int64_t row = 0; row < count; ++row) {
      RandomSequence random(5, Stream::kEvaluation, static_cast<std::uint64_t>(row));
      points.push_back(0.6 * random.normal());
      points.push_back(0.5 + 0.6 * random.normal());
    }
    const std::vector<double> got = energies(*target, points);
    for (std::int64_t row = 0; row < count; ++row)
      for (const std::size_t column : {0, 1}) {
        const auto first = static_cast<std::size_t>(2 * row);
        const double h = 1e-5;
        std::vector<double> above = {points[first], points[first + 1]}, below = above;
        above[column] += h;
        below[column] -= h;
        const double slope =
            (energies(*target, above)[0] - energies(*target, below)[0]) / (2.0 * h);
        EXPECT_NEAR(got[3 * static_cast<std::size_t>(row) + 1 + column], slope,
                    1e-5 * (1.0 + std::abs(slope)));
      }
  }
}

/// x^2 / 2, which remembers what it was asked.
class Recorder : public OutsideFunction {
 public:
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    const std::lock_guard lock(mutex_);
    for (std::int64_t i = 0; i < count * features; ++i) {
      seen.push_back(points[i]);
      gradients[i] = points[i];
      values[i / features] =
          (i % features == 0 ? 0.0 : values[i / features]) + 0.5 * points[i] * points[i];
    }
  }
  mutable std::vector<double> seen;

 private:
  mutable std::mutex mutex_;
};

TEST(Call, ShowsTheFunctionItsPointsOnceAndOnlyFiniteOnes) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const auto recorder = std::make_shared<const Recorder>();
  const Value x = graph.input({1, 1});
  const Value energy = call(recorder, 2.0 * x);
  EXPECT_EQ(energy, call(recorder, 2.0 * x));
  const Value force = -vjp({energy}, {}, {x})[0];
  const std::vector<double> points = {1.0, kNan, 3.0, INFINITY, 5.0};
  const auto got = run_graph(graph, {energy, force, batch_sum(energy)}, {points}, {5});
  EXPECT_EQ(recorder->seen, (std::vector<double>{2.0, 6.0, 10.0}));
  for (const std::size_t i : {0, 2, 4}) {
    EXPECT_EQ(got[0][i], 2.0 * points[i] * points[i]);
    EXPECT_EQ(got[1][i], -4.0 * points[i]);
  }
  EXPECT_TRUE(std::isnan(got[0][1]) && std::isnan(got[1][3]));
}

TEST(Call, HasOneDerivativeInEitherDirection) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const auto recorder = std::make_shared<const Recorder>();
  const Value x = graph.input({3, 1}), t = graph.input({3, 1});
  const Value energy = call(recorder, exp(x));
  const Value slope = vjp({energy}, {}, {x})[0];
  const Value tangent = jvp({energy}, {x}, {t})[0];
  const auto got = run_graph(graph, {slope, tangent}, {{0.1, 0.2, 0.3}, {1.0, -2.0, 0.5}}, {1});
  // d(e^2x / 2) = e^2x
  EXPECT_NEAR(got[0][2], std::exp(0.6), 1e-12);
  EXPECT_NEAR(got[1][0], std::exp(0.2) - 2.0 * std::exp(0.4) + 0.5 * std::exp(0.6), 1e-12);
  expect_start(outcome([&] { vjp({slope}, {}, {x}); }), "derivative: a function called from");
  expect_start(outcome([&] { jvp({slope}, {x}, {t}); }), "derivative: a function called from");
  EXPECT_NO_THROW(vjp({stop_gradient(slope) * x}, {}, {x}));
  EXPECT_THROW(call(recorder, graph.constant(1.0)), ShapeError);
  EXPECT_THROW(call(nullptr, x), ShapeError);
}

TEST(EnergyLibrary, SaysWhatFails) {
  const auto target = load_energy_library(THALWEG_MOODY, 2);
  const auto at = [&](double x, double y) {
    return outcome([&] { energies(*target, {0.5, 0.5, x, y}); });
  };
  const std::string path = THALWEG_MOODY;
  EXPECT_EQ(at(1.0, 2.0), "no error");
  EXPECT_EQ(energies(*target, {1.0, 2.0}), (std::vector<double>{2.5, 1.0, 2.0}));
  EXPECT_EQ(at(11.0, 0.0), path + ": thalweg_energy returned 7: 11 is too far");
  expect_start(at(6.0, 1.5), path + ": the energy at (6, 1.5) is nan; expected a finite one");
  expect_start(at(-6.0, 1.5), path + ": slope 0 of the energy at (-6, 1.5) is nan; expected");
  expect_start(at(3.0, 1.0), path + ": slope 0 of the energy at (3, 1) is nan");
  EXPECT_EQ(energies(*target, {4.0, 0.0})[0], INFINITY);
}

TEST(EnergyLibrary, SaysWhatCannotBeUsed) {
  const TemporaryFolder folder;
  const auto load = [](const std::string& path, std::int64_t features,
                       const std::vector<std::string>& names = {}) {
    return outcome([&] { load_energy_library(path, features, names); });
  };
  const std::string missing = folder.path("missing.so");
  expect_start(load(missing, 2), missing + ": there is no such library; compile it with cc");
  const std::string text = folder.file("text.so", "not a library");
  expect_start(load(text, 2), text + ": cannot be loaded: ");
  expect_start(load(THALWEG_EMPTY, 2),
               std::string(THALWEG_EMPTY) + ": expected a function thalweg_energy, found none");
  const std::string moody = THALWEG_MOODY, wells = THALWEG_WELLS;
  expect_start(load(moody, 0), moody + ": expected energy_features, the numbers of a point");
  EXPECT_EQ(load(wells, 3), wells +
                                ": how many numbers has a point? energy_features says 3, "
                                "thalweg_energy_features says 2");
  EXPECT_EQ(load(moody, 2, {"a", "b", "c"}),
            moody + ": how many numbers has a point? energy_features says 2, variables says 3");
  EXPECT_EQ(load_energy_library(moody, 0, {"a", "b"})->columns()[1], "b");
}

}  // namespace
}  // namespace thalweg::testing

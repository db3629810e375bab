// Stochastic layers: path weights give integrals and means right (Theorem 1 of Wu, Koehler, Noe
// 2020), kernels keep their density, ratios are those of the paths, derivatives are right.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include "contract_table.h"
#include "run_graph.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/flow.h"
#include "thalweg/stochastic/stochastic_layer.h"

namespace thalweg::testing {
namespace {

const std::vector<std::string> kKinds = {"metropolis", "langevin", "inertial", "mala", "hmc"};

/// A normal density around 1 with deviation 0.6 in each feature, times exp(2).
class ShiftedNormal final : public UnsampledTarget {
 public:
  explicit ShiftedNormal(std::int64_t features)
      : UnsampledTarget("shifted_normal",
                        std::vector<std::string>(static_cast<std::size_t>(features), "x"), 5.0) {}

 protected:
  Value build_log_density(Value x) const override {
    const double each = 0.5 * std::log(2.0 * std::numbers::pi * 0.36);
    return 2.0 - sum(square(x - 1.0), Axis::kFeatures) / 0.72 -
           each * static_cast<double>(features());
  }
};

/// The step size at which a kind is of use on energies that change over a length of about 1.
double step_size_of(const std::string& kind) {
  return kind == "metropolis" ? 0.4 : kind == "langevin" ? 0.01 : kind == "mala" ? 0.05 : 0.15;
}

StochasticOptions options_of(const std::string& kind, std::int64_t steps = 5) {
  return {.kind = kind, .steps = steps, .step_size = step_size_of(kind), .leapfrog_steps = 3};
}

struct Estimate {
  double log_integral = 0.0, log_integral_error = 0.0, mean = 0.0, mean_error = 0.0;
};

/// Log integral of exp(log p*) and the mean of the first feature from paths of the flow.
Estimate reweighted(const Flow& flow, const Target& target, const ParameterStore& parameters,
                    std::int64_t count, std::uint64_t seed) {
  Graph graph(parameters);
  const Value z = flow.base().draw(graph, 0);
  const Mapped mapped = flow.forward(z);
  const Value log_weight =
      target.log_density(mapped.value) - flow.base().log_prob(z) + mapped.log_det;
  const auto values = run_graph(graph, {log_weight, slice(mapped.value, 0, 1)}, {}, {count}, seed);
  const double top = *std::max_element(values[0].begin(), values[0].end());
  double total = 0.0, squares = 0.0, first = 0.0;
  for (std::size_t i = 0; i < values[0].size(); ++i) {
    const double weight = std::exp(values[0][i] - top);
    total += weight;
    squares += weight * weight;
    first += weight * values[1][i];
  }
  const auto n = static_cast<double>(count);
  Estimate estimate;
  estimate.log_integral = std::log(total / n) + top;
  estimate.log_integral_error = std::sqrt(std::max(0.0, squares / (total * total) - 1.0 / n));
  estimate.mean = first / total;
  double spread = 0.0;
  for (std::size_t i = 0; i < values[0].size(); ++i)
    spread += std::pow(std::exp(values[0][i] - top) * (values[1][i] - estimate.mean), 2);
  estimate.mean_error = std::sqrt(spread) / total;
  return estimate;
}

/// Alternating couplings that are not the identity and layers of the kinds, lambda from 0 to 1.
std::unique_ptr<Flow> mixed_flow(ParameterStore& parameters, std::int64_t features,
                                 const std::shared_ptr<const Target>& target,
                                 const std::vector<std::string>& kinds) {
  RandomSequence random(5, Stream::kInitialisation);
  const auto base = std::make_shared<Normal>(parameters, "base", features, false);
  std::vector<std::shared_ptr<const Transform>> transforms;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const std::string name = "layer." + std::to_string(i);
    if (features > 1) {
      transforms.push_back(std::make_shared<AffineCoupling>(
          parameters, name + ".coupling", random, features,
          AffineCouplingOptions{.conditioner = mlp_factory({.hidden = {8}, .zero_output = true})}));
      transforms.push_back(
          std::make_shared<Permutation>(name + ".swap", swapped_halves_order(features)));
    }
    const double lambda =
        kinds.size() == 1 ? 1.0 : static_cast<double>(i) / static_cast<double>(kinds.size() - 1);
    transforms.push_back(
        make_stochastic_layer(parameters, name, random,
                              interpolated_energy(base_energy(base), target_energy(target), lambda),
                              options_of(kinds[i], 10)));
  }
  disturb(parameters, 0.1);
  return std::make_unique<Flow>(base, std::move(transforms));
}

// 10 z-tests of normally distributed estimates at 4.5: odds of a false alarm below 1e-4.
TEST(StochasticLayers, PathWeightsOfEachKindGiveANormalsIntegralAndMean) {
  const auto target = std::make_shared<ShiftedNormal>(2);
  for (const std::string& kind : kKinds) {
    SCOPED_TRACE(kind);
    ParameterStore parameters;
    const auto flow = mixed_flow(parameters, 2, target, {kind, kind, kind});
    ASSERT_TRUE(flow->stochastic());
    const Estimate found = reweighted(*flow, *target, parameters, 40000, 3);
    EXPECT_LT(found.log_integral_error, 0.02);
    EXPECT_NEAR(found.log_integral, 2.0, 4.5 * found.log_integral_error);
    EXPECT_NEAR(found.mean, 1.0, 4.5 * found.mean_error);
  }
}

}  // namespace
}  // namespace thalweg::testing

// Every network, transform, base and target of the table against libtorch, and the gradient of the
// likelihood of a flow with a resampled base.
#include <gtest/gtest.h>

#include "../contract_table.h"
#include "check.h"

namespace thalweg::testing {
namespace {

using oracle::CheckOptions;
using oracle::expect_matches_oracle;

CheckOptions up_to(int order) {
  CheckOptions options;
  options.order = order;
  return options;
}

Value context_for(Graph& graph, std::int64_t features) {
  return features > 0 ? graph.input({features, 1}) : Value{};
}

TEST(LayersOracle, Networks) {
  for (const auto& entry : network_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto network = entry.make(parameters, random);
    Graph graph(parameters);
    const Value x = graph.input({network->inputs(), 1});
    expect_matches_oracle(graph, {(*network)(x, context_for(graph, network->context_features()))},
                          up_to(2));
  }
}

TEST(LayersOracle, TrainedNetworksDropOut) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  const Mlp network(parameters, "layer", random, 3, 2,
                    {.hidden = {7, 5}, .activation = Activation::kTanh, .dropout = 0.3});
  Graph graph(parameters, Phase::kTraining);
  expect_matches_oracle(graph, {network(graph.input({3, 1}))}, up_to(2));
}

TEST(LayersOracle, Transforms) {
  for (const auto& entry : transform_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto transform = entry.make(parameters, random);
    if (transform->stochastic()) continue;  // The last bit decides what is accepted.
    disturb(parameters);
    Graph graph(parameters);
    const Value z = graph.input({transform->features(), 1});
    const Value context = context_for(graph, transform->context_features());
    // The inverse starts from a value that bounded columns can have.
    const Mapped forward = transform->forward(z, context);
    const Mapped inverse = transform->inverse(
        0.9 * stop_gradient(forward.value) + 0.1 * transform->forward(0.5 * z, context).value,
        context);
    // An integration has thousands of operations, whose second derivatives would take minutes.
    const bool long_graph = entry.name.find("continuous") != std::string::npos;
    CheckOptions options = up_to(transform->features() > 5 || long_graph ? 1 : 2);
    // A place near the end of the last cell, in float, tells a tail of 1e-3 to some 1e-4.
    if (entry.name.starts_with("column_heads")) options.float_tolerance = 1e-3;
    expect_matches_oracle(graph, {forward.value, forward.log_det, inverse.value, inverse.log_det},
                          options);
  }
}

TEST(LayersOracle, Bases) {
  for (const auto& entry : base_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto base = entry.make(parameters, random);
    disturb(parameters);
    Graph graph(parameters);
    const Value z = graph.input({base->features(), 1});
    const Value context = base_context(*base, z);
    std::vector<Value> outputs{base->log_prob(z, context), base->draw(graph, 0, context)};
    if (const Value acceptance = base->acceptance(z, context); acceptance.valid())
      outputs.push_back(acceptance);
    CheckOptions options = up_to(base->features() > 5 ? 1 : 2);
    // Exponents of some hundreds, in float, weigh the components to a few times 1e-5.
    if (base->features() > 5) options.float_tolerance = 1e-3;
    expect_matches_oracle(graph, outputs, options);
  }
}

TEST(LayersOracle, Targets) {
  for (const auto& entry : target_cases()) {
    SCOPED_TRACE(entry.name);
    ParameterStore parameters;
    RandomSequence random(3, Stream::kInitialisation);
    const auto target = entry.make(parameters, random);
    Graph graph(parameters);
    expect_matches_oracle(graph, {target->log_density(graph.input({target->features(), 1}))},
                          up_to(2));
  }
}

/// The mean log likelihood of two couplings over a resampled base, and the moved average of Z, as
/// in a training step.
void check_training_step(std::int64_t truncation, double average, bool mixture) {
  ParameterStore parameters;
  RandomSequence random(3, Stream::kInitialisation);
  std::shared_ptr<const Base> proposal;
  if (mixture)
    proposal = std::make_shared<GaussianMixture>(parameters, "proposal", random, 2,
                                                 GaussianMixtureOptions{.components = 3});
  else
    proposal = std::make_shared<Normal>(parameters, "proposal", 2);
  const auto base = make_resampled(parameters, random, proposal, truncation, 0.0);
  parameters.values(base->z_average())[0] = average;
  const AffineCoupling first(parameters, "first", random, 2);
  const AffineCoupling second(parameters, "second", random, 2, {.swap = true});
  disturb(parameters);
  Graph graph(parameters, Phase::kTraining);
  const Mapped middle = second.inverse(graph.input({2, 1}));
  const Mapped latent = first.inverse(middle.value);
  const Value log_prob = base->log_prob(latent.value) + middle.log_det + latent.log_det;
  ASSERT_EQ(graph.buffer_updates().size(), 1U);
  expect_matches_oracle(graph, {batch_mean(log_prob), graph.buffer_updates().front().value});
}

TEST(LayersOracle, ResampledLikelihoodFirstStep) { check_training_step(100, 0.0, false); }
TEST(LayersOracle, ResampledLikelihoodLaterStep) { check_training_step(100, 0.45, false); }
TEST(LayersOracle, ResampledLikelihoodUntruncated) { check_training_step(0, 0.45, false); }
TEST(LayersOracle, ResampledLikelihoodOverMixture) { check_training_step(3, 0.45, true); }

}  // namespace
}  // namespace thalweg::testing

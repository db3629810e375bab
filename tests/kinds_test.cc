// Tables of kinds: what they say of themselves, and kinds that a program adds.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "contract_table.h"
#include "run_graph.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {
namespace {

/// Calls `check` with every table of kinds.
template <typename Check>
void for_each_table(const Check& check) {
  check(block_kinds());
  check(permutation_kinds());
  check(block_layer_kinds());
  check(network_kinds());
  check(base_kinds());
  check(stochastic_kinds());
}

TEST(Kinds, ReadSettingsThatExist) {
  for_each_table([](const auto& table) {
    for (const auto& row : table.rows())
      for (const std::string& setting : row.settings)
        EXPECT_TRUE(std::ranges::any_of(option_keys(),
                                        [&](const OptionKey& key) { return key.path == setting; }))
            << row.name << ": " << setting;
  });
}

TEST(Kinds, AreFoundByNameAndHintAtTheNearest) {
  for_each_table([](const auto& table) {
    for (const auto& row : table.rows()) EXPECT_EQ(&table.find("key", row.name), &row);
  });
  EXPECT_EQ(message_of<ConfigError>([] { permutation_kinds().find("flow.permutation", "swp"); }),
            "flow.permutation: expected one of swap, reverse, random, lu, none, got 'swp'; did you "
            "mean 'swap'?");
  // A flow is a proposal, not a base.
  EXPECT_EQ(message_of<ConfigError>([] {
              base_kinds().find("base.kind", "flow", &BaseKind::alone);
            }).substr(0, 110),
            "base.kind: expected one of normal, uniform, trainable_normal, mean_free_normal, "
            "mixture, resampled, stack, got");
  EXPECT_NO_THROW(base_kinds().find("base.proposal", "flow", &BaseKind::proposes));
}

TEST(Kinds, RefuseRowsThatAreNotWhole) {
  const BaseKind& normal = base_kinds().find("base.kind", "normal");
  BaseKind row = normal;
  EXPECT_THROW(base_kinds().add(row), ConfigError);  // The name is taken.
  row.name = "new";
  row.summary = "";
  EXPECT_THROW(base_kinds().add(row), ConfigError);
  row.summary = "a normal again";
  row.make = nullptr;
  EXPECT_THROW(base_kinds().add(row), ConfigError);
  EXPECT_EQ(std::ranges::count(base_kinds().names(), "new"), 0);
}

/// x = z + shift, as a program might add it.
class Shift : public Transform {
 public:
  Shift(ParameterStore& parameters, const std::string& name, std::int64_t features)
      : Transform(name, features), shift_(parameters.add(name + ".shift", features, 1, 0.5)) {}

 protected:
  Mapped build_forward(Value z, Value /*context*/) const override {
    return {z + z.graph->parameter(shift_), z.graph->constant(0.0)};
  }
  Mapped build_inverse(Value x, Value /*context*/) const override {
    return {x - x.graph->parameter(shift_), x.graph->constant(0.0)};
  }

 private:
  ParameterId shift_;
};

TEST(Kinds, OfAProgramServeInModelsAndTheirFiles) {
  block_kinds().add({.name = "shift",
                     .summary = "a learned shift",
                     .settings = {},
                     .make = [](const TransformRequest& request) {
                       return std::make_shared<Shift>(request.parameters, request.name,
                                                      request.features);
                     }});
  base_kinds().add({.name = "wide",
                    .summary = "a mixture of one",
                    .settings = {},
                    .make = [](const BaseRequest& request) {
                      return std::make_shared<GaussianMixture>(
                          request.parameters, "base.wide", request.random, request.features,
                          GaussianMixtureOptions{.components = 1, .scale = 2.0});
                    }});
  ModelOptions options;
  options.features = 3;
  options.flow.kind = "shift";
  options.flow.permutation = "random";
  options.base.kind = "wide";
  options.flow.blocks = 2;
  Model model(options, 1);
  EXPECT_NO_THROW(model.parameters().find("flow.1.shift.shift"));
  testing::disturb(model.parameters());
  const TemporaryFolder folder;
  save_parameters(folder.path("model.safetensors"), model.parameters());
  const auto loaded = load_model(folder.path("model.safetensors"), options);
  ThreadPool pool(1);
  const std::vector<double> x = {0.3, -1.0, 2.0, 0.1, 0.0, -0.4};
  const auto log_prob = [&](const Model& one) {
    return DensityEvaluator(one, pool, Precision::kDouble).log_prob(x);
  };
  EXPECT_EQ(log_prob(*loaded), log_prob(model));
  options.base.kind = "resampled";
  options.base.proposal = "wide";
  options.base.hidden = {8};
  EXPECT_NO_THROW(Model(options, 1));
}

}  // namespace
}  // namespace thalweg

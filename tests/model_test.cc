// Models built from options: what each choice of flow makes.
#include "thalweg/flows/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "run_graph.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

ModelOptions options_of(const std::string& kind, std::int64_t features) {
  ModelOptions options;
  options.features = features;
  options.flow.kind = kind;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  return options;
}

std::string message_of(const ModelOptions& options) {
  try {
    const Model model(options, 1);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Model, ResidualNetworksConditionCouplings) {
  for (const char* kind : {"real_nvp", "spline"}) {
    SCOPED_TRACE(kind);
    ModelOptions options = options_of(kind, 3);
    options.flow.network = "residual";
    options.flow.network_blocks = 3;
    options.flow.dropout = 0.2;
    const Model model(options, 1);
    std::int64_t blocks = 0;
    for (const ParameterInfo& info : model.parameters().infos())
      if (info.name.ends_with(".second.weights")) {
        EXPECT_EQ(info.rows, 8);
        EXPECT_EQ(info.columns, 8);
        ++blocks;
      }
    EXPECT_EQ(blocks, 2 * 3);  // Two couplings of three blocks.
    // Starts as the identity: the density of x is the base's.
    Graph graph(model.parameters());
    const auto values = testing::run_graph(graph, {model.flow().log_prob(graph.input({3, 1}))},
                                           {{0.5, -1, 2}}, {1});
    EXPECT_NEAR(values[0][0], -1.5 * std::log(2.0 * std::numbers::pi) - 0.5 * 5.25, 1e-12);
    // In training, dropout bites only once the last layer has left 0, so it is seen by its draw.
    Graph training(model.parameters(), Phase::kTraining);
    model.flow().log_prob(training.input({3, 1}));
    EXPECT_GT(training.size(), graph.size());
  }
}

TEST(Model, ResidualNetworksNeedOneWidth) {
  ModelOptions options = options_of("real_nvp", 3);
  options.flow.network = "residual";
  options.flow.hidden = {32, 32};
  EXPECT_EQ(message_of(options),
            "flow.hidden: expected one width, as [64], of the residual network, got 2 widths: set "
            "the depth by flow.network_blocks");
  options.flow.hidden = {32};
  options.flow.network_blocks = 0;
  EXPECT_EQ(message_of(options), "flow.network_blocks: expected at least 1, got 0");
  options.flow.network = "transformer";
  EXPECT_EQ(message_of(options), "flow.network: expected one of mlp, residual, got 'transformer'");
}

}  // namespace
}  // namespace thalweg

#include "thalweg/flows/base_kinds.h"

#include "thalweg/bases/gaussian_mixture.h"
#include "thalweg/bases/mean_free_normal.h"
#include "thalweg/bases/normal.h"
#include "thalweg/bases/partly_circular.h"
#include "thalweg/bases/resampled.h"
#include "thalweg/bases/uniform.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/flow_base.h"
#include "thalweg/flows/stack_members.h"
#include "thalweg/transforms/affine_coupling.h"

namespace thalweg {
namespace {

using Made = std::shared_ptr<const Base>;

Made make_normal(const BaseRequest& request) {
  if (!request.circular.empty())
    return std::make_shared<PartlyCircular>("base.partly_circular", request.circular);
  return std::make_shared<Normal>(request.parameters, "base.normal", request.features, false);
}

Made make_mixture(const BaseRequest& request) {
  GaussianMixtureOptions mixture;
  mixture.components = request.options.components;
  mixture.location_scale = request.options.location_scale;
  return std::make_shared<GaussianMixture>(request.parameters, "base.mixture", request.random,
                                           request.features, mixture);
}

Made make_flow(const BaseRequest& request) {
  const BaseOptions& base = request.options;
  if (request.features < 2)
    fail<ConfigError>("base.proposal: 'flow' needs at least 2 columns to couple, got 1");
  if (base.flow_blocks < 1)
    fail<ConfigError>("base.flow_blocks: expected at least 1, got {}", base.flow_blocks);
  AffineCouplingOptions affine;
  affine.conditioner = network_factory<Mlp>({.hidden = base.flow_hidden, .zero_output = true});
  std::vector<std::shared_ptr<const Transform>> layers;
  for (std::int64_t block = 0; block < base.flow_blocks; ++block) {
    affine.swap = block % 2 == 1;
    layers.push_back(std::make_shared<AffineCoupling>(request.parameters,
                                                      fmt::format("base.flow.{}", block),
                                                      request.random, request.features, affine));
  }
  auto normal = std::make_shared<Normal>(request.parameters, "base.flow.normal", request.features);
  return std::make_shared<FlowBase>("base.flow", std::make_shared<Flow>(std::move(normal), layers));
}

/// A base, moved and scaled by class where the proposal is to depend on it.
Made by_class(const BaseKind& kind, const BaseRequest& request) {
  Made made = kind.make(request);
  const std::string& conditional = request.options.conditional;
  if (kind.by_class || (conditional != "proposal" && conditional != "both")) return made;
  return std::make_shared<ClassAffine>(request.parameters, "base.class", request.classes,
                                       std::move(made));
}

Made make_resampled(const BaseRequest& request) {
  const BaseOptions& base = request.options;
  const BaseKind& proposal = base_kinds().find("base.proposal", base.proposal, &BaseKind::proposes);
  if (!request.circular.empty() && !proposal.circular)
    fail<ConfigError>(
        "base.proposal: expected normal or uniform where columns are periodic, got {}",
        proposal.name);
  MlpOptions network;
  network.hidden = base.hidden;
  network.dropout = base.dropout;
  if (base.conditional == "acceptance" || base.conditional == "both")
    network.context_features = request.classes.count();
  auto acceptance = std::make_unique<Mlp>(
      request.parameters, "base.acceptance", request.random,
      AngleEmbedding(request.features, request.circular).outputs(), 1, network);
  ResampledBaseOptions resampled;
  resampled.circular = request.circular;
  resampled.classes = request.classes;
  resampled.truncation = base.truncation;
  resampled.average_rate = base.average_rate;
  resampled.training_proposals = base.proposals;
  return std::make_shared<ResampledBase>(request.parameters, "base.resampled",
                                         by_class(proposal, request), std::move(acceptance),
                                         resampled);
}

}  // namespace

KindTable<BaseKind>& base_kinds() {
  static KindTable<BaseKind> table({
      {.name = "normal",
       .summary = "standard normal; uniform in periodic columns",
       .settings = {},
       .make = make_normal,
       .circular = true},
      {.name = "uniform",
       .summary = "uniform on [0, 1], and in periodic columns, for flows of smooth maps",
       .settings = {},
       .make = [](const BaseRequest& request) -> Made {
         return std::make_shared<Uniform>("base.uniform", request.features, request.circular);
       },
       .circular = true,
       .unit_interval = true},
      {.name = "trainable_normal",
       .summary = "normal with learned means and scales",
       .settings = {},
       .make = [](const BaseRequest& request) -> Made {
         return std::make_shared<Normal>(request.parameters, "base.normal", request.features, true);
       }},
      {.name = "mean_free_normal",
       .summary = "standard normal of particles whose centre of mass is 0",
       .settings = {"base.dimensions"},
       .make = [](const BaseRequest& request) -> Made {
         return std::make_shared<MeanFreeNormal>(
             "base.normal", request.features, request.options.dimensions, request.species_context);
       },
       .proposes = false,
       .mean_free = true},
      {.name = "mixture",
       .summary = "mixture of diagonal normals",
       .settings = {"base.components", "base.location_scale"},
       .make = make_mixture},
      {.name = "resampled",
       .summary = "a proposal thinned by a learned acceptance",
       .settings = {"base.proposal", "base.hidden", "base.dropout", "base.truncation",
                    "base.average_rate", "base.proposals", "base.conditional"},
       .make = make_resampled,
       .proposes = false,
       .by_class = true,
       .circular = true},
      {.name = "stack",
       .summary = "a mixture of densities that cross-validation weighs, for small tables",
       .settings = {"base.members", "base.member_kinds", "base.member_sizes", "base.flow_blocks",
                    "base.flow_hidden"},
       .make = make_stack,
       .proposes = false},
      {.name = "flow",
       .summary = "affine couplings over a standard normal",
       .settings = {"base.flow_blocks", "base.flow_hidden"},
       .make = make_flow,
       .alone = false},
  });
  return table;
}

std::shared_ptr<const Base> make_base(const BaseRequest& request) {
  return by_class(base_kinds().find("base.kind", request.options.kind, &BaseKind::alone), request);
}

}  // namespace thalweg

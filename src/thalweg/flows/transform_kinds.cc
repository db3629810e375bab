#include "thalweg/flows/transform_kinds.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/nn/network_kinds.h"
#include "thalweg/transforms/act_norm.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/autoregressive.h"
#include "thalweg/transforms/continuous.h"
#include "thalweg/transforms/continuously_indexed.h"
#include "thalweg/transforms/free_form.h"
#include "thalweg/transforms/lu_linear.h"
#include "thalweg/transforms/permutation.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/residual.h"
#include "thalweg/transforms/smooth_coupling.h"

namespace thalweg {
namespace {

using Made = std::shared_ptr<const Transform>;
using Keys = std::vector<std::string>;

/// `keys` and those of the conditioner.
Keys with_conditioner(Keys keys) {
  for (const char* key :
       {"flow.network", "flow.network_blocks", "flow.hidden", "flow.activation", "flow.dropout"})
    keys.emplace_back(key);
  return keys;
}

void need_pairs(const TransformRequest& request, const char* otherwise = "elementwise_spline") {
  if (request.features < 2)
    fail<ConfigError>("flow.kind: '{}' needs at least 2 columns to couple, got 1: use {}",
                      request.options.kind, otherwise);
}

Made make_affine_coupling(const TransformRequest& request) {
  need_pairs(request);
  AffineCouplingOptions affine;
  affine.scale_map = scale_map_by_name(request.options.scale_map);
  affine.conditioner = conditioner_of(request.options);
  affine.context_features = request.context_features;
  return std::make_shared<AffineCoupling>(request.parameters, request.name, request.random,
                                          request.features, affine);
}

bool soft_clip_of(const TransformRequest& request) {
  const bool soft = scale_map_by_name(request.options.scale_map) == ScaleMap::kSoftClip;
  if (soft && std::ranges::count(request.circular, true) > 0)
    fail<ConfigError>("flow.scale_map: soft_clip is not for splines of angles; leave it out");
  return soft;
}

Made make_spline_coupling(const TransformRequest& request) {
  need_pairs(request);
  SplineCouplingOptions spline;
  spline.spline.bins = request.options.bins;
  spline.spline.bound = request.options.tail_bound;
  spline.spline.soft_clip = soft_clip_of(request);
  spline.circular = request.circular;
  spline.conditioner = conditioner_of(request.options);
  spline.context_features = request.context_features;
  return std::make_shared<SplineCoupling>(request.parameters, request.name, request.random,
                                          request.features, spline);
}

Made make_elementwise_spline(const TransformRequest& request) {
  ElementwiseSplineOptions spline;
  spline.spline.bins = request.options.bins;
  spline.spline.bound = request.options.tail_bound;
  spline.spline.soft_clip = soft_clip_of(request);
  spline.circular = request.circular;
  spline.conditioner = conditioner_of(request.options);
  spline.context_features = request.context_features;
  return std::make_shared<ElementwiseSpline>(request.parameters, request.name, request.random,
                                             request.features, spline);
}

Keys mixture_keys() {
  return with_conditioner(
      {"flow.bumps", "flow.smallest_density", "flow.ramp", "flow.ramp_power", "flow.circle_map"});
}

SmoothMapsOptions smooth_maps_of(const FlowOptions& flow, LineMap line) {
  if (!is_smooth(activation_by_name(flow.activation)))
    fail<ConfigError>(
        "flow.activation: expected one of {} for {}, which is as smooth as its networks, got '{}'",
        fmt::join(smooth_activation_names(), ", "), flow.kind, flow.activation);
  return {.bumps = {.components = flow.bumps,
                    .smallest_density = flow.smallest_density,
                    .ramp = ramp_by_name(flow.ramp),
                    .power = flow.ramp_power},
          .line = line,
          .circle = circle_map_by_name(flow.circle_map)};
}

Made make_smooth_coupling(const TransformRequest& request, LineMap line,
                          const char* for_one_column) {
  need_pairs(request, for_one_column);
  SmoothCouplingOptions smooth;
  smooth.maps = smooth_maps_of(request.options, line);
  smooth.circular = request.circular;
  smooth.conditioner = conditioner_of(request.options);
  smooth.context_features = request.context_features;
  return std::make_shared<SmoothCoupling>(request.parameters, request.name, request.random,
                                          request.features, smooth);
}

Made make_elementwise_smooth(const TransformRequest& request, LineMap line) {
  ElementwiseSmoothOptions smooth;
  smooth.maps = smooth_maps_of(request.options, line);
  smooth.circular = request.circular;
  smooth.conditioner = conditioner_of(request.options);
  smooth.context_features = request.context_features;
  return std::make_shared<ElementwiseSmooth>(request.parameters, request.name, request.random,
                                             request.features, smooth);
}

Made make_autoregressive(const TransformRequest& request, AutoregressiveMap map) {
  const FlowOptions& flow = request.options;
  if (flow.network != "mlp")
    fail<ConfigError>("flow.network: expected mlp for {}, got '{}'", flow.kind, flow.network);
  AutoregressiveOptions options;
  options.map = map;
  options.scale_map = scale_map_by_name(flow.scale_map);
  options.spline.bins = flow.bins;
  options.spline.bound = flow.tail_bound;
  options.spline.soft_clip = soft_clip_of(request);
  options.network.hidden = flow.hidden;
  options.network.activation = activation_by_name(flow.activation);
  options.network.dropout = flow.dropout;
  options.context_features = request.context_features;
  return std::make_shared<Autoregressive>(request.parameters, request.name, request.random,
                                          request.features, options);
}

Made make_residual(const TransformRequest& request) {
  const FlowOptions& flow = request.options;
  if (flow.dropout > 0.0)
    fail<ConfigError>("flow.dropout: expected 0 for a residual flow, got {}", flow.dropout);
  ResidualOptions residual;
  residual.hidden = flow.hidden;
  residual.lipschitz = flow.lipschitz;
  residual.log_det = residual_log_det_by_name(flow.log_det);
  residual.context_features = request.context_features;
  return std::make_shared<Residual>(request.parameters, request.name, request.random,
                                    request.features, residual);
}

/// The network of a layer that is one.
NetworkFactory network_of(const TransformRequest& request, bool zero_output) {
  const FlowOptions& flow = request.options;
  const NetworkKind& kind = network_kinds().find("flow.network", flow.network);
  if (!flow.particle_types.empty() && !kind.of_particles)
    fail<ConfigError>(
        "flow.particle_types: is for networks of particles, flow.network = \"equivariant\", got "
        "'{}'",
        kind.name);
  if (const std::int64_t particles =
          request.features / std::max<std::int64_t>(1, request.dimensions);
      !flow.particle_types.empty() && std::ssize(flow.particle_types) != particles)
    fail<ConfigError>("flow.particle_types: expected a type for each of {} particles, got {}",
                      particles, flow.particle_types.size());
  if (!flow.species.empty() && !kind.of_particles)
    fail<ConfigError>(
        "flow.species: is for networks of particles, flow.network = \"equivariant\", got '{}'",
        kind.name);
  return kind.make({.hidden = flow.hidden,
                    .blocks = flow.network_blocks,
                    .activation = activation_by_name(flow.activation),
                    .dropout = flow.dropout,
                    .zero_output = zero_output,
                    .dimensions = request.dimensions,
                    .particle_types = flow.particle_types,
                    .species = flow.species});
}

Made make_free_form(const TransformRequest& request) {
  const FlowOptions& flow = request.options;
  // Without a skip, networks that start at 0 would start at a saddle of the loss.
  const NetworkFactory network = network_of(request, flow.global_skip);
  const auto make = [&](const char* part) {
    return network(request.parameters, request.name + part, request.random, request.features,
                   request.features, request.context_features);
  };
  auto encoder = make(".encoder");
  auto decoder = make(".decoder");
  return std::make_shared<FreeForm>(request.name, std::move(encoder), std::move(decoder),
                                    FreeFormOptions{.global_skip = flow.global_skip});
}

Made make_continuous(const TransformRequest& request) {
  auto velocity = network_of(request, true)(request.parameters, request.name + ".velocity",
                                            request.random, request.features, request.features,
                                            Continuous::kTimeFeatures + request.context_features);
  return std::make_shared<Continuous>(request.name, std::move(velocity),
                                      ContinuousOptions{.steps = request.options.steps});
}

Made make_permutation(const TransformRequest& request, const std::vector<std::int32_t>& order) {
  return std::make_shared<Permutation>(request.parameters, request.name, order);
}

/// Angles cannot be mixed with others, and a fixed order tells where they are.
Made make_linear(const TransformRequest& request) {
  if (request.circular.empty())
    return std::make_shared<LULinear>(request.parameters, request.name, request.features,
                                      random_order(request.features, request.random));
  const std::vector<std::int32_t> swap = swapped_halves_order(request.features);
  std::vector<std::int32_t> order(swap.size());
  std::vector<bool> of_x(swap.size());
  for (std::size_t i = 0; i < swap.size(); ++i) {  // x_i = z_(swap_i)
    order[static_cast<std::size_t>(swap[i])] = static_cast<std::int32_t>(i);
    of_x[i] = request.circular[static_cast<std::size_t>(swap[i])];
  }
  return std::make_shared<LULinear>(request.parameters, request.name, request.features, order,
                                    of_x);
}

Made make_continuously_indexed(const TransformRequest& request) {
  const FlowOptions& flow = request.options;
  return std::make_shared<ContinuouslyIndexed>(
      request.parameters, request.name, request.random, request.features,
      ContinuouslyIndexedOptions{
          .index_features = flow.index_features,
          .network = network_factory<Mlp>(
              {.hidden = flow.index_hidden, .activation = activation_by_name(flow.activation)}),
          .context_features = request.context_features});
}

}  // namespace

NetworkFactory conditioner_of(const FlowOptions& options) {
  return network_kinds()
      .find("flow.network", options.network)
      .make({.hidden = options.hidden,
             .blocks = options.network_blocks,
             .activation = activation_by_name(options.activation),
             .dropout = options.dropout});
}

KindTable<TransformKind>& block_kinds() {
  static KindTable<TransformKind> table({
      {.name = "real_nvp",
       .summary = "affine couplings of two halves of the columns",
       .settings = with_conditioner({"flow.scale_map"}),
       .make = make_affine_coupling,
       .part = "coupling"},
      {.name = "spline",
       .summary = "rational-quadratic spline couplings",
       .settings = with_conditioner({"flow.bins", "flow.tail_bound", "flow.scale_map"}),
       .make = make_spline_coupling,
       .part = "coupling",
       .circular = true},
      {.name = "elementwise_spline",
       .summary = "one monotone spline a column, for a single column or marginals",
       .settings = with_conditioner({"flow.bins", "flow.tail_bound", "flow.scale_map"}),
       .make = make_elementwise_spline,
       .part = "coupling",
       .circular = true},
      {.name = "smooth",
       .summary = "couplings by mixtures of bumps, smooth to any order, of intervals and angles",
       .settings = mixture_keys(),
       .make =
           [](const TransformRequest& request) {
             return make_smooth_coupling(request, LineMap::kBumps, "elementwise_smooth");
           },
       .part = "coupling",
       .circular = true,
       .unit_interval = true,
       .smooth = true},
      {.name = "elementwise_smooth",
       .summary = "one such mixture a column, for a single column or marginals",
       .settings = mixture_keys(),
       .make =
           [](const TransformRequest& request) {
             return make_elementwise_smooth(request, LineMap::kBumps);
           },
       .part = "coupling",
       .circular = true,
       .unit_interval = true,
       .smooth = true},
      {.name = "logistic",
       .summary = "couplings by mixtures of logistic distributions, smooth to any order, of the "
                  "whole line and angles",
       .settings = mixture_keys(),
       .make =
           [](const TransformRequest& request) {
             return make_smooth_coupling(request, LineMap::kLogistics, "elementwise_logistic");
           },
       .part = "coupling",
       .circular = true,
       .smooth = true},
      {.name = "elementwise_logistic",
       .summary = "one such mixture a column, for a single column or marginals",
       .settings = mixture_keys(),
       .make =
           [](const TransformRequest& request) {
             return make_elementwise_smooth(request, LineMap::kLogistics);
           },
       .part = "coupling",
       .circular = true,
       .smooth = true},
      {.name = "autoregressive_affine",
       .summary = "each column scaled and shifted by what those before it decide",
       .settings = {"flow.hidden", "flow.activation", "flow.dropout", "flow.scale_map"},
       .make =
           [](const TransformRequest& request) {
             return make_autoregressive(request, AutoregressiveMap::kAffine);
           },
       .part = "coupling"},
      {.name = "autoregressive_spline",
       .summary = "each column moved by a spline that those before it decide",
       .settings = {"flow.hidden", "flow.activation", "flow.dropout", "flow.bins",
                    "flow.tail_bound", "flow.scale_map"},
       .make =
           [](const TransformRequest& request) {
             return make_autoregressive(request, AutoregressiveMap::kSpline);
           },
       .part = "coupling"},
      {.name = "residual",
       .summary = "z = x + g(x) with a Lipschitz bound on g",
       .settings = {"flow.hidden", "flow.lipschitz", "flow.log_det"},
       .make = make_residual,
       .part = "residual",
       .permuted = false},
      {.name = "free_form",
       .summary = "any encoder and any decoder network, tied by a reconstruction loss",
       .settings = with_conditioner({"flow.global_skip"}),
       .make = make_free_form,
       .permuted = false,
       .mean_free = true},
      {.name = "continuous",
       .summary = "dx/dt = v(x, t) with any network v, learnt by flow matching",
       .settings = with_conditioner({"flow.steps"}),
       .make = make_continuous,
       .permuted = false,
       .mean_free = true},
      {.name = "none",
       .summary = "no transform, for blocks of nothing but random moves",
       .settings = {},
       .make = [](const TransformRequest&) { return Made(); },
       .part = "",
       .permuted = false,
       .mean_free = true},
  });
  return table;
}

KindTable<TransformKind>& permutation_kinds() {
  static KindTable<TransformKind> table({
      {.name = "swap",
       .summary = "the two halves change places",
       .settings = {},
       .make =
           [](const TransformRequest& request) {
             return make_permutation(request, swapped_halves_order(request.features));
           },
       .part = "swap",
       .circular = true,
       .unit_interval = true},
      {.name = "reverse",
       .summary = "the last column comes first",
       .settings = {},
       .make =
           [](const TransformRequest& request) {
             return make_permutation(request, reversed_order(request.features));
           },
       .part = "reverse",
       .unit_interval = true},
      {.name = "random",
       .summary = "an order drawn when the model is made",
       .settings = {},
       .make =
           [](const TransformRequest& request) {
             return make_permutation(request, random_order(request.features, request.random));
           },
       .part = "permutation",
       .unit_interval = true},
      {.name = "lu",
       .summary = "a learned linear map, after an order drawn when the model is made; beside "
                  "periodic columns of the others alone, after a swap",
       .settings = {},
       .make = make_linear,
       .part = "linear",
       .circular = true},
      {.name = "none",
       .summary = "columns keep their places",
       .settings = {},
       .make = [](const TransformRequest&) { return Made(); },
       .part = "",
       .circular = true,
       .unit_interval = true},
  });
  return table;
}

KindTable<TransformKind>& block_layer_kinds() {
  static KindTable<TransformKind> table({
      {.name = "continuously_indexed",
       .summary = "scale and shift by numbers u that are drawn for each point",
       .settings = {"flow.index_features", "flow.index_hidden", "flow.activation"},
       .make = make_continuously_indexed,
       .part = "index"},
      {.name = "act_norm",
       .summary = "a learned scale and shift, started from data",
       .settings = {"flow.act_norm"},
       .make = [](const TransformRequest& request) -> Made {
         return std::make_shared<ActNorm>(request.parameters, request.name, request.features);
       },
       .part = "act_norm"},
  });
  return table;
}

}  // namespace thalweg

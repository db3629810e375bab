// One table of constructors: every network, transform, base and target, small, with and without a
// context where it takes one. The tests of contracts run over it. Every row of the library's tables
// of kinds is in it by itself; variants that no setting makes have their lines here.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "thalweg/bases/classes.h"
#include "thalweg/bases/gaussian_mixture.h"
#include "thalweg/bases/normal.h"
#include "thalweg/bases/partly_circular.h"
#include "thalweg/bases/resampled.h"
#include "thalweg/bases/uniform.h"
#include "thalweg/core/random.h"
#include "thalweg/flows/base_kinds.h"
#include "thalweg/flows/flow_base.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/nn/lipschitz_mlp.h"
#include "thalweg/nn/masked_mlp.h"
#include "thalweg/nn/network.h"
#include "thalweg/nn/network_kinds.h"
#include "thalweg/stochastic/energy.h"
#include "thalweg/stochastic/stochastic_layer.h"
#include "thalweg/targets/target.h"
#include "thalweg/transforms/act_norm.h"
#include "thalweg/transforms/affine_constant.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/autoregressive.h"
#include "thalweg/transforms/bounded.h"
#include "thalweg/transforms/column_heads.h"
#include "thalweg/transforms/lu_linear.h"
#include "thalweg/transforms/normal_cdf_columns.h"
#include "thalweg/transforms/permutation.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/residual.h"
#include "thalweg/transforms/smooth_coupling.h"

namespace thalweg::testing {

/// A constructor with its name. Parameters are called "layer...".
template <typename T>
struct Case {
  std::string name;
  std::function<std::shared_ptr<const T>(ParameterStore&, RandomSequence&)> make;
  bool circular = false;       ///< a round trip may end whole turns of 2 pi away
  bool unit_interval = false;  ///< made for features in [0, 1]
};

/// Adds normal numbers, times `scale` and over the square root of the columns, to what is
/// trainable, so that layers that start as the identity show what they do.
inline void disturb(ParameterStore& parameters, double scale = 0.4, std::uint64_t seed = 7) {
  RandomSequence random(seed, Stream::kInitialisation, 1000);
  for (std::size_t i = 0; i < parameters.infos().size(); ++i) {
    const ParameterInfo& info = parameters.infos()[i];
    if (!info.trainable) continue;
    const double size = scale / std::sqrt(static_cast<double>(info.columns));
    for (double& value : parameters.values({static_cast<std::int32_t>(i)}))
      value += size * random.normal();
  }
}

inline const std::vector<Case<Network>>& network_cases() {
  static const std::vector<Case<Network>> cases = [] {
    std::vector<Case<Network>> list;
    for (const std::int64_t context : {0, 2}) {
      const std::string suffix = context > 0 ? "_context" : "";
      for (const NetworkKind& kind : network_kinds().rows())
        list.push_back({"kind_" + kind.name + suffix,
                        [&kind, context](ParameterStore& parameters, RandomSequence& random) {
                          NetworkSettings settings;
                          settings.hidden = {6};
                          if (!kind.one_width) settings.hidden.push_back(5);
                          settings.activation = Activation::kTanh;
                          settings.zero_output = false;
                          const std::int64_t inputs = kind.of_particles ? 9 : 3;
                          return kind.make(settings)(parameters, "layer", random, inputs,
                                                     kind.of_particles ? inputs : 2, context);
                        }});
      for (const char* activation :
           {"relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "silu", "gelu"})
        list.push_back({std::string("mlp_") + activation + suffix,
                        [=](ParameterStore& parameters, RandomSequence& random) {
                          return std::make_unique<Mlp>(
                              parameters, "layer", random, 3, 2,
                              MlpOptions{.hidden = {7, 5},
                                         .activation = activation_by_name(activation),
                                         .context_features = context});
                        }});
      list.push_back(
          {"mlp_linear" + suffix, [=](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<Mlp>(parameters, "layer", random, 1, 4,
                                          MlpOptions{.hidden = {}, .context_features = context});
           }});
      list.push_back(
          {"lipschitz_mlp" + suffix, [=](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<LipschitzMlp>(
                 parameters, "layer", random, 3, 2,
                 LipschitzMlpOptions{.hidden = {6, 5}, .context_features = context});
           }});
      list.push_back(
          {"masked_mlp" + suffix, [=](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<MaskedMlp>(parameters, "layer", random, 3, 2,
                                                MlpOptions{.hidden = {7, 5},
                                                           .activation = Activation::kTanh,
                                                           .context_features = context});
           }});
      list.push_back(
          {"residual_network" + suffix, [=](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<ResidualNetwork>(
                 parameters, "layer", random, 3, 2,
                 ResidualNetworkOptions{.hidden = 6,
                                        .blocks = 2,
                                        .activation = Activation::kSilu,
                                        .context_features = context});
           }});
    }
    return list;
  }();
  return cases;
}

/// A small transform of a kind; null where the kind stands for none.
inline std::shared_ptr<const Transform> small_transform(const TransformKind& kind,
                                                        std::int64_t features, std::int64_t context,
                                                        ParameterStore& parameters,
                                                        RandomSequence& random) {
  FlowOptions options;
  options.hidden = {8, 8};
  options.activation = "tanh";  // smooth, so that finite differences meet no kink
  options.bins = 4;
  options.tail_bound = 2.0;
  options.index_features = 1;
  options.index_hidden = {8};
  options.bumps = 4;
  options.steps = 24;  // so that the integral backward is the inverse to what a contract asks for
  return kind.make({.parameters = parameters,
                    .random = random,
                    .name = "layer",
                    .features = features,
                    .context_features = context,
                    .options = options});
}

/// Small transforms of every kind that a setting chooses, random moves included.
inline std::vector<Case<Transform>> transform_kind_cases() {
  std::vector<Case<Transform>> list;
  for (const auto& [table, setting] :
       {std::pair(&block_kinds(), "block"), std::pair(&permutation_kinds(), "permutation"),
        std::pair(&block_layer_kinds(), "layer")})
    for (const TransformKind& kind : table->rows())
      for (const std::int64_t context : {0, 2}) {
        ParameterStore parameters;
        RandomSequence random(1, Stream::kInitialisation);
        if (!small_transform(kind, 2, context, parameters, random)) continue;
        for (const std::int64_t features : {2, 3})
          list.push_back({fmt::format("{}_{}_{}{}", setting, kind.name, features,
                                      context > 0 ? "_context" : ""),
                          [&kind, features, context](ParameterStore& store, RandomSequence& draws) {
                            return small_transform(kind, features, context, store, draws);
                          },
                          false, kind.unit_interval});
      }
  for (const StochasticKind& kind : stochastic_kinds().rows())
    for (const bool trainable : {false, true})
      list.push_back({"moves_" + kind.name + (trainable ? "_trainable" : ""),
                      [&kind, trainable](ParameterStore& parameters, RandomSequence& random) {
                        StochasticOptions options;
                        options.kind = kind.name;
                        options.steps = 3;
                        options.step_size = 0.3;
                        options.last_step_size = 0.5;
                        options.trainable = trainable;
                        return make_stochastic_layer(
                            parameters, "layer",
                            learned_energy(parameters, "layer.energy", random, 2), options);
                      }});
  return list;
}

inline const std::vector<Case<Transform>>& transform_cases() {
  static const std::vector<Case<Transform>> cases = [] {
    std::vector<Case<Transform>> list = transform_kind_cases();
    // Smooth networks, so that finite differences meet no kink.
    const NetworkFactory smooth =
        network_factory<Mlp>({.hidden = {8, 8}, .activation = Activation::kTanh});
    const auto couple = [&](const std::string& name, std::int64_t features,
                            AffineCouplingOptions options) {
      options.conditioner = smooth;
      list.push_back({name, [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<AffineCoupling>(parameters, "layer", random,
                                                                features, options);
                      }});
    };
    couple("affine_coupling_exp_2", 2, {});
    couple("affine_coupling_exp_5_swap", 5, {.swap = true});
    couple("affine_coupling_exp_60_context", 60, {.context_features = 2});
    couple("affine_coupling_sigmoid_5", 5, {.scale_map = ScaleMap::kSigmoid});
    couple("affine_coupling_soft_clip_5", 5, {.scale_map = ScaleMap::kSoftClip});
    couple("affine_coupling_tanh_5_mask", 5,
           {.mask = {true, false, true, false, true}, .scale_map = ScaleMap::kTanh});
    couple("affine_coupling_none_5_context", 5,
           {.mask = {false, true, true, false, false},
            .scale_map = ScaleMap::kNone,
            .context_features = 1});

    list.push_back({"permutation_reverse_5", [](ParameterStore& parameters, RandomSequence&) {
                      return std::make_unique<Permutation>(parameters, "layer", reversed_order(5));
                    }});
    list.push_back({"permutation_swap_5", [](ParameterStore& parameters, RandomSequence&) {
                      return std::make_unique<Permutation>(parameters, "layer",
                                                           swapped_halves_order(5));
                    }});
    list.push_back(
        {"permutation_random_60", [](ParameterStore& parameters, RandomSequence& random) {
           return std::make_unique<Permutation>(parameters, "layer", random_order(60, random));
         }});
    for (const std::int64_t features : {1, 2, 5, 60})
      list.push_back(
          {fmt::format("lu_linear_{}", features), [=](ParameterStore& parameters, RandomSequence&) {
             return std::make_unique<LULinear>(parameters, "layer", features);
           }});
    list.push_back({"lu_linear_5_permuted", [](ParameterStore& parameters, RandomSequence& random) {
                      return std::make_unique<LULinear>(parameters, "layer", 5,
                                                        random_order(5, random));
                    }});
    list.push_back({"lu_linear_5_circular", [](ParameterStore& parameters, RandomSequence&) {
                      return std::make_unique<LULinear>(
                          parameters, "layer", 5, std::vector<std::int32_t>{2, 3, 4, 0, 1},
                          std::vector<bool>{true, false, false, true, false});
                    }});
    for (const std::int64_t features : {1, 5})
      list.push_back(
          {fmt::format("act_norm_{}", features), [=](ParameterStore& parameters, RandomSequence&) {
             return std::make_unique<ActNorm>(parameters, "layer", features);
           }});
    list.push_back({"affine_constant_2", [](ParameterStore& parameters, RandomSequence& random) {
                      return std::make_unique<AffineConstant>(
                          parameters, "layer", random, 2,
                          AffineConstantOptions{.mean = {1.0, -2.0}, .scale = {0.5, 3.0}});
                    }});
    list.push_back(
        {"affine_constant_5_fixed", [](ParameterStore& parameters, RandomSequence& random) {
           return std::make_unique<AffineConstant>(
               parameters, "layer", random, 5,
               AffineConstantOptions{.scale = {0.5, 3.0, 1.0, 2.0, 0.1}, .trainable = false});
         }});
    list.push_back(
        {"affine_constant_1_context", [=](ParameterStore& parameters, RandomSequence& random) {
           return std::make_unique<AffineConstant>(
               parameters, "layer", random, 1,
               AffineConstantOptions{.conditioner = smooth, .context_features = 3});
         }});
    list.push_back({"bounded_columns_5", [](ParameterStore&, RandomSequence&) {
                      return std::make_unique<BoundedColumns>(
                          "layer", std::vector<ColumnBounds>{{.low = -1.0, .high = 2.0},
                                                             {},
                                                             {.low = 0.5},
                                                             {.high = 3.0},
                                                             {.low = 10.0, .high = 10.5}});
                    }});
    list.push_back({"bounded_columns_1", [](ParameterStore&, RandomSequence&) {
                      return std::make_unique<BoundedColumns>(
                          "layer", std::vector<ColumnBounds>{{.low = 0.0, .high = 1.0}});
                    }});
    for (const std::int64_t context : {0, 2})
      for (const std::int64_t features : {1, 5})
        list.push_back(
            {fmt::format("elementwise_spline_{}{}", features, context > 0 ? "_context" : ""),
             [=](ParameterStore& parameters, RandomSequence& random) {
               return std::make_unique<ElementwiseSpline>(
                   parameters, "layer", random, features,
                   ElementwiseSplineOptions{.spline = {.bins = 6, .bound = 2.5},
                                            .conditioner = smooth,
                                            .context_features = context});
             }});
    for (const std::int64_t context : {0, 2})
      list.push_back({fmt::format("spline_coupling_5{}", context > 0 ? "_context" : ""),
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<SplineCoupling>(
                            parameters, "layer", random, 5,
                            SplineCouplingOptions{.swap = context > 0,
                                                  .spline = {.bins = 4, .bound = 2.0},
                                                  .conditioner = smooth,
                                                  .context_features = context});
                      }});
    const std::vector<bool> turns = {true, false, true, true, false};
    for (const std::int64_t context : {0, 2})
      list.push_back({fmt::format("elementwise_spline_5_circular{}", context > 0 ? "_context" : ""),
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<ElementwiseSpline>(
                            parameters, "layer", random, 5,
                            ElementwiseSplineOptions{.spline = {.bins = 6, .bound = 2.5},
                                                     .circular = turns,
                                                     .conditioner = smooth,
                                                     .context_features = context});
                      },
                      true});
    for (const std::int64_t context : {0, 2})
      list.push_back({fmt::format("spline_coupling_5_circular{}", context > 0 ? "_context" : ""),
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<SplineCoupling>(
                            parameters, "layer", random, 5,
                            SplineCouplingOptions{.swap = context > 0,
                                                  .spline = {.bins = 4, .bound = 2.0},
                                                  .circular = turns,
                                                  .conditioner = smooth,
                                                  .context_features = context});
                      },
                      true});
    for (const std::int64_t context : {0, 2}) {
      const std::string suffix = context > 0 ? "_context" : "";
      list.push_back({"smooth_coupling_5_circular" + suffix,
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<SmoothCoupling>(
                            parameters, "layer", random, 5,
                            SmoothCouplingOptions{.swap = context > 0,
                                                  .maps = {.bumps = {.components = 5}},
                                                  .circular = turns,
                                                  .conditioner = smooth,
                                                  .context_features = context});
                      },
                      true, true});
      list.push_back(
          {"smooth_coupling_5_monomial" + suffix,
           [=](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<SmoothCoupling>(
                 parameters, "layer", random, 5,
                 SmoothCouplingOptions{
                     .maps = {.bumps = {.components = 3, .ramp = Ramp::kMonomial, .power = 6}},
                     .conditioner = smooth,
                     .context_features = context});
           },
           false, true});
      list.push_back({"elementwise_smooth_5_circular" + suffix,
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<ElementwiseSmooth>(
                            parameters, "layer", random, 5,
                            ElementwiseSmoothOptions{.maps = {.bumps = {.components = 4}},
                                                     .circular = turns,
                                                     .conditioner = smooth,
                                                     .context_features = context});
                      },
                      true, true});
    }
    list.push_back({"normal_cdf_columns_3",
                    [](ParameterStore&, RandomSequence&) {
                      return std::make_unique<NormalCdfColumns>(
                          "layer", std::vector<bool>{false, true, false});
                    },
                    false, true});
    const MlpOptions masked = {.hidden = {8, 9}, .activation = Activation::kTanh};
    for (const std::int64_t context : {0, 2})
      for (const std::int64_t features : {1, 2, 5}) {
        const auto regress = [&](const std::string& map, AutoregressiveOptions options) {
          options.network = masked;
          options.context_features = context;
          list.push_back(
              {fmt::format("autoregressive_{}_{}{}", map, features, context > 0 ? "_context" : ""),
               [=](ParameterStore& parameters, RandomSequence& random) {
                 return std::make_unique<Autoregressive>(parameters, "layer", random, features,
                                                         options);
               }});
        };
        regress("exp", {});
        regress("sigmoid", {.scale_map = ScaleMap::kSigmoid});
        regress("tanh", {.scale_map = ScaleMap::kTanh});
        regress("none", {.scale_map = ScaleMap::kNone});
        regress("soft_clip", {.scale_map = ScaleMap::kSoftClip});
        regress("spline", {.map = AutoregressiveMap::kSpline, .spline = {.bins = 4, .bound = 2.0}});
        regress("soft_clip_spline", {.map = AutoregressiveMap::kSpline,
                                     .spline = {.bins = 4, .bound = 2.0, .soft_clip = true}});
      }
    const std::vector<ColumnHead> columns = {{{-1.0, -0.3, 0.5, 1.0}, {true, true, true}},
                                             {},
                                             {{-1.0, -0.4, 0.1, 1.0}, {false, true, false}},
                                             {}};
    for (const std::int64_t context : {0, 2})
      list.push_back({fmt::format("column_heads_{}", context),
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return std::make_unique<ColumnHeads>(
                            parameters, "layer", random, columns,
                            ColumnHeadsOptions{.network = masked, .context_features = context});
                      }});
    for (const std::int64_t context : {0, 2})
      for (const std::int64_t features : {1, 2, 5})
        list.push_back({fmt::format("residual_{}{}", features, context > 0 ? "_context" : ""),
                        [=](ParameterStore& parameters, RandomSequence& random) {
                          return std::make_unique<Residual>(
                              parameters, "layer", random, features,
                              ResidualOptions{.hidden = {8, 8}, .context_features = context});
                        }});
    return list;
  }();
  return cases;
}

/// Three classes named by two context values.
inline ClassTable three_classes() { return {2, {0.0, 0.0, 1.0, 0.5, 1.0, -2.0}}; }

/// A context for the samples of `z`: the second of three classes where z0 > 0, else the third;
/// empty for a base without a context.
inline Value base_context(const Base& base, Value z) {
  if (base.context_features() == 0) return {};
  return select(step(slice(z, 0, 1)), z.graph->constant({2, 1}, {1.0, 0.5}),
                z.graph->constant({2, 1}, {1.0, -2.0}));
}

/// A class-conditional resampled base, with normalisers 0.3, 0.4 and 0.5.
inline std::unique_ptr<ResampledBase> make_class_resampled(ParameterStore& parameters,
                                                           RandomSequence& random, bool proposal,
                                                           bool acceptance,
                                                           std::int64_t truncation = 100) {
  std::shared_ptr<const Base> inner = std::make_shared<Normal>(parameters, "layer.normal", 2);
  if (proposal)
    inner = std::make_shared<ClassAffine>(parameters, "layer.class", three_classes(), inner);
  auto network = std::make_unique<Mlp>(parameters, "layer.acceptance", random, 2, 1,
                                       MlpOptions{.hidden = {8, 8},
                                                  .activation = Activation::kTanh,
                                                  .context_features = acceptance ? 3 : 0});
  ResampledBaseOptions options{.truncation = truncation, .training_proposals = 64};
  options.classes = three_classes();
  auto base = std::make_unique<ResampledBase>(parameters, "layer", std::move(inner),
                                              std::move(network), options);
  for (std::size_t i = 0; i < 3; ++i)
    parameters.values(base->normaliser())[i] = 0.3 + 0.1 * static_cast<double>(i);
  return base;
}

/// Two affine couplings over a standard normal, as a base.
inline std::unique_ptr<FlowBase> make_flow_base(ParameterStore& parameters, RandomSequence& random,
                                                const std::string& name) {
  AffineCouplingOptions options;
  options.conditioner = network_factory<Mlp>({.hidden = {8}, .activation = Activation::kTanh});
  std::vector<std::shared_ptr<const Transform>> layers;
  for (const char* suffix : {".0", ".1"}) {
    layers.push_back(
        std::make_shared<AffineCoupling>(parameters, name + suffix, random, 2, options));
    options.swap = true;
  }
  auto normal = std::make_shared<Normal>(parameters, name + ".normal", 2);
  return std::make_unique<FlowBase>(name, std::make_shared<Flow>(std::move(normal), layers));
}

/// A resampled base over `proposal`, with the normaliser set to `normaliser` (0: left unset).
inline std::unique_ptr<ResampledBase> make_resampled(ParameterStore& parameters,
                                                     RandomSequence& random,
                                                     std::shared_ptr<const Base> proposal,
                                                     std::int64_t truncation, double normaliser) {
  auto acceptance =
      std::make_unique<Mlp>(parameters, "layer.acceptance", random, proposal->features(), 1,
                            MlpOptions{.hidden = {8, 8}, .activation = Activation::kTanh});
  auto base = std::make_unique<ResampledBase>(
      parameters, "layer", std::move(proposal), std::move(acceptance),
      ResampledBaseOptions{.truncation = truncation, .training_proposals = 64});
  parameters.values(base->normaliser())[0] = normaliser;
  return base;
}

/// A small base of a kind, with a normaliser of 0.4 where it has one.
inline std::shared_ptr<const Base> small_base(const BaseKind& kind, std::int64_t features,
                                              ParameterStore& parameters, RandomSequence& random) {
  BaseOptions options;
  options.kind = kind.name;
  options.dimensions = 1;
  options.components = 3;
  options.hidden = options.flow_hidden = {8};
  options.flow_blocks = 2;
  options.proposals = 64;
  options.members = {"normals", "kernel estimate", "flows"};
  options.member_kinds = {"normals", "kernel", "flows"};
  options.member_sizes = {3, 4, 2};
  auto base = kind.make(
      {.parameters = parameters, .random = random, .features = features, .options = options});
  if (const auto* resampled = dynamic_cast<const ResampledBase*>(base.get()))
    parameters.values(resampled->normaliser())[0] = 0.4;
  return base;
}

inline const std::vector<Case<Base>>& base_cases() {
  static const std::vector<Case<Base>> cases = [] {
    std::vector<Case<Base>> list;
    for (const BaseKind& kind : base_kinds().rows())
      for (const std::int64_t features : {2, 3})
        list.push_back({fmt::format("kind_{}_{}", kind.name, features),
                        [&kind, features](ParameterStore& parameters, RandomSequence& random) {
                          return small_base(kind, features, parameters, random);
                        },
                        false, kind.unit_interval});
    for (const std::int64_t features : {1, 2, 5, 60})
      for (const bool trainable : {false, true})
        list.push_back({fmt::format("normal_{}{}", features, trainable ? "_trainable" : ""),
                        [=](ParameterStore& parameters, RandomSequence&) {
                          return std::make_unique<Normal>(parameters, "layer", features, trainable);
                        }});
    list.push_back(
        {"uniform_3_circular",
         [](ParameterStore&, RandomSequence&) {
           return std::make_unique<Uniform>("layer", 3, std::vector<bool>{true, false, true});
         },
         false, true});
    list.push_back({"resampled_2_uniform",
                    [](ParameterStore& parameters, RandomSequence& random) {
                      return make_resampled(parameters, random,
                                            std::make_shared<Uniform>("layer.proposal", 2), 100,
                                            0.4);
                    },
                    false, true});
    list.push_back(
        {"partly_circular_3", [](ParameterStore&, RandomSequence&) {
           return std::make_unique<PartlyCircular>("layer", std::vector<bool>{true, false, true});
         }});
    list.push_back({"resampled_3_circular", [](ParameterStore& parameters, RandomSequence& random) {
                      const std::vector<bool> circular{true, false, true};
                      auto acceptance = std::make_unique<Mlp>(
                          parameters, "layer.acceptance", random, 5, 1,
                          MlpOptions{.hidden = {8, 8}, .activation = Activation::kTanh});
                      auto base = std::make_unique<ResampledBase>(
                          parameters, "layer",
                          std::make_shared<PartlyCircular>("layer.proposal", circular),
                          std::move(acceptance),
                          ResampledBaseOptions{.training_proposals = 64, .circular = circular});
                      parameters.values(base->normaliser())[0] = 0.4;
                      return base;
                    }});
    for (const auto& [features, components] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {2, 3}, {60, 4}})
      list.push_back(
          {fmt::format("gaussian_mixture_{}", features),
           [f = features, c = components](ParameterStore& parameters, RandomSequence& random) {
             return std::make_unique<GaussianMixture>(parameters, "layer", random, f,
                                                      GaussianMixtureOptions{.components = c});
           }});
    for (const std::int64_t truncation : {0, 1, 2, 100})
      list.push_back({fmt::format("resampled_2_truncation_{}", truncation),
                      [=](ParameterStore& parameters, RandomSequence& random) {
                        return make_resampled(
                            parameters, random,
                            std::make_shared<Normal>(parameters, "layer.proposal", 2), truncation,
                            0.4);
                      }});
    list.push_back({"resampled_5_mixture", [](ParameterStore& parameters, RandomSequence& random) {
                      return make_resampled(parameters, random,
                                            std::make_shared<GaussianMixture>(
                                                parameters, "layer.proposal", random, 5,
                                                GaussianMixtureOptions{.components = 3}),
                                            100, 0.6);
                    }});
    list.push_back({"class_affine_2", [](ParameterStore& parameters, RandomSequence&) {
                      return std::make_unique<ClassAffine>(
                          parameters, "layer", three_classes(),
                          std::make_shared<Normal>(parameters, "layer.normal", 2));
                    }});
    list.push_back({"flow_base_2", [](ParameterStore& parameters, RandomSequence& random) {
                      return make_flow_base(parameters, random, "layer");
                    }});
    list.push_back({"resampled_2_flow", [](ParameterStore& parameters, RandomSequence& random) {
                      return make_resampled(parameters, random,
                                            make_flow_base(parameters, random, "layer.proposal"),
                                            100, 0.4);
                    }});
    for (const auto& [name, proposal, acceptance] :
         std::vector<std::tuple<std::string, bool, bool>>{
             {"resampled_class_proposal", true, false},
             {"resampled_class_acceptance", false, true},
             {"resampled_class_both", true, true}})
      list.push_back({name, [p = proposal, a = acceptance](ParameterStore& parameters,
                                                           RandomSequence& random) {
                        return make_class_resampled(parameters, random, p, a);
                      }});
    return list;
  }();
  return cases;
}

inline const std::vector<Case<Target>>& target_cases() {
  static const std::vector<Case<Target>> cases = [] {
    std::vector<Case<Target>> list;
    for (const TargetKind& entry : target_kinds().rows())
      if (!entry.make_particles)  // those can be differentiated once: see particles_test.cc
        list.push_back({entry.name, [name = entry.name](ParameterStore&, RandomSequence&) {
                          return make_target(name);
                        }});
    return list;
  }();
  return cases;
}

}  // namespace thalweg::testing

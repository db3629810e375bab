#include "thalweg/flows/model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "thalweg/bases/gaussian_mixture.h"
#include "thalweg/bases/normal.h"
#include "thalweg/bases/partly_circular.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/flow_base.h"
#include "thalweg/nn/network.h"
#include "thalweg/transforms/act_norm.h"
#include "thalweg/transforms/affine_constant.h"
#include "thalweg/transforms/affine_coupling.h"
#include "thalweg/transforms/autoregressive.h"
#include "thalweg/transforms/bounded.h"
#include "thalweg/transforms/continuously_indexed.h"
#include "thalweg/transforms/lu_linear.h"
#include "thalweg/transforms/permutation.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/residual.h"

namespace thalweg {
namespace {

[[noreturn]] void unknown(const char* key, const std::string& got, const char* choices) {
  fail<ConfigError>("{}: expected one of {}, got '{}'", key, choices, got);
}

/// What building a model passes around.
struct Builder {
  const ModelOptions& options;
  ParameterStore& parameters;
  RandomSequence random;
  std::shared_ptr<const Target> target;
  std::size_t column_maps = 0;  ///< of the transforms, once they are made
  /// Which features of the base and of each coupling's z are angles; empty without periodic
  /// columns.
  std::vector<std::vector<bool>> circular = {};

  void check_columns() const {
    if (static_cast<std::int64_t>(options.columns.size()) != options.features)
      fail<ConfigError>("columns: expected {} entries, got {}", options.features,
                        options.columns.size());
  }

  /// Follows periodic columns from the data to the base, and checks that all on the way can turn.
  void find_circular() {
    const auto periodic = [](const ColumnOptions& column) { return column.periodic; };
    if (std::none_of(options.columns.begin(), options.columns.end(), periodic)) return;
    check_columns();
    const FlowOptions& flow = options.flow;
    if (flow.blocks < 1) fail<ConfigError>("flow.blocks: expected at least 1, got {}", flow.blocks);
    const auto need = [](const char* key, const std::string& got, const char* expected) {
      fail<ConfigError>("{}: expected {} where columns are periodic, got {}", key, expected, got);
    };
    if (flow.kind != "spline" && flow.kind != "elementwise_spline")
      need("flow.kind", flow.kind, "spline or elementwise_spline");
    if (flow.permutation != "swap" && flow.permutation != "none")
      need("flow.permutation", flow.permutation, "swap or none");
    if (flow.act_norm) need("flow.act_norm", "true", "false");
    if (options.base.kind != "normal") need("base.kind", options.base.kind, "normal");
    if (options.base.conditional != "none")
      need("base.conditional", options.base.conditional, "none");
    if (!options.stochastic.kinds.empty())
      need("stochastic.kind", options.stochastic.kinds.front(), "none");
    if (flow.index_features != 0)
      need("flow.index_features", fmt::format("{}", flow.index_features), "0");
    std::vector<bool> turns;
    for (const ColumnOptions& column : options.columns) {
      if (column.periodic && !(std::isfinite(column.lower) && std::isfinite(column.upper)))
        fail<ConfigError>(
            "columns: '{}' is periodic and needs the lower and upper bound between which it wraps",
            column.name);
      turns.push_back(column.periodic);
    }
    const std::vector<std::int32_t> order = swapped_halves_order(options.features);
    circular.resize(static_cast<std::size_t>(flow.blocks));
    for (std::size_t block = circular.size(); block-- > 0;) {
      if (flow.permutation == "swap" && options.features > 1) {
        const std::vector<bool> after = turns;
        for (std::size_t i = 0; i < order.size(); ++i)
          turns[static_cast<std::size_t>(order[i])] = after[i];
      }
      circular[block] = turns;
    }
  }

  /// The classes of a conditional base; empty if the base depends on no context.
  ClassTable classes() const {
    const BaseOptions& base = options.base;
    if (base.conditional == "none") return {};
    if (base.conditional != "proposal" && base.conditional != "acceptance" &&
        base.conditional != "both")
      unknown("base.conditional", base.conditional, "none, proposal, acceptance, both");
    if (base.conditional != "proposal" && base.kind != "resampled")
      fail<ConfigError>("base.conditional: '{}' needs base.kind = \"resampled\", got \"{}\"",
                        base.conditional, base.kind);
    if (options.context_features == 0 || base.classes.empty())
      fail<ConfigError>(
          "base.conditional: '{}' needs columns that name a class: name them in data.condition",
          base.conditional);
    return {options.context_features, base.classes};
  }

  /// The classes by the contexts that layers are given.
  ClassTable standardised_classes() const {
    const ClassTable table = classes();
    if (table.empty() || options.context_columns.empty()) return table;
    std::vector<double> values = options.base.classes;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const ColumnOptions& column = options.context_columns[i % options.context_columns.size()];
      values[i] = column.standardised(values[i]);
    }
    return {options.context_features, std::move(values)};
  }

  /// A base without a rejection step, moved and scaled by class if asked.
  std::shared_ptr<const Base> proposal(const std::string& kind) {
    std::shared_ptr<const Base> result = one_for_all(kind);
    const std::string& conditional = options.base.conditional;
    if (conditional != "proposal" && conditional != "both") return result;
    return std::make_shared<ClassAffine>(parameters, "base.class", standardised_classes(),
                                         std::move(result));
  }

  std::shared_ptr<const Base> one_for_all(const std::string& kind) {
    const BaseOptions& base = options.base;
    if (!circular.empty())
      return std::make_shared<PartlyCircular>("base.partly_circular", circular.front());
    if (kind == "normal")
      return std::make_shared<Normal>(parameters, "base.normal", options.features, false);
    if (kind == "trainable_normal")
      return std::make_shared<Normal>(parameters, "base.normal", options.features, true);
    if (kind == "flow" && base.kind == "resampled") return proposal_flow();
    if (kind == "mixture") {
      GaussianMixtureOptions mixture;
      mixture.components = base.components;
      mixture.location_scale = base.location_scale;
      return std::make_shared<GaussianMixture>(parameters, "base.mixture", random, options.features,
                                               mixture);
    }
    unknown("base", kind, "normal, trainable_normal, mixture, resampled");
  }

  std::shared_ptr<const Base> proposal_flow() {
    const BaseOptions& base = options.base;
    if (options.features < 2)
      fail<ConfigError>("base.proposal: 'flow' needs at least 2 columns to couple, got 1");
    if (base.flow_blocks < 1)
      fail<ConfigError>("base.flow_blocks: expected at least 1, got {}", base.flow_blocks);
    AffineCouplingOptions affine;
    affine.conditioner = mlp_factory({.hidden = base.flow_hidden, .zero_output = true});
    std::vector<std::shared_ptr<const Transform>> layers;
    for (std::int64_t block = 0; block < base.flow_blocks; ++block) {
      affine.swap = block % 2 == 1;
      layers.push_back(std::make_shared<AffineCoupling>(
          parameters, fmt::format("base.flow.{}", block), random, options.features, affine));
    }
    auto normal = std::make_shared<Normal>(parameters, "base.flow.normal", options.features);
    return std::make_shared<FlowBase>("base.flow",
                                      std::make_shared<Flow>(std::move(normal), layers));
  }

  std::shared_ptr<const ResampledBase> resampled_base() {
    const BaseOptions& base = options.base;
    if (base.proposal == "resampled")
      unknown("base.proposal", base.proposal, "normal, trainable_normal, mixture, flow");
    MlpOptions network;
    network.hidden = base.hidden;
    network.dropout = base.dropout;
    ResampledBaseOptions resampled;
    resampled.classes = standardised_classes();
    if (base.conditional != "none" && base.conditional != "proposal")
      network.context_features = resampled.classes.count();
    auto acceptance =
        std::make_unique<Mlp>(parameters, "base.acceptance", random, options.features, 1, network);
    resampled.truncation = base.truncation;
    resampled.average_rate = base.average_rate;
    resampled.training_proposals = base.proposals;
    return std::make_shared<ResampledBase>(parameters, "base.resampled", proposal(base.proposal),
                                           std::move(acceptance), resampled);
  }

  NetworkFactory conditioner() const {
    const FlowOptions& flow = options.flow;
    const Activation activation = activation_by_name(flow.activation);
    if (flow.network == "mlp")
      return mlp_factory({.hidden = flow.hidden,
                          .activation = activation,
                          .dropout = flow.dropout,
                          .zero_output = true});
    if (flow.network != "residual") unknown("flow.network", flow.network, "mlp, residual");
    if (flow.hidden.size() != 1)
      fail<ConfigError>(
          "flow.hidden: expected one width, as [64], of the residual network, got {} widths: set "
          "the depth by flow.network_blocks",
          flow.hidden.size());
    if (flow.network_blocks < 1)
      fail<ConfigError>("flow.network_blocks: expected at least 1, got {}", flow.network_blocks);
    return residual_network_factory({.hidden = flow.hidden[0],
                                     .blocks = flow.network_blocks,
                                     .activation = activation,
                                     .dropout = flow.dropout,
                                     .zero_output = true});
  }

  std::shared_ptr<const Transform> coupling(const std::string& name, std::int64_t block) {
    const FlowOptions& flow = options.flow;
    const std::vector<bool> turns =
        circular.empty() ? std::vector<bool>() : circular[static_cast<std::size_t>(block)];
    if (flow.kind == "elementwise_spline") {
      ElementwiseSplineOptions elementwise;
      elementwise.spline.bins = flow.bins;
      elementwise.spline.bound = flow.tail_bound;
      elementwise.circular = turns;
      elementwise.conditioner = conditioner();
      elementwise.context_features = options.context_features;
      return std::make_shared<ElementwiseSpline>(parameters, name, random, options.features,
                                                 elementwise);
    }
    if (flow.kind == "autoregressive_affine" || flow.kind == "autoregressive_spline")
      return autoregressive(name);
    if (options.features < 2)
      fail<ConfigError>(
          "flow.kind: '{}' needs at least 2 columns to couple, got 1: use elementwise_spline",
          flow.kind);
    if (flow.kind == "spline") {
      SplineCouplingOptions spline;
      spline.spline.bins = flow.bins;
      spline.spline.bound = flow.tail_bound;
      spline.circular = turns;
      spline.conditioner = conditioner();
      spline.context_features = options.context_features;
      return std::make_shared<SplineCoupling>(parameters, name, random, options.features, spline);
    }
    AffineCouplingOptions affine;
    affine.scale_map = scale_map_by_name(flow.scale_map);
    affine.conditioner = conditioner();
    affine.context_features = options.context_features;
    return std::make_shared<AffineCoupling>(parameters, name, random, options.features, affine);
  }

  std::shared_ptr<const Transform> autoregressive(const std::string& name) {
    const FlowOptions& flow = options.flow;
    if (flow.network != "mlp")
      fail<ConfigError>("flow.network: expected mlp for {}, got '{}'", flow.kind, flow.network);
    AutoregressiveOptions regressive;
    regressive.map = flow.kind == "autoregressive_spline" ? AutoregressiveMap::kSpline
                                                          : AutoregressiveMap::kAffine;
    regressive.scale_map = scale_map_by_name(flow.scale_map);
    regressive.spline.bins = flow.bins;
    regressive.spline.bound = flow.tail_bound;
    regressive.network.hidden = flow.hidden;
    regressive.network.activation = activation_by_name(flow.activation);
    regressive.network.dropout = flow.dropout;
    regressive.context_features = options.context_features;
    return std::make_shared<Autoregressive>(parameters, name, random, options.features, regressive);
  }

  std::shared_ptr<const Transform> residual(const std::string& name) {
    const FlowOptions& flow = options.flow;
    if (flow.dropout > 0.0)
      fail<ConfigError>("flow.dropout: expected 0 for a residual flow, got {}", flow.dropout);
    ResidualOptions residual;
    residual.hidden = flow.hidden;
    residual.lipschitz = flow.lipschitz;
    residual.log_det = residual_log_det_by_name(flow.log_det);
    residual.context_features = options.context_features;
    return std::make_shared<Residual>(parameters, name, random, options.features, residual);
  }

  using Layers = std::map<std::int64_t, std::shared_ptr<const Transform>>;

  /// Stochastic layers by the number of the block that they follow, -1 for one that goes first.
  Layers stochastic_layers(const std::shared_ptr<const Base>& base,
                           const std::vector<std::shared_ptr<const Transform>>& columns) {
    const StochasticFlowOptions& wanted = options.stochastic;
    if (wanted.energy != "interpolation" && wanted.energy != "target" && wanted.energy != "learned")
      unknown("stochastic.energy", wanted.energy, "interpolation, target, learned");
    if (options.context_features > 0)
      fail<ConfigError>("stochastic.kind: expected none for a model with a condition, got {}",
                        fmt::join(wanted.kinds, ", "));
    if (wanted.every < 1 || options.flow.blocks % wanted.every != 0)
      fail<ConfigError>("stochastic.every: expected a divisor of flow.blocks = {}, got {}",
                        options.flow.blocks, wanted.every);
    const std::int64_t count = options.flow.blocks / wanted.every;
    if (!wanted.lambda.empty() && static_cast<std::int64_t>(wanted.lambda.size()) != count)
      fail<ConfigError>("stochastic.lambda: expected {} numbers, one a layer, got {}", count,
                        wanted.lambda.size());
    const auto lambda = [&](std::int64_t layer) {
      if (!wanted.lambda.empty()) return wanted.lambda[static_cast<std::size_t>(layer)];
      return count == 1 ? 1.0 : static_cast<double>(layer) / static_cast<double>(count - 1);
    };
    std::shared_ptr<const Energy> truth;
    if (moves_by_target(wanted)) {
      if (!target)
        fail<ConfigError>(
            "stochastic.energy: '{}' needs a target: give --target NAME, --energy EXPRESSION or an "
            "energy_library",
            wanted.energy);
      if (target->features() != options.features)
        fail<ConfigError>("stochastic.energy: expected a target of {} columns, got {} of {}",
                          options.features, target->features(), target->name());
      truth = target_energy(target, columns);
    }
    const auto energy_of = [&](const std::string& name,
                               std::int64_t layer) -> std::shared_ptr<const Energy> {
      if (wanted.energy == "target") return truth;
      if (wanted.energy == "learned")
        return learned_energy(parameters, name + ".energy", random, options.features);
      return interpolated_energy(base_energy(base), truth, lambda(layer));
    };
    std::size_t made = 0;
    const auto layer_of = [&](const std::string& name, std::shared_ptr<const Energy> energy) {
      StochasticOptions moves = wanted.moves;
      moves.kind = wanted.kinds[made++ % wanted.kinds.size()];
      return make_stochastic_layer(parameters, name, std::move(energy), moves);
    };
    Layers result;
    if (wanted.prior_layer) result[-1] = layer_of("flow.prior.moves", base_energy(base));
    for (std::int64_t layer = 0; layer < count; ++layer) {
      const std::int64_t block = (layer + 1) * wanted.every - 1;
      const std::string name = fmt::format("flow.{}.moves", block);
      result[block] = layer_of(name, energy_of(name, layer));
    }
    return result;
  }

  std::vector<std::shared_ptr<const Transform>> transforms(
      const std::shared_ptr<const Base>& base) {
    const FlowOptions& flow = options.flow;
    const std::int64_t features = options.features;
    static const std::vector<std::string> kinds = {"real_nvp",
                                                   "spline",
                                                   "elementwise_spline",
                                                   "autoregressive_affine",
                                                   "autoregressive_spline",
                                                   "residual",
                                                   "none"};
    if (std::find(kinds.begin(), kinds.end(), flow.kind) == kinds.end())
      unknown("flow.kind", flow.kind, fmt::format("{}", fmt::join(kinds, ", ")).c_str());
    const bool moves = flow.kind != "none";
    const bool couples = moves && flow.kind != "residual";
    if (flow.blocks < 1) fail<ConfigError>("flow.blocks: expected at least 1, got {}", flow.blocks);
    std::vector<std::shared_ptr<const Transform>> result, columns;
    add_columns(columns);
    Layers moves_after;
    if (!options.stochastic.kinds.empty()) moves_after = stochastic_layers(base, columns);
    const auto add_moves = [&](std::int64_t block) {
      if (const auto found = moves_after.find(block); found != moves_after.end())
        result.push_back(found->second);
    };
    add_moves(-1);
    for (std::int64_t block = 0; block < flow.blocks; ++block) {
      const std::string name = fmt::format("flow.{}", block);
      if (flow.index_features > 0)
        result.push_back(std::make_shared<ContinuouslyIndexed>(
            parameters, name + ".index", random, features,
            ContinuouslyIndexedOptions{
                .index_features = flow.index_features,
                .network = mlp_factory({.hidden = flow.index_hidden,
                                        .activation = activation_by_name(flow.activation)}),
                .context_features = options.context_features}));
      if (moves)
        result.push_back(couples ? coupling(name + ".coupling", block)
                                 : residual(name + ".residual"));
      if (couples && features > 1) {
        if (flow.permutation == "swap")
          result.push_back(std::make_shared<Permutation>(parameters, name + ".swap",
                                                         swapped_halves_order(features)));
        else if (flow.permutation == "reverse")
          result.push_back(std::make_shared<Permutation>(parameters, name + ".reverse",
                                                         reversed_order(features)));
        else if (flow.permutation == "random")
          result.push_back(std::make_shared<Permutation>(parameters, name + ".permutation",
                                                         random_order(features, random)));
        else if (flow.permutation == "lu")
          result.push_back(std::make_shared<LULinear>(parameters, name + ".linear", features,
                                                      random_order(features, random)));
        else if (flow.permutation != "none")
          unknown("flow.permutation", flow.permutation, "swap, reverse, random, lu, none");
      }
      if (moves && flow.act_norm)
        result.push_back(std::make_shared<ActNorm>(parameters, name + ".act_norm", features));
      add_moves(block);
    }
    result.insert(result.end(), columns.begin(), columns.end());
    column_maps = columns.size();
    return result;
  }

  /// The data side: standardisation, then the maps for bounded columns.
  void add_columns(std::vector<std::shared_ptr<const Transform>>& result) {
    if (options.columns.empty()) return;
    check_columns();
    AffineConstantOptions standard;
    standard.trainable = false;
    std::vector<ColumnBounds> bounds;
    bool bounded = false;
    for (const ColumnOptions& column : options.columns) {
      if (column.periodic) {
        standard.mean.push_back(0.5 * (column.lower + column.upper));
        standard.scale.push_back((column.upper - column.lower) / (2.0 * std::numbers::pi));
        bounds.push_back({});
        continue;
      }
      standard.mean.push_back(column.mean);
      standard.scale.push_back(column.scale);
      bounds.push_back({column.lower, column.upper});
      bounded = bounded || std::isfinite(column.lower) || std::isfinite(column.upper);
    }
    result.push_back(std::make_shared<AffineConstant>(parameters, "columns.standard", random,
                                                      options.features, standard));
    if (bounded) result.push_back(std::make_shared<BoundedColumns>("columns.bounds", bounds));
  }
};

}  // namespace

bool moves_by_target(const StochasticFlowOptions& options) {
  return !options.kinds.empty() && options.energy != "learned";
}

Model::Model(const ModelOptions& options, std::uint64_t seed,
             const std::shared_ptr<const Target>& target)
    : options_(options) {
  build(RandomSequence(seed, Stream::kInitialisation), target);
}

std::unique_ptr<Model> Model::load(const ModelOptions& options, ParameterSource source,
                                   const std::shared_ptr<const Target>& target) {
  std::unique_ptr<Model> model(new Model);
  model->options_ = options;
  model->parameters_.read_from(std::move(source));
  model->build(RandomSequence::none(), target);
  model->parameters_.read_from({});
  return model;
}

void Model::build(const RandomSequence& random, const std::shared_ptr<const Target>& target) {
  const ModelOptions& options = options_;
  if (options.features < 1)
    fail<ConfigError>("model.features: expected at least 1, got {}", options.features);
  Builder builder{options, parameters_, random, target};
  builder.find_circular();
  std::shared_ptr<const Base> base;
  if (options.base.kind == "resampled") {
    resampled_ = builder.resampled_base();
    base = resampled_;
  } else {
    base = builder.proposal(options.base.kind);
  }
  classes_ = builder.classes();
  auto transforms = builder.transforms(base);
  flow_ = std::make_unique<Flow>(std::move(base), std::move(transforms));
  column_maps_ = builder.column_maps;
}

}  // namespace thalweg

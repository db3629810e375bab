#include "thalweg/flows/model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/flows/base_kinds.h"
#include "thalweg/flows/column_transforms.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/nn/network_kinds.h"
#include "thalweg/transforms/column_heads.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {
namespace {

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
    const FlowOptions& flow = options.flow;
    // In cells a turn is what heads make of it.
    const auto periodic = [&](const ColumnOptions& column) {
      return column.periodic && !(column.has_cells() && flow.heads);
    };
    if (std::none_of(options.columns.begin(), options.columns.end(), periodic)) return;
    check_columns();
    for (const ColumnOptions& column : options.columns)
      if (column.periodic && column.has_cells() != flow.heads)
        fail<ConfigError>(
            "flow.heads: expected {} for the periodic column '{}', {}, got {}", !flow.heads,
            column.name,
            column.has_cells() ? "beside texts or masses" : "which would no longer be a circle",
            flow.heads);
    if (flow.blocks < 1) fail<ConfigError>("flow.blocks: expected at least 1, got {}", flow.blocks);
    const auto need = [](const char* key, const std::string& got, const std::string& expected) {
      fail<ConfigError>("{}: expected {} where columns are periodic, got {}", key, expected, got);
    };
    const auto need_kind = [&](const char* key, const std::string& got, const auto& table,
                               auto turns) {
      if (!(table.find(key, got).*turns))
        need(key, got, fmt::format("{}", fmt::join(table.names(turns), " or ")));
    };
    need_kind("flow.kind", flow.kind, block_kinds(), &TransformKind::circular);
    need_kind("flow.permutation", flow.permutation, permutation_kinds(), &TransformKind::circular);
    if (flow.act_norm) need("flow.act_norm", "true", "false");
    const BaseKind& base = base_kinds().find("base.kind", options.base.kind);
    if (!base.circular) {
      // One on [0, 1] is for flows that stay there alone, and these take no other.
      const bool unit = is_on_unit_interval(options);
      std::vector<std::string> names;
      for (const BaseKind& kind : base_kinds().rows())
        if (kind.circular && kind.unit_interval == unit) names.push_back(kind.name);
      need("base.kind", base.name, fmt::format("{}", fmt::join(names, " or ")));
    }
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
      turns.push_back(periodic(column));
    }
    const std::vector<std::int32_t> order = swapped_halves_order(options.features);
    circular.resize(static_cast<std::size_t>(flow.blocks));
    for (std::size_t block = circular.size(); block-- > 0;) {
      if (flow.permutation != "none" && options.features > 1) {  // All others swap angles.
        const std::vector<bool> after = turns;
        for (std::size_t i = 0; i < order.size(); ++i)
          turns[static_cast<std::size_t>(order[i])] = after[i];
      }
      circular[block] = turns;
    }
  }

  /// Checks that all on the way from the base to the columns' maps stays in [0, 1], if one part
  /// needs that.
  void check_unit_interval() const {
    const FlowOptions& flow = options.flow;
    const BaseOptions& base = options.base;
    const bool wanted = is_on_unit_interval(options);
    const bool resampled = base.kind == "resampled";
    const char* key = resampled ? "base.proposal" : "base.kind";
    const std::string& kind = resampled ? base.proposal : base.kind;
    const bool base_is = base_kinds().find(key, kind).unit_interval;
    const auto names = [](const auto& table, auto flag) {
      return fmt::format("{}", fmt::join(table.names(flag), " or "));
    };
    if (base_is && !wanted)
      fail<ConfigError>("{}: '{}' is on [0, 1], where only flow.kind = {} stays, got '{}'", key,
                        kind, names(block_kinds(), &TransformKind::unit_interval), flow.kind);
    if (!wanted) return;
    const auto need = [&](const char* what, const std::string& got, const std::string& expected) {
      fail<ConfigError>("{}: expected {} with flow.kind = {}, which stays in [0, 1], got {}", what,
                        expected, flow.kind, got);
    };
    if (!base_is) need(key, kind, names(base_kinds(), &BaseKind::unit_interval));
    if (!permutation_kinds().find("flow.permutation", flow.permutation).unit_interval)
      need("flow.permutation", flow.permutation,
           names(permutation_kinds(), &TransformKind::unit_interval));
    if (flow.act_norm) need("flow.act_norm", "true", "false");
    if (flow.heads) need("flow.heads", "true", "false");
    if (flow.index_features != 0)
      need("flow.index_features", fmt::format("{}", flow.index_features), "0");
    if (base.conditional != "none" && base.conditional != "acceptance")
      need("base.conditional", base.conditional, "none or acceptance");
    if (!options.stochastic.kinds.empty())
      need("stochastic.kind", options.stochastic.kinds.front(), "none");
  }

  /// Checks that all on the way from a base of particles without a centre of mass to the data keeps
  /// it at 0, or the density would not be one of that subspace.
  void check_mean_free() const {
    if (!is_mean_free(options)) {
      if (!options.flow.species.empty())
        fail<ConfigError>("flow.species: expected none with base.kind = {}, got {}",
                          options.base.kind, fmt::join(options.flow.species, ", "));
      return;
    }
    const auto need = [&](const char* key, const std::string& got, const std::string& expected) {
      fail<ConfigError>(
          "{}: expected {} with base.kind = {}, which keeps the centre of mass, got {}", key,
          expected, options.base.kind, got);
    };
    const FlowOptions& flow = options.flow;
    if (!block_kinds().find("flow.kind", flow.kind).mean_free)
      need("flow.kind", flow.kind,
           fmt::format("{}", fmt::join(block_kinds().names(&TransformKind::mean_free), " or ")));
    if (flow.kind != "none") {
      if (!network_kinds().find("flow.network", flow.network).of_particles)
        need("flow.network", flow.network,
             fmt::format("{}",
                         fmt::join(network_kinds().names(&NetworkKind::of_particles), " or ")));
      if (flow.kind == "free_form" && !flow.global_skip) need("flow.global_skip", "false", "true");
    }
    if (flow.act_norm && flow.kind != "none") need("flow.act_norm", "true", "false");
    if (flow.heads) need("flow.heads", "true", "false");
    if (flow.index_features != 0)
      need("flow.index_features", fmt::format("{}", flow.index_features), "0");
    if (options.base.conditional != "none")
      need("base.conditional", options.base.conditional, "none");
    if (!flow.species.empty() && !options.stochastic.kinds.empty())
      need("stochastic.kind", options.stochastic.kinds.front(), "none with flow.species");
    if (!options.columns.empty()) check_columns();
    for (const ColumnOptions& column : options.columns) {
      const bool plain = column.mean == 0.0 && column.scale == 1.0 && !column.periodic &&
                         !column.has_intervals() && column.knots.empty() &&
                         !std::isfinite(column.lower) && !std::isfinite(column.upper);
      if (!plain)
        fail<ConfigError>(
            "columns: '{}' is a coordinate of particles, with base.kind = {}: expected a mean of "
            "0, a "
            "scale of 1, and no bounds or kinds",
            column.name, options.base.kind);
    }
  }

  /// The classes of a conditional base; empty if the base depends on no context.
  ClassTable classes() const {
    const BaseOptions& base = options.base;
    if (base.conditional == "none") return {};
    if (base.conditional != "proposal" && base.conditional != "acceptance" &&
        base.conditional != "both")
      fail<ConfigError>(
          "base.conditional: expected one of none, proposal, acceptance, both, got '{}'",
          base.conditional);
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

  std::vector<ColumnHead> own_heads() const {
    return options.heads.empty() ? column_heads(options.columns, options.features) : options.heads;
  }

  using Layers = std::map<std::int64_t, std::shared_ptr<const Transform>>;

  /// Stochastic layers by the number of the block that they follow, -1 for one that goes first.
  Layers stochastic_layers(const std::shared_ptr<const Base>& base,
                           const std::vector<std::shared_ptr<const Transform>>& columns) {
    const StochasticFlowOptions& wanted = options.stochastic;
    if (wanted.energy != "interpolation" && wanted.energy != "target" && wanted.energy != "learned")
      fail<ConfigError>(
          "stochastic.energy: expected one of interpolation, target, learned, got '{}'",
          wanted.energy);
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
      moves.mean_free_dimensions = base->mean_free_dimensions();
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
    const TransformKind& kind = block_kinds().find("flow.kind", flow.kind);
    const TransformKind& permutation =
        permutation_kinds().find("flow.permutation", flow.permutation);
    const TransformKind& index = block_layer_kinds().find("flow", "continuously_indexed");
    const TransformKind& act_norm = block_layer_kinds().find("flow", "act_norm");
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
      const auto add = [&](const TransformKind& row, const std::vector<bool>& angles = {}) {
        const std::string& part = row.part.empty() ? row.name : row.part;
        auto made = row.make({.parameters = parameters,
                              .random = random,
                              .name = fmt::format("flow.{}.{}", block, part),
                              .features = options.features,
                              .context_features = options.context_features,
                              .options = flow,
                              .dimensions = options.base.dimensions,
                              .circular = angles});
        if (made) result.push_back(made);
        return made != nullptr;
      };
      if (flow.index_features > 0) add(index);
      const std::vector<bool> turns =
          circular.empty() ? std::vector<bool>() : circular[static_cast<std::size_t>(block)];
      const bool transforms = add(kind, turns);
      if (transforms && kind.permuted && options.features > 1) add(permutation, turns);
      if (transforms && flow.act_norm) add(act_norm);
      add_moves(block);
    }
    if (flow.heads) {
      ColumnHeadsOptions heads;
      heads.spline = {.bins = flow.bins, .bound = flow.tail_bound};
      heads.network.hidden = flow.hidden;
      heads.network.activation = activation_by_name(flow.activation);
      heads.network.dropout = flow.dropout;
      heads.context_features = options.context_features;
      result.push_back(
          std::make_shared<ColumnHeads>(parameters, "flow.heads", random, own_heads(), heads));
    }
    result.insert(result.end(), columns.begin(), columns.end());
    column_maps = columns.size();
    return result;
  }

  /// The data side: standardisation, then the maps for bounded columns.
  void add_columns(std::vector<std::shared_ptr<const Transform>>& result) {
    if (options.columns.empty()) return;
    check_columns();
    const auto columns =
        column_transforms(parameters, random, options.columns, is_on_unit_interval(options));
    result.insert(result.end(), columns.begin(), columns.end());
  }
};

}  // namespace

bool is_on_unit_interval(const ModelOptions& options) {
  return block_kinds().find("flow.kind", options.flow.kind).unit_interval;
}

bool is_mean_free(const ModelOptions& options) {
  return base_kinds().find("base.kind", options.base.kind).mean_free;
}

std::shared_ptr<const InternalCoordinates> make_internal_coordinates(
    const MoleculeOptions& molecule) {
  if (molecule.rows.empty()) return nullptr;
  std::vector<ZMatrixRow> rows;
  for (const std::string& text : molecule.rows) rows.push_back(z_matrix_row(text));
  std::optional<EckartFrame> anchors;
  if (molecule.anchor_reference.empty() && !molecule.anchor_directions.empty())
    fail<ConfigError>("molecule.anchor_directions: expected molecule.anchor_reference beside it");
  if (!molecule.anchor_reference.empty())
    anchors.emplace(molecule.anchor_reference, molecule.anchor_directions,
                    "molecule.anchor_reference");
  return std::make_shared<InternalCoordinates>(rows, "molecule.rows", molecule.torsion_centres,
                                               std::move(anchors));
}

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
  builder.check_unit_interval();
  builder.find_circular();
  builder.check_mean_free();
  classes_ = builder.classes();
  auto base = make_base(
      {.parameters = parameters_,
       .random = builder.random,
       .features = options.features,
       .species_context = options.flow.species.empty() ? 0 : options.context_features,
       .options = options.base,
       .classes = builder.standardised_classes(),
       .heads = builder.own_heads(),
       .circular = builder.circular.empty() ? std::vector<bool>() : builder.circular.front()});
  resampled_ = std::dynamic_pointer_cast<const ResampledBase>(base);
  auto transforms = builder.transforms(base);
  flow_ = std::make_unique<Flow>(std::move(base), std::move(transforms),
                                 make_internal_coordinates(options.molecule));
  column_maps_ = builder.column_maps;
}

}  // namespace thalweg

#include "thalweg/runs/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/particle_rows.h"
#include "thalweg/datasets/standardisation.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/objectives/kinds.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/molecular_target.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/row_function.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/runs/stack_fit.h"
#include "thalweg/runs/unused_settings.h"

namespace thalweg {

namespace {

std::vector<double> context_classes(const PreparedData& data) {
  constexpr std::size_t kMostClasses = 1000;
  if (data.context_features() == 0)
    fail<ConfigError>(
        "base.conditional: needs columns that name a class: name them in data.condition");
  const auto width = static_cast<std::size_t>(data.context_features());
  std::set<std::vector<double>> found;
  for (auto row = data.context.begin(); row != data.context.end();
       row += static_cast<std::ptrdiff_t>(width)) {
    found.emplace(row, row + static_cast<std::ptrdiff_t>(width));
    if (found.size() > kMostClasses)
      fail<ConfigError>(
          "base.conditional: expected a condition that names a class, got more than {} different "
          "ones: Z of a base depends on its class and cannot follow a continuous condition, which "
          "the flow's layers take without base.conditional",
          kMostClasses);
  }
  std::vector<double> classes;
  for (const std::vector<double>& row : found)
    classes.insert(classes.end(), row.begin(), row.end());
  return classes;
}

const ObjectiveKind& objective_of(const RunOptions& options) {
  return objective_kinds().find("training.objective", options.training.objective);
}

/// The target of a run that learns from points besides.
std::shared_ptr<const Target> target_beside_data(RunOptions& options) {
  if (!has_target(options.target))
    fail<ConfigError>(
        "{}: needs an energy besides the points: give --target NAME or --energy EXPRESSION",
        objective_of(options).needs_target
            ? fmt::format("training.objective: '{}'", options.training.objective)
            : "stochastic.energy");
  if (!options.model.flow.species.empty())
    fail<ConfigError>(
        "data.species: expected no energy beside sets of particles, which differ from row to row, "
        "got '{}'",
        options.target.name + options.target.energy + options.target.energy_function +
            options.target.file());
  if (options.data.particles > 0 && options.model.context_features > 0)
    fail<ConfigError>(
        "data.condition: expected none beside an energy of particles, whose weights would need "
        "one for every draw, got {}",
        fmt::join(options.data.condition, ", "));
  // An energy is of the columns by name, unless the points are a plain array.
  std::vector<std::string> names;
  for (const ColumnOptions& column : options.model.columns) names.push_back(column.name);
  if (!options.target.energy.empty() && options.target.variables.empty() &&
      names != default_names(options.model.features))
    options.target.variables = names;
  std::shared_ptr<const Target> whole = make_target(options.target);
  if (const double cut = options.molecule.energy_cut; cut > 0.0) {
    // A model that moves by an energy has to move by the same ever after.
    if (!is_molecule(options) || moves_by_target(options.model.stochastic))
      fail<ConfigError>(
          "molecule.energy_cut: is of training by a molecule's energy, without stochastic layers "
          "that move by it");
    whole = with_logarithmic_energy(std::move(whole), cut);
  }
  std::shared_ptr<const Target> target = target_for_model(std::move(whole), options.model);
  if (target->features() != options.model.features)
    fail<ConfigError>("{}: expected points of {} columns, as the energy has, got {}",
                      options.data.path, target->features(), options.model.features);
  return target;
}

/// Columns of a target that names none, with mean and scale of its samples.
std::vector<ColumnOptions> measured_columns(const Target& target) {
  constexpr std::int64_t kSamples = 10000;
  std::vector<ColumnOptions> columns;
  const std::vector<double> x = target.can_sample()
                                    ? target_samples(target, 1, Stream::kEvaluation, 0, kSamples)
                                    : std::vector<double>();
  for (const std::string& name : default_names(target.features())) {
    std::vector<double> values;
    for (std::size_t i = columns.size(); i < x.size();
         i += static_cast<std::size_t>(target.features()))
      values.push_back(x[i]);
    columns.push_back({.name = name});
    if (!values.empty()) measure(columns.back(), values);
  }
  return columns;
}

/// Sets what a target alone decides of a model, and gives the target as the model learns it.
std::shared_ptr<const Target> fit_model_to_target(RunOptions& options,
                                                  std::shared_ptr<const Target> whole) {
  ModelOptions& model = options.model;
  const std::int64_t dimensions = whole->particle_dimensions();
  if (dimensions > 0) model.base.dimensions = dimensions;
  const auto made = target_for_model(whole, model);
  const Target& target = *made;
  if (is_mean_free(model) && explores(options))
    fail<ConfigError>(
        "exploration.evaluations: expected 0 with base.kind = {}: an exploration knows nothing of "
        "a "
        "centre of mass",
        model.base.kind);
  if (!target.can_sample() && objective_of(options).needs_rows && !explores(options))
    fail<ConfigError>(
        "training.objective: an energy cannot be sampled, so without --data and without an "
        "exploration (exploration.evaluations) it is learnt by reverse_kl, got {}",
        options.training.objective);
  model.features = target.features();
  model.context_features = 0;
  model.columns.clear();
  if (target.circular()) model.columns = angle_columns(target.features());
  for (const std::string& name : target.columns()) model.columns.push_back({.name = name});
  if (model.columns.empty() && is_on_unit_interval(model)) model.columns = measured_columns(target);
  bound_columns(model.columns, options.data);
  model.context_columns.clear();
  model.base.classes.clear();
  // Samples get the last particle back.
  model.derived.clear();
  for (std::int64_t f = target.features(); f < whole->features(); ++f) {
    DerivedColumn& last = model.derived.emplace_back();
    last.name = whole->columns()[static_cast<std::size_t>(f)];
    for (std::int64_t other = 0; other < target.features(); ++other)
      last.coefficients.push_back((f - other) % dimensions == 0 ? -1.0 : 0.0);
  }
  return made;
}

/// Loads what a run learns from; `choose` then completes the settings, before the model is fitted
/// to it.
void load_and_fit(RunPlan& plan, const ReadProgress& reading,
                  const std::function<void(RunPlan&)>& choose) {
  RunOptions& options = plan.options;
  if (!options.data.path.empty()) {
    const auto seed = static_cast<std::uint64_t>(options.training.seed);
    if (is_molecule(options)) {
      settle_molecule(options);
      plan.data = load_molecule_data(options, seed);
    } else {
      plan.data = load_prepared_data(options.data, seed, reading);
    }
    const MoleculeOptions molecule = options.model.molecule;
    choose(plan);
    options.model.molecule = molecule;
    if (options.data.particles > 0) options.model.base.dimensions = options.data.particles;
    fit_model_to_data(options.model, *plan.data);
    if (needs_target(options) || has_target(options.target))
      plan.target = target_beside_data(options);
  } else if (is_molecule(options)) {
    fail<ConfigError>("a molecule is learnt from its positions: give --data TRAJECTORY");
  } else if (has_target(options.target)) {
    plan.target = make_target(options.target);
    choose(plan);
    plan.target = fit_model_to_target(options, std::move(plan.target));
  } else {
    fail<ConfigError>(
        "nothing to learn: give --data FILE, --target NAME, --image FILE, --energy EXPRESSION or a "
        "preset (`thalweg list`)");
  }
}

/// Whether a stack is learnt: if it is asked for, or suits the data and nothing is asked for that
/// only a flow has.
bool wants_stack(const SettingsLayers& layers, const PreparedData& data) {
  if (layers.keys.contains("base.kind")) return layers.asked.model.base.kind == "stack";
  const auto of_flow = [](const std::string& key) {
    return key.starts_with("flow.") || key.starts_with("base.") || key.starts_with("stochastic.") ||
           (key.starts_with("training.") && key != "training.time_budget" &&
            key != "training.precision");
  };
  constexpr std::int64_t kFewestBlocks = 20;  // for folds that have two each
  return suits_stack(data) &&
         (data.block_rows == 1 || data.free_rows / data.block_rows >= kFewestBlocks) &&
         std::none_of(layers.keys.begin(), layers.keys.end(), of_flow);
}

/// Of settings that somebody asked for and nothing reads.
std::vector<std::string> warnings_of(const RunPlan& plan, const SettingsLayers& layers,
                                     const RunRequest& request) {
  std::set<std::string> keys;
  // A whole document, as a run's own config.toml, names all keys there are.
  if (2 * layers.keys.size() < option_keys().size()) keys = layers.keys;
  for (const Setting& setting : request.settings) keys.insert(setting.key);
  // What an exploration is still to choose is not known yet.
  std::erase_if(keys, [&](const std::string& key) {
    return (plan.choose_base && key.starts_with("base.")) ||
           (plan.choose_objective && key.starts_with("training."));
  });
  return unused_settings(plan.options, keys);
}

/// Whether a flow of this kind is chosen for by a function of its own, and can be one of particles.
bool serves_particles(const std::string& kind) {
  return kind == "free_form" || kind == "continuous";
}

/// Whether a free-form or continuous flow of particles is learnt: if their base is asked for, or
/// rows are positions of particles and no other flow is.
bool wants_particles(const SettingsLayers& layers) {
  if (layers.keys.contains("base.kind")) return is_mean_free(layers.asked.model);
  const bool other =
      layers.keys.contains("flow.kind") && !serves_particles(layers.asked.model.flow.kind);
  return layers.for_data && layers.asked.data.particles > 0 && !other;
}

/// Forces beside the points are there to be matched.
void settle_forces(SettingsLayers& layers) {
  if (layers.asked.data.forces.empty()) return;
  if (!layers.keys.contains("training.objective")) {
    layers.asked.training.objective = "force_matching";
    layers.keys.insert("training.objective");
  }
  if (!objective_of(layers.asked).takes_forces)
    fail<ConfigError>("data.forces: expected training.objective = \"force_matching\", got '{}'",
                      layers.asked.training.objective);
}

/// Whether draws and their energies count beside points, which are to be learnt first: the energies
/// of draws of a flow that knows little are all but noise.
bool learns_energies_of_draws(const TrainingOptions& training) {
  return training.objective == "mixed" ||
         (training.objective == "force_matching" && training.energy_weight > 0.0);
}

/// Whether a flow of smooth maps is asked for, whose columns are not to be bent by splines first.
bool wants_smooth(const SettingsLayers& layers) {
  return layers.keys.contains("flow.kind") &&
         block_kinds().find("flow.kind", layers.asked.model.flow.kind).smooth;
}

}  // namespace

RunPlan plan_run(const RunRequest& request) {
  SettingsLayers layers = read_layers(request);
  const bool of_particles = wants_particles(layers);
  if (of_particles) settle_particles(layers.asked);
  settle_forces(layers);
  const bool smooth = wants_smooth(layers) && !request.resume;
  if (smooth && !layers.keys.contains("data.marginal_maps"))
    layers.asked.data.marginal_maps = false;
  layers.asked.data.closed =
      layers.keys.contains("flow.kind") && is_on_unit_interval(layers.asked.model);
  RunPlan plan{.options = layers.asked,
               .out = layers.out,
               .resume = request.resume,
               .force = request.force,
               .keep_points = request.keep_points};
  load_and_fit(plan, request.reading, [&](RunPlan& loaded) {
    RunOptions suggested = layers.start;
    suggested.data = layers.asked.data;
    suggested.model.stochastic = layers.asked.model.stochastic;
    if (loaded.data && layers.for_data) {
      choose_for_data(suggested, *loaded.data);
      suggested.model.molecule = loaded.options.model.molecule;
      if (is_molecule(loaded.options))
        choose_for_molecule(suggested, layers.asked.training.objective == "force_matching");
      else if (wants_stack(layers, *loaded.data))
        choose_stack(suggested);
      loaded.options = layered(layers, suggested);
    } else if (!loaded.data && layers.for_energy && !loaded.target->can_sample()) {
      // Mixtures with whole covariances are not for more columns, unless somebody asks.
      constexpr std::int64_t kMostExplored = 200;
      const bool explored =
          layers.keys.contains("exploration.evaluations")
              ? layers.asked.exploration.evaluations > 0
              : loaded.target->features() <= kMostExplored && !is_mean_free(layers.asked.model);
      choose_for_energy(suggested, loaded.target->features(), explored);
      loaded.options = layered(layers, suggested);
      TrainingOptions& training = loaded.options.training;
      loaded.choose_base = explored && !layers.keys.contains("base.kind");
      loaded.choose_objective = explored && !layers.keys.contains("training.objective");
      // Without an exploration, annealing takes half of a training, however long, unless somebody
      // says otherwise.
      if (!explored && !layers.keys.contains("training.annealing_steps"))
        training.annealing_steps = training.iterations / 2;
      if (explored && !layers.keys.contains("training.likelihood_steps"))
        training.likelihood_steps = std::min<std::int64_t>(500, training.iterations / 4);
    }
    if (smooth) {
      suggested = loaded.options;
      choose_for_smooth(suggested);
      loaded.options = layered(layers, suggested);
      if (is_on_unit_interval(loaded.options.model)) loaded.choose_base = false;
    }
    const bool asked = layers.keys.contains("flow.kind");
    if (!request.resume &&
        (asked ? serves_particles(layers.asked.model.flow.kind) : of_particles && loaded.data)) {
      suggested = loaded.options;
      if (asked && layers.asked.model.flow.kind == "continuous")
        choose_for_continuous(suggested);
      else
        choose_for_free_form(suggested);
      if (of_particles) {
        const std::int64_t given = loaded.options.data.particles;
        if (given > 0) suggested.model.base.dimensions = given;
        choose_for_particles(suggested);
      }
      loaded.options = layered(layers, suggested);
      loaded.choose_objective = loaded.choose_base = false;
    }
    TrainingOptions& training = loaded.options.training;
    if (loaded.data && layers.for_data && learns_energies_of_draws(training) &&
        !layers.keys.contains("training.likelihood_steps"))
      training.likelihood_steps = training.iterations / 2;
  });
  plan.warnings = warnings_of(plan, layers, request);
  return plan;
}

void check_output(const RunRequest& request) {
  check_training_folder(read_layers(request).out, request.resume, request.force);
}

void settle_particles(RunOptions& options) {
  DataOptions& data = options.data;
  if (data.path.empty()) return;
  if (data.particles == 0) data.particles = options.model.base.dimensions;
  data.find_derived = data.marginal_maps = false;
}

bool needs_target(const RunOptions& options) {
  const ObjectiveKind& objective = objective_of(options);
  const bool has_forces = objective.takes_forces && !options.data.forces.empty() &&
                          options.training.energy_weight == 0.0;
  return (objective.needs_rows && objective.needs_target && !has_forces) ||
         moves_by_target(options.model.stochastic);
}

void fit_model_to_data(ModelOptions& model, const PreparedData& data) {
  model.features = data.features();
  model.context_features = data.context_features();
  model.columns = data.columns;
  model.derived = data.derived;
  model.context_columns = data.context_columns;
  model.flow.species = data.species;
  model.flow.usual_species = data.usual_species;
  if (is_mean_free(model) && !data.derived.empty())
    fail<ConfigError>(
        "data.find_derived: expected false with base.kind = {}, which takes all particles, got "
        "'{}' as derived from others",
        model.base.kind, data.derived.front().name);
  if (is_mean_free(model))
    // Scaled columns would scale a subspace of fewer dimensions than their number.
    for (ColumnOptions& column : model.columns) column = {.name = column.name};
  model.base.classes.clear();
  if (model.base.conditional != "none") model.base.classes = context_classes(data);
}

std::vector<std::string> column_names(const ModelOptions& model) {
  std::vector<std::string> names;
  for (const ColumnOptions& column : model.columns) names.push_back(column.name);
  return names.empty() ? default_names(model.features) : names;
}

std::vector<double> rows_in_turn(std::span<const double> condition, std::int64_t width,
                                 std::int64_t first, std::int64_t count) {
  std::vector<double> rows;
  if (width == 0) return rows;
  const std::int64_t given = static_cast<std::int64_t>(condition.size()) / width;
  if (given == 0)
    fail<ShapeError>("condition: expected at least one row of {} columns, got none", width);
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto begin = condition.begin() + row % given * width;
    rows.insert(rows.end(), begin, begin + width);
  }
  return rows;
}

namespace {

/// A sentence on the rows in which derived columns are not what the others decide.
std::string unkept_text(const Table& table, const ModelOptions& model, const ModelRows& rows) {
  std::vector<ColumnOptions> columns = model.columns;
  columns.insert(columns.end(), model.context_columns.begin(), model.context_columns.end());
  std::string text;
  for (const DerivedColumn& column : model.derived) {
    const auto found = std::ranges::find(table.names, column.name);
    if (found == table.names.end()) continue;
    const ColumnOptions written = column.written();
    const ColumnReader reader(table, static_cast<std::size_t>(found - table.names.begin()),
                              written);
    std::int64_t unkept = 0, first = 0;
    std::vector<double> others;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      others.clear();
      for (const auto* part : {&rows.x, &rows.context}) {
        const auto width = static_cast<std::ptrdiff_t>(part->size()) / rows.rows;
        others.insert(others.end(), part->begin() + row * width, part->begin() + (row + 1) * width);
      }
      if (column.agrees(others, reader(static_cast<std::size_t>(row)))) continue;
      if (++unkept == 1) first = row + 1;
    }
    if (unkept == 0) continue;
    text += fmt::format("{}{} of {} rows do not keep to {} (row {} is the first)",
                        text.empty() ? "" : "; ", unkept, rows.rows, formula_text(column, columns),
                        first);
  }
  if (!text.empty())
    text +=
        ": by the model such rows cannot be; their log densities are those of the other columns";
  return text;
}

}  // namespace

namespace {

/// Positions of particles that are not there become 0; others must be positions.
void clear_absent(ModelRows& rows, const ModelOptions& model) {
  const auto features = static_cast<std::size_t>(model.features);
  const auto width = static_cast<std::size_t>(model.context_features);
  const auto particles = features / static_cast<std::size_t>(model.base.dimensions);
  for (std::size_t row = 0; row < static_cast<std::size_t>(rows.rows); ++row) {
    const auto own = std::span(rows.x).subspan(row * features, features);
    mark_absent(own, std::span(rows.context).subspan((row + 1) * width - particles, particles),
                model.base.dimensions, row);
    for (double& value : own)
      if (std::isnan(value)) value = 0.0;
  }
}

}  // namespace

ModelRows rows_for_model(const Table& table, const ModelOptions& model, bool with_x) {
  const std::string place = table.source.empty() ? "" : table.source + ": ";
  std::vector<std::string> wanted;
  if (with_x && model.columns.empty()) wanted = default_names(model.features);
  if (with_x)
    for (const ColumnOptions& column : model.columns) wanted.push_back(column.name);
  const std::size_t features = wanted.size();
  for (const ColumnOptions& column : model.context_columns) wanted.push_back(column.name);
  std::vector<std::size_t> numbers;
  const bool unnamed = table.names == default_names(table.columns());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto found = std::find(table.names.begin(), table.names.end(), wanted[i]);
    if (found != table.names.end()) {
      numbers.push_back(static_cast<std::size_t>(found - table.names.begin()));
      continue;
    }
    if (!unnamed || table.names.size() != wanted.size())
      fail<DataError>(
          "{}the data lack column '{}'{}; the model wants {} columns", place, wanted[i],
          unnamed && table.names.size() > wanted.size()
              ? fmt::format(", since {} columns without names may be any: cut what is not the "
                            "model's, as weights, or take a file with names",
                            table.names.size())
              : name_hint(wanted[i], table.file_names.empty() ? table.names : table.file_names),
          wanted.size());
    numbers.resize(wanted.size());
    std::iota(numbers.begin(), numbers.end(), std::size_t{0});
    break;
  }
  ModelRows result;
  result.rows = table.rows;
  std::vector<ColumnReader> readers;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    static const ColumnOptions plain;
    const bool context = i >= features;
    const auto& columns = context ? model.context_columns : model.columns;
    readers.emplace_back(table, numbers[i],
                         columns.empty() ? plain : columns[context ? i - features : i]);
  }
  result.x.reserve(static_cast<std::size_t>(table.rows) * features);
  result.context.reserve(static_cast<std::size_t>(table.rows) * (numbers.size() - features));
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const double value = readers[i](static_cast<std::size_t>(row));
      const bool may_be_missing = i < features && !model.columns.empty() &&
                                  (model.columns[i].missing || !model.flow.species.empty());
      if (!std::isfinite(value) && !(std::isnan(value) && may_be_missing))
        fail<DataError>(
            "{}row {}, column '{}': the value is {}; expected a finite number: remove the row or "
            "fill the value in",
            place, row + 1, table.names[numbers[i]], value);
      (i < features ? result.x : result.context).push_back(value);
    }
  require_known_texts(model.context_columns, result.context);
  if (with_x && !model.flow.species.empty()) clear_absent(result, model);
  if (with_x) result.unkept = unkept_text(table, model, result);
  return result;
}

}  // namespace thalweg

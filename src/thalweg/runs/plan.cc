#include "thalweg/runs/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/objectives/kinds.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/stack_fit.h"

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
  // An energy is of the columns by name, unless the points are a plain array.
  std::vector<std::string> names;
  for (const ColumnOptions& column : options.model.columns) names.push_back(column.name);
  if (!options.target.energy.empty() && options.target.variables.empty() &&
      names != default_names(options.model.features))
    options.target.variables = names;
  std::shared_ptr<const Target> target =
      target_for_model(make_target(options.target), options.model);
  if (target->features() != options.model.features)
    fail<ConfigError>("{}: expected points of {} columns, as the energy has, got {}",
                      options.data.path, target->features(), options.model.features);
  return target;
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
    plan.data = load_prepared_data(options.data, static_cast<std::uint64_t>(options.training.seed),
                                   reading);
    choose(plan);
    if (options.data.particles > 0) options.model.base.dimensions = options.data.particles;
    fit_model_to_data(options.model, *plan.data);
    if (needs_target(options) || has_target(options.target))
      plan.target = target_beside_data(options);
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
  return suits_stack(data) && std::none_of(layers.keys.begin(), layers.keys.end(), of_flow);
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

}  // namespace

RunPlan plan_run(const RunRequest& request) {
  SettingsLayers layers = read_layers(request);
  const bool of_particles = wants_particles(layers);
  if (of_particles) settle_particles(layers.asked);
  RunPlan plan{
      .options = layers.asked, .out = layers.out, .resume = request.resume, .force = request.force};
  load_and_fit(plan, request.reading, [&](RunPlan& loaded) {
    RunOptions suggested = layers.start;
    suggested.data = layers.asked.data;
    suggested.model.stochastic = layers.asked.model.stochastic;
    if (loaded.data && layers.for_data) {
      choose_for_data(suggested, *loaded.data);
      if (wants_stack(layers, *loaded.data)) choose_stack(suggested);
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
  });
  return plan;
}

void settle_particles(RunOptions& options) {
  DataOptions& data = options.data;
  if (data.path.empty()) return;
  if (data.particles == 0) data.particles = options.model.base.dimensions;
  data.find_derived = data.marginal_maps = false;
}

bool needs_target(const RunOptions& options) {
  const ObjectiveKind& objective = objective_of(options);
  return (objective.needs_rows && objective.needs_target) ||
         moves_by_target(options.model.stochastic);
}

void fit_model_to_data(ModelOptions& model, const PreparedData& data) {
  model.features = data.features();
  model.context_features = data.context_features();
  model.columns = data.columns;
  model.derived = data.derived;
  model.context_columns = data.context_columns;
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
  for (std::int64_t row = first; row < first + count; ++row) {
    const auto begin = condition.begin() + row % given * width;
    rows.insert(rows.end(), begin, begin + width);
  }
  return rows;
}

ModelRows rows_for_model(const Table& table, const ModelOptions& model, bool with_x) {
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
          "the data lack column '{}'{}; the model wants {} columns", wanted[i],
          name_hint(wanted[i], table.file_names.empty() ? table.names : table.file_names),
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
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const double value = readers[i](static_cast<std::size_t>(row));
      const bool may_be_missing =
          i < features && !model.columns.empty() && model.columns[i].missing;
      if (!std::isfinite(value) && !(std::isnan(value) && may_be_missing))
        fail<DataError>(
            "row {}, column '{}': the value is {}; expected a finite number: remove the row or "
            "fill the value in",
            row + 1, table.names[numbers[i]], value);
      (i < features ? result.x : result.context).push_back(value);
    }
  require_known_texts(model.context_columns, result.context);
  return result;
}

void choose_for_data(RunOptions& options, const PreparedData& data) {
  const auto rows = static_cast<std::int64_t>(data.train.size());
  const std::int64_t features = data.features();
  FlowOptions& flow = options.model.flow;
  BaseOptions& base = options.model.base;
  TrainingOptions& training = options.training;
  const std::int64_t width = rows < 20000 ? 64 : 128;
  flow.hidden = {width, width};
  // Splines keep their slopes within bounds, which affine couplings do not on heavy tails.
  flow.kind = features == 1 ? "elementwise_spline" : "spline";
  flow.blocks = features == 1 ? 3 : 6;
  flow.bins = features == 1 ? 16 : 8;
  flow.permutation = "lu";
  const bool periodic = std::any_of(data.columns.begin(), data.columns.end(),
                                    [](const ColumnOptions& column) { return column.periodic; });
  if (periodic) {  // What angles can pass through.
    flow.permutation = "swap";
    flow.act_norm = false;
    base.kind = "normal";
  }
  // A learned rejection pays where gaps between modes are wide against the number of columns;
  // stochastic layers bridge them otherwise, and want a base without a rejection step.
  if (features <= 16 && !periodic && options.model.stochastic.kinds.empty()) {
    base.kind = "resampled";
    base.hidden = {width, width};
  }
  // Heads start from a regression on the condition, however narrow what it leaves is.
  if (data.context_features() > 0 && features > 1 && !periodic &&
      options.model.stochastic.kinds.empty())
    flow.heads = true;
  // Categories want conditional masses, which only heads have.
  const auto category = [](const ColumnOptions& column) { return column.is_category(); };
  if (std::ranges::any_of(data.columns, category) && options.model.stochastic.kinds.empty()) {
    flow.kind = "none";
    flow.blocks = 1;
    flow.act_norm = false;
    flow.heads = true;
    base.kind = "normal";
  }
  training.batch_size = std::clamp<std::int64_t>(rows / 8, 64, rows < 100000 ? 512 : 1024);
  // A hundred passes, within what takes minutes.
  training.iterations = std::clamp<std::int64_t>(
      100 * rows / training.batch_size, features <= 3 ? 8000 : 4000, features <= 20 ? 10000 : 6000);
  training.schedule = "cosine";
  training.warm_up = 200;
  training.final_factor = 0.01;
  training.clip_norm = 10.0;
  training.weight_decay = 1e-5;
  training.weight_average = 0.99;
  training.validation_interval = 100;
  training.patience = 12;
}

namespace {

/// What flows of one layer with networks of their own have in common.
void choose_for_one_layer(RunOptions& options) {
  FlowOptions& flow = options.model.flow;
  TrainingOptions& training = options.training;
  flow.blocks = 1;
  flow.act_norm = false;
  flow.network = "residual";
  flow.hidden = {128};
  flow.network_blocks = 3;
  flow.activation = "silu";
  options.model.base.kind = "normal";
  training.learning_rate = 1e-3;
  training.schedule = "cosine";
  training.warm_up = 200;
  training.final_factor = 0.01;
  training.clip_norm = 1.0;
  training.weight_average = 0.99;
}

}  // namespace

void choose_for_free_form(RunOptions& options) {
  choose_for_one_layer(options);
  options.model.flow.kind = "free_form";
  options.training.objective = "free_form";
  options.training.reconstruction_weight = 10.0;
}

void choose_for_continuous(RunOptions& options) {
  choose_for_one_layer(options);
  options.model.flow.kind = "continuous";
  options.model.flow.heads = false;
  options.training.objective = "flow_matching";
  options.training.weight_average = 0.999;
  // An exact density takes a Jacobian at each of many times.
  options.training.validation_rows = 500;
  options.training.validation_interval = 500;
}

void choose_for_particles(RunOptions& options) {
  FlowOptions& flow = options.model.flow;
  TrainingOptions& training = options.training;
  flow.network = "equivariant";
  flow.hidden = {64};
  flow.network_blocks = options.model.base.dimensions > 2 ? 8 : 20;
  options.model.base.kind = "mean_free_normal";
  options.data.find_derived = options.data.marginal_maps = false;
  training.reconstruction_weight = options.model.base.dimensions > 2 ? 200.0 : 10.0;
  training.batch_size = 256;
  // Exact densities take a Jacobian of the graph network or more, continuous flows many.
  const bool continuous = flow.kind == "continuous";
  training.validation_rows = continuous ? 20 : 250;
  training.validation_interval = continuous ? 2000 : 500;
}

void choose_for_energy(RunOptions& options, std::int64_t features, bool explored) {
  FlowOptions& flow = options.model.flow;
  BaseOptions& base = options.model.base;
  TrainingOptions& training = options.training;
  flow.kind = features == 1 ? "elementwise_spline" : "real_nvp";
  flow.blocks = features == 1 ? 3 : 8;
  flow.bins = 16;
  flow.hidden = {64, 64};
  const bool periodic = !options.data.periodic.empty();
  if (periodic) {  // What angles can pass through.
    if (features > 1) flow.kind = "spline";
    flow.permutation = "swap";
    flow.act_norm = false;
  }
  if (explored) {
    // Columns are standardised and the base starts at the modes: ActNorm has nothing to add.
    flow.act_norm = false;
    options.exploration.evaluations = 5000000;
    training.objective = "mixed";
    training.iterations = 2000;
    training.likelihood_steps = 500;
  } else {
    if (features <= 16 && !periodic && options.model.stochastic.kinds.empty()) {
      base.kind = "resampled";
      base.hidden = {64, 64};
    }
    training.objective = "reverse_kl";
    training.iterations = 6000;
  }
  training.precision = "double";
  training.batch_size = 512;
  training.schedule = "cosine";
  training.warm_up = 200;
  training.final_factor = 0.01;
  training.clip_norm = 10.0;
}

}  // namespace thalweg

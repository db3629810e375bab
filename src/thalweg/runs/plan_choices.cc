// What is chosen for a run where nobody says otherwise.
#include <algorithm>

#include "thalweg/runs/plan.h"

namespace thalweg {

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
  const auto angles = std::ranges::count_if(
      data.columns, [](const ColumnOptions& column) { return column.periodic; });
  const bool periodic = angles > 0;
  if (periodic) {  // What angles can pass through.
    if (features - angles < 2) flow.permutation = "swap";
    flow.act_norm = false;
    base.kind = "normal";
  }
  // A learned rejection pays where gaps between modes are wide against the number of columns;
  // stochastic layers bridge them otherwise, and want a base without a rejection step.
  if (features <= 16 && angles < features && options.model.stochastic.kinds.empty()) {
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

void choose_for_smooth(RunOptions& options) {
  FlowOptions& flow = options.model.flow;
  flow.activation = "silu";
  const bool bounded = is_on_unit_interval(options.model);
  // Categories want masses, which no map of the line has.
  if (bounded || std::ranges::none_of(options.model.columns, &ColumnOptions::is_category))
    flow.heads = false;
  options.model.base.kind = "normal";
  options.data.marginal_maps = false;
  if (!bounded) return;
  flow.permutation = "swap";
  flow.act_norm = false;
  options.model.base.kind = "uniform";
}

void choose_for_molecule(RunOptions& options, bool with_forces) {
  FlowOptions& flow = options.model.flow;
  TrainingOptions& training = options.training;
  flow.blocks = 8;
  flow.hidden = {64, 64};
  flow.permutation = "swap";
  flow.act_norm = flow.heads = false;
  options.model.base.kind = "normal";
  training.learning_rate = 1e-3;
  training.batch_size = std::min<std::int64_t>(training.batch_size, 256);
  training.iterations = 20000;
  if (!with_forces) return;
  flow.kind = "smooth";
  choose_for_smooth(options);
  // Of the mean over positions, as Koehler, Kraemer, Noe 2021 weigh it, where the loss has a sum.
  training.force_weight = 0.001 / (3.0 * static_cast<double>(options.model.molecule.rows.size()));
}

void choose_for_particles(RunOptions& options) {
  FlowOptions& flow = options.model.flow;
  TrainingOptions& training = options.training;
  flow.network = "equivariant";
  flow.heads = flow.act_norm = false;
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

#include "thalweg/runs/stack_candidates.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "thalweg/core/error.h"
#include "thalweg/flows/model.h"
#include "thalweg/flows/stack_members.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

using Rows = std::span<const double>;

/// What tells the two flows apart.
struct FlowRecipe {
  const char* name;
  double noise;  ///< deviation of fresh normal noise on the rows to learn from
  double dropout, weight_decay;
  bool heads = false;  ///< a layer of heads in place of couplings
};

/// Starts the linear map next to the data as the one that whitens, so that the flow starts as the
/// fitted Gaussian.
void start_whitened(Model& model, Rows rows) {
  const std::int64_t features = model.options().features;
  if (features == 1) return;
  ParameterStore& parameters = model.parameters();
  const std::string name = fmt::format("flow.{}.linear", model.options().flow.blocks - 1);
  const std::vector<double> upper = whitening_factor(rows, features);
  const auto factors = parameters.values(parameters.find(name + ".factors"));
  const auto bias = parameters.values(parameters.find(name + ".bias"));
  const auto width = static_cast<std::size_t>(features);
  std::vector<double> mean(width, 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i)
    mean[i % width] += rows[i] / (static_cast<double>(rows.size()) / static_cast<double>(width));
  for (std::size_t i = 0; i < width; ++i) {
    bias[i] = 0.0;
    for (std::size_t j = 0; j < width; ++j) {
      factors[i * width + j] = j > i    ? upper[i * width + j]
                               : j == i ? std::log(upper[i * width + i])
                                        : 0.0;
      bias[i] -= upper[i * width + j] * mean[j];
    }
  }
}

CandidateFit train_flow(const FlowRecipe& recipe, const BaseOptions& base,
                        const std::vector<ColumnHead>& heads, double seconds,
                        const std::function<bool()>& interrupted, const FoldRows& fold,
                        std::uint64_t seed) {
  const std::int64_t features = std::ssize(heads);
  ModelOptions options;
  options.features = features;
  options.flow = small_flow_options(base, features);
  if (recipe.heads) {
    options.heads = heads;
    options.flow.kind = "none";
    options.flow.blocks = 1;
    options.flow.heads = true;
  }
  options.flow.dropout = recipe.dropout;
  Model model(options, seed);
  if (!recipe.heads) start_whitened(model, fold.fitted);
  const auto width = static_cast<std::uint64_t>(features);
  const std::uint64_t rows = fold.fitted.size() / width;
  TrainingData data;
  data.validation_rows = fold.left_out;
  data.generator = [&](std::uint64_t first, std::int64_t count, double* out) {
    for (std::uint64_t sample = first; sample < first + static_cast<std::uint64_t>(count);
         ++sample) {
      RandomSequence random(seed, Stream::kTarget, sample);
      for (std::uint64_t i = 0; i < width; ++i)
        *out++ = fold.fitted[sample % rows * width + i] +
                 (recipe.noise > 0.0 && !(recipe.heads && heads[i].has_cells())
                      ? recipe.noise * random.normal()
                      : 0.0);
    }
  };
  TrainingOptions training;
  training.iterations = 800;
  training.batch_size = std::clamp<std::int64_t>(static_cast<std::int64_t>(rows), 32, 128);
  training.optimizer = "adamw";
  training.weight_decay = recipe.weight_decay;
  training.learning_rate = 2e-3;
  training.schedule = "cosine";
  training.warm_up = 50;
  training.clip_norm = 10.0;
  training.weight_average = 0.98;
  training.validation_interval = 40;
  training.patience = 5;
  training.checkpoint_interval = 0;
  training.seed = static_cast<std::int64_t>(seed);
  training.time_budget = seconds;
  training.initialise_from_data = recipe.heads;
  ThreadPool alone(1);  // Folds are what runs side by side.
  Trainer trainer(model, data, training, alone);
  trainer.run(
      {.progress = [&](const TrainingProgress&) { return !(interrupted && interrupted()); }});
  CandidateFit result;
  FittedFlow flow;
  for (const ParameterInfo& info : model.parameters().infos()) {
    const auto values = model.parameters().values(model.parameters().find(info.name));
    flow.tensors.emplace_back(info.name, std::vector<double>(values.begin(), values.end()));
  }
  result.density = std::move(flow);
  result.log_densities = DensityEvaluator(model, alone, Precision::kDouble).log_prob(fold.left_out);
  return result;
}

/// A candidate that is a mixture of normals, or a kernel estimate.
template <typename Fit>
StackCandidate plain(std::string name, const char* kind, bool refitted, Fit fit) {
  return {std::move(name), kind, refitted, [fit](const FoldRows& fold, std::uint64_t seed) {
            auto density = fit(fold.fitted, seed);
            CandidateFit result;
            if (!fold.left_out.empty()) result.log_densities = density.log_prob(fold.left_out);
            result.density = std::move(density);
            return result;
          }};
}

void add_mixtures(std::vector<StackCandidate>& candidates, std::int64_t rows,
                  std::int64_t features) {
  // Ridges as shares of the columns' variances, those of whitened rows of the whole cloud's.
  struct Family {
    const char* name;
    bool whitened, diagonal;
    double ridge;
  };
  constexpr Family kFamilies[] = {{"full", false, false, 1e-6},
                                  {"diagonal", false, true, 1e-3},
                                  {"whitened", true, false, 0.02},
                                  {"whitened diagonal", true, true, 0.01}};
  for (const Family& family : kFamilies) {
    if (features == 1 && (family.whitened || family.diagonal)) continue;
    for (const std::int64_t components : {2, 3, 4, 5, 6, 8, 10, 13, 16, 20}) {
      // Two rows for each number of a component, or for its mean and deviations.
      const std::int64_t needed = family.diagonal ? 6 : 2 * features + 2;
      if (components * needed > rows) break;
      GaussianMixtureFitOptions options;
      options.components = components;
      options.diagonal = family.diagonal;
      options.regularisation = family.ridge;
      options.tolerance = 1e-4;
      options.iterations = 100;
      candidates.push_back(
          plain(fmt::format("mixture of {}, {}", components, family.name), kNormalsMember, false,
                [=](Rows fitted, std::uint64_t seed) {
                  return family.whitened ? fit_whitened_mixture(fitted, features, options, seed)
                                         : fit_gaussian_mixture(fitted, features, options, seed);
                }));
    }
  }
}

}  // namespace

std::vector<StackCandidate> stack_candidates(std::int64_t rows, std::int64_t features,
                                             const BaseOptions& base,
                                             const std::vector<ColumnHead>& heads, double seconds,
                                             const std::function<bool()>& interrupted) {
  std::vector<StackCandidate> candidates;
  // The longest tasks first, so that threads end together.
  std::vector<FlowRecipe> recipes = {{"flow", 0.0, 0.0, 0.0}, {"flow with noise", 0.3, 0.2, 0.05}};
  if (std::ranges::any_of(heads, &ColumnHead::has_cells))
    recipes = {{"heads", 0.0, 0.2, 0.05, true}, {"heads with noise", 0.3, 0.3, 0.3, true}};
  for (const FlowRecipe& recipe : recipes)
    candidates.push_back({recipe.name, recipe.heads ? kHeadsMember : kFlowsMember, false,
                          [=](const FoldRows& fold, std::uint64_t seed) {
                            return train_flow(recipe, base, heads, seconds, interrupted, fold,
                                              seed);
                          }});
  add_mixtures(candidates, rows, features);
  candidates.push_back(
      plain("Gaussian", kNormalsMember, false, [=](Rows fitted, std::uint64_t seed) {
        return fit_gaussian_mixture(fitted, features, {.components = 1}, seed);
      }));
  if (features > 1)
    candidates.push_back(
        plain("Gaussian, shrunk", kNormalsMember, false,
              [=](Rows fitted, std::uint64_t) { return fit_shrunk_gaussian(fitted, features); }));
  candidates.push_back(plain("elliptical", kNormalsMember, false, [=](Rows fitted, std::uint64_t) {
    return fit_elliptical(fitted, features);
  }));
  candidates.push_back(
      plain("kernel estimate", kKernelMember, true,
            [=](Rows fitted, std::uint64_t) { return fit_kernel_density(fitted, features); }));
  return candidates;
}

}  // namespace thalweg

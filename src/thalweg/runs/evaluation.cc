#include "thalweg/runs/evaluation.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/engine/program.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/gaussian_mixture_fit.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/metrics/model_check.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/sampler_metrics.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

constexpr std::int64_t kTargetSamples = 20000;

/// Mean and its standard error.
Metric mean_of(std::string name, std::string label, const std::vector<double>& values) {
  double mean = 0.0, square = 0.0;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) mean += value / count;
  for (const double value : values) square += (value - mean) * (value - mean);
  const double error = values.size() > 1 ? std::sqrt(square / count / (count - 1.0)) : 0.0;
  return {std::move(name), std::move(label), mean, error};
}

/// Columns of the context before those of x.
std::vector<double> joined(const std::vector<double>& context, std::int64_t context_features,
                           const std::vector<double>& x, std::int64_t features) {
  if (context_features == 0) return x;
  std::vector<double> result;
  for (std::size_t row = 0; row < x.size() / static_cast<std::size_t>(features); ++row) {
    const auto given = context.begin() + static_cast<std::ptrdiff_t>(row) * context_features;
    const auto point = x.begin() + static_cast<std::ptrdiff_t>(row) * features;
    result.insert(result.end(), given, given + context_features);
    result.insert(result.end(), point, point + features);
  }
  return result;
}

std::vector<Metric> baselines(const PreparedData& data, const HeldOut& points, std::int64_t seed) {
  const std::int64_t features = data.features(), given = data.context_features();
  std::vector<double> train = take_rows(data.x, features, data.train);
  dequantise(train, data.columns, static_cast<std::uint64_t>(seed));
  const std::vector<double> joint_train =
      joined(take_rows(data.context, given, data.train), given, train, features);
  const std::vector<double> joint_test = joined(points.context, given, points.x, features);
  std::vector<Metric> metrics;
  for (const std::int64_t components : {1, 10}) {
    GaussianMixtureFitOptions options;
    options.components = components;
    // Of wide and long tables, few iterations take a minute and come near enough.
    const double sweep = static_cast<double>(std::min<std::int64_t>(
                             options.maximum_rows, static_cast<std::int64_t>(data.train.size()))) *
                         static_cast<double>((features + given) * (features + given));
    options.iterations = static_cast<std::int64_t>(std::clamp(8e9 / sweep, 20.0, 200.0));
    const FittedGaussianMixture fit = fit_gaussian_mixture(joint_train, features + given, options,
                                                           static_cast<std::uint64_t>(seed));
    std::vector<double> values = fit.log_prob(joint_test);
    if (given > 0) {
      const std::vector<double> marginal = fit.leading(given).log_prob(points.context);
      for (std::size_t row = 0; row < values.size(); ++row) values[row] -= marginal[row];
    }
    metrics.push_back(components == 1 ? mean_of("gaussian", "fitted Gaussian", values)
                                      : mean_of("mixture", "mixture of 10 Gaussians", values));
  }
  return metrics;
}

/// Normal proposals three times as wide as the samples, with their log densities: what meets modes
/// that a model has lost.
struct WideProposal {
  std::vector<double> mean, deviation;

  WideProposal(const std::vector<double>& x, std::int64_t features, double half_width) {
    const auto rows = static_cast<double>(x.size()) / static_cast<double>(features);
    for (std::int64_t column = 0; column < features; ++column) {
      double sum = 0.0, squares = 0.0;
      for (auto i = static_cast<std::size_t>(column); i < x.size();
           i += static_cast<std::size_t>(features)) {
        sum += x[i];
        squares += x[i] * x[i];
      }
      mean.push_back(sum / rows);
      const double variance = squares / rows - mean.back() * mean.back();
      deviation.push_back(std::max(3.0 * std::sqrt(std::max(variance, 0.0)), half_width));
    }
  }

  std::vector<double> draw(std::int64_t count, std::uint64_t seed) const {
    std::vector<double> x;
    for (std::int64_t row = 0; row < count; ++row) {
      RandomSequence random(seed, Stream::kEvaluation, static_cast<std::uint64_t>(row));
      for (std::size_t i = 0; i < mean.size(); ++i)
        x.push_back(mean[i] + deviation[i] * random.normal());
    }
    return x;
  }

  double log_prob(const double* x) const {
    double result = 0.0;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      const double z = (x[i] - mean[i]) / deviation[i];
      result -= 0.5 * z * z + std::log(deviation[i]) + 0.5 * std::log(2.0 * std::numbers::pi);
    }
    return result;
  }
};

std::vector<double> difference(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

/// Share of the target's mass that the model misses: from exact samples where there are any, else
/// from samples of the model and of a wide proposal; none where too few of these count.
std::optional<Metric> missed_metric(const WeightedSamples& samples, const Target& target,
                                    const RowFunction& truth, DensityEvaluator& evaluator,
                                    std::uint64_t seed) {
  const std::int64_t features = target.features();
  std::vector<double> x, log_target, log_model, log_weights;
  double log_integral = 0.0;
  if (target.can_sample() && target.log_normaliser()) {
    x = target_samples(target, seed, Stream::kEvaluation, 0, kTargetSamples);
    log_target = truth(x);
    log_model = evaluator.log_prob(x);
    log_weights.assign(log_target.size(), 0.0);
    log_integral = *target.log_normaliser();
  } else {
    const WideProposal wide(samples.x, features, target.half_width());
    x = wide.draw(static_cast<std::int64_t>(samples.log_model.size()), seed);
    log_target = truth(x);
    log_model = evaluator.log_prob(x);
    x.insert(x.end(), samples.x.begin(), samples.x.end());
    log_target.insert(log_target.end(), samples.log_target.begin(), samples.log_target.end());
    log_model.insert(log_model.end(), samples.log_model.begin(), samples.log_model.end());
    for (std::size_t row = 0; row < log_model.size(); ++row) {
      const double other = wide.log_prob(x.data() + row * static_cast<std::size_t>(features));
      const double larger = std::max(other, log_model[row]);
      const double mixture = larger + std::log(0.5 * std::exp(other - larger) +
                                               0.5 * std::exp(log_model[row] - larger));
      log_weights.push_back(log_target[row] - mixture);
    }
    constexpr double kFewest = 200.0;  // effective samples
    const ImportanceEstimate estimate = importance_estimate(log_weights);
    if (estimate.effective_share * static_cast<double>(log_weights.size()) < kFewest)
      return std::nullopt;
    log_integral = estimate.log_integral;
  }
  return Metric{"missed_share", "share of the target that is missed",
                missed_share(log_weights, log_target, log_model, log_integral), 0.0, 4};
}

/// What some samples of the model say beside as many exact ones, whose own metrics are the floor.
std::vector<Metric> sample_check_metrics(const LoadedRun& run,
                                         const std::shared_ptr<const Target>& target,
                                         ThreadPool& pool) {
  const SamplerRequest request{.samples = 2000};  // half a second's work
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  const std::vector<double> x =
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(request.samples);
  if (!std::all_of(x.begin(), x.end(), [](double value) { return std::isfinite(value); }))
    return {};
  const std::vector<Metric> model = sample_metrics(x, target, request, seed, pool);
  const std::vector<Metric> exact =
      sample_metrics(true_samples(*target, request, seed), target, request, seed, pool);
  std::vector<Metric> metrics;
  for (const auto& [name, label] :
       {std::pair{"sample_kl", "KL(model || target) by neighbours"},
        std::pair{"off_modes", "samples outside of 97.5 % regions"},
        std::pair{"sample_ks_justel", "KS in the plane, from the density"}})
    for (std::size_t i = 0; i < model.size(); ++i) {
      if (model[i].name != name) continue;
      metrics.push_back({name, label, model[i].value, 0.0, 4});
      metrics.push_back(
          {std::string(name) + "_floor", "  of exact samples", exact[i].value, 0.0, 4});
    }
  return metrics;
}

/// Mean and variance of the target's columns, from weighted samples of the model; of the first
/// columns where there are many.
std::vector<Metric> moment_metrics(const WeightedSamples& samples, const ModelOptions& model) {
  constexpr std::int64_t kColumns = 8;
  const std::vector<std::string> names = [&] {
    std::vector<std::string> result;
    for (const ColumnOptions& column : model.columns) result.push_back(column.name);
    return result.empty() ? default_names(model.features) : result;
  }();
  const std::vector<double> log_weights = samples.log_weights();
  std::vector<Metric> metrics;
  for (std::int64_t column = 0; column < std::min(kColumns, model.features); ++column) {
    const auto number = static_cast<std::size_t>(column);
    if (!model.columns.empty() && model.columns[number].periodic) continue;
    std::vector<double> values;
    for (std::size_t i = number; i < samples.x.size();
         i += static_cast<std::size_t>(model.features))
      values.push_back(samples.x[i]);
    const WeightedMean mean = weighted_mean(log_weights, values);
    for (double& value : values) value = (value - mean.value) * (value - mean.value);
    const WeightedMean variance = weighted_mean(log_weights, values);
    const std::string& name = names[number];
    metrics.push_back({"mean_" + name, "mean of " + name + ", reweighted", mean.value, mean.error});
    metrics.push_back({"variance_" + name, "variance of " + name + ", reweighted", variance.value,
                       variance.error});
  }
  return metrics;
}

/// Whether Stimper et al. 2022 published their metric on a grid for a target.
bool published_grid(const std::string& target) {
  return target == "dual_moon" || target == "circle_of_gaussians" || target == "two_rings";
}

/// What is known from the target's density alone.
std::vector<Metric> energy_metrics(const LoadedRun& run,
                                   const std::shared_ptr<const Target>& target,
                                   DensityEvaluator& evaluator, ThreadPool& pool) {
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  const WeightedSamples samples = weighted_samples(run, target, kTargetSamples, seed, pool);
  std::vector<Metric> metrics;
  const std::vector<double> log_weights = samples.log_weights();
  if (!std::all_of(log_weights.begin(), log_weights.end(),
                   [](double value) { return value < INFINITY; })) {
    metrics.push_back({"effective_share", "effective share of samples", 0.0});
    return metrics;
  }
  const ImportanceEstimate estimate = importance_estimate(log_weights);
  metrics.push_back({"effective_share", "effective share of samples", estimate.effective_share});
  metrics.push_back({"pareto_k", "Pareto k of the weights", pareto_shape(log_weights), 0.0, 3});
  metrics.push_back({"log_integral", "log integral of exp(-energy)", estimate.log_integral,
                     log_integral_error(estimate, *run.model)});
  const bool stochastic = run.model->flow().stochastic();
  Metric reverse =
      mean_of("reverse_kl_nats",
              stochastic ? "KL(model || target) of paths, nats" : "KL(model || target), nats",
              difference(samples.log_model, samples.log_target));
  reverse.value += target->log_normaliser().value_or(estimate.log_integral);
  metrics.push_back(reverse);
  const auto& columns = run.options.model.columns;
  for (Metric& metric : moment_metrics(samples, run.options.model))
    metrics.push_back(std::move(metric));
  // A density that is an estimate says too little where it is small.
  if (stochastic) return metrics;
  // A wide proposal leaves bounds, where the model has no density, and meets a circle many times.
  if (std::any_of(columns.begin(), columns.end(), [](const ColumnOptions& column) {
        return std::isfinite(column.lower) || std::isfinite(column.upper);
      }))
    return metrics;
  const RowFunction truth = target_log_density(target, pool);
  if (const auto missed = missed_metric(samples, *target, truth, evaluator, seed))
    metrics.push_back(*missed);
  return metrics;
}

}  // namespace

std::vector<double> WeightedSamples::log_weights() const {
  return difference(log_target, log_model);
}

WeightedSamples weighted_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                                 std::int64_t count, std::uint64_t seed, ThreadPool& pool) {
  WeightedSamples samples;
  samples.x =
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(count, {}, &samples.log_model);
  samples.log_target = target_log_density(target, pool)(samples.x);
  return samples;
}

std::optional<PreparedData> load_run_data(const LoadedRun& run) {
  const RunOptions& options = run.options;
  if (options.data.path.empty()) return std::nullopt;
  PreparedData data =
      load_prepared_data(options.data, static_cast<std::uint64_t>(options.training.seed));
  // The hashes of an energy library or a picture follow.
  if (!run.manifest.data_hash.starts_with(points_hash(data)))
    fail<DataError>(
        "{}: the data have changed since {} was trained, so that its test rows are not known any "
        "more: put them back, or train anew",
        options.data.path, run.folder.path);
  return data;
}

std::string points_hash(const PreparedData& data) {
  const auto bytes = [](const std::vector<double>& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()),
                            values.size() * sizeof(double));
  };
  return content_hash(bytes(data.x)) + content_hash(bytes(data.context));
}

RowFunction row_function(const ParameterStore& parameters, std::int64_t features,
                         const std::function<Value(Value)>& build, ThreadPool& pool) {
  Graph graph(parameters);
  const Value x = graph.input({features, 1});
  auto executor = std::make_shared<Executor<double>>(
      std::make_shared<Program<double>>(graph, std::vector<Value>{build(x)}), pool);
  return [=, &parameters](std::span<const double> rows) {
    const auto count = static_cast<std::int64_t>(rows.size()) / features;
    std::vector<double> result(static_cast<std::size_t>(count));
    const BatchInput<double> input{rows.data(), nullptr};
    double* const output = result.data();
    RunArguments<double> arguments;
    arguments.parameters = parameters.flat().data();
    arguments.inputs = {&input, 1};
    arguments.counts = {&count, 1};
    arguments.outputs = {&output, 1};
    executor->run(arguments);
    return result;
  };
}

RowFunction target_log_density(std::shared_ptr<const Target> target, ThreadPool& pool) {
  static const ParameterStore no_parameters;
  return row_function(
      no_parameters, target->features(), [&](Value x) { return target->log_density(x); }, pool);
}

std::vector<double> target_samples(const Target& target, std::uint64_t seed, Stream stream,
                                   std::uint64_t first, std::int64_t count) {
  std::vector<double> result;
  for (std::int64_t row = 0; row < count; ++row) {
    RandomSequence random(seed, stream, first + static_cast<std::uint64_t>(row));
    const std::vector<double> point = target.sample(random);
    result.insert(result.end(), point.begin(), point.end());
  }
  return result;
}

std::vector<double> usual_context(const LoadedRun& run) {
  const ClassTable& classes = run.model->classes();
  if (!classes.empty()) return {classes.context(0).begin(), classes.context(0).end()};
  std::vector<double> context;
  for (const ColumnOptions& column : run.options.model.context_columns)
    context.push_back(column.mean);
  return context;
}

HeldOut held_out_points(const LoadedRun& run, const std::string& file,
                        const std::optional<PreparedData>& data) {
  HeldOut points;
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  if (!file.empty()) {
    ModelRows rows = rows_for_model(load_table(file), run.options.model);
    points = {file, rows.rows, std::move(rows.x), std::move(rows.context)};
  } else if (data) {
    const auto& rows = data->test.empty() ? data->validation : data->test;
    if (rows.empty())
      fail<DataError>("the run kept no rows to test on; give some with --data FILE");
    points = {data->test.empty() ? "validation rows" : "test rows",
              static_cast<std::int64_t>(rows.size()), take_rows(data->x, data->features(), rows),
              take_rows(data->context, data->context_features(), rows)};
  } else {
    const auto target = make_target(run.options.target);
    if (!target->can_sample()) return {"samples of the model", 0, {}, {}};
    return {"fresh samples of " + target->name(),
            kTargetSamples,
            target_samples(*target, seed, Stream::kEvaluation, 0, kTargetSamples),
            {}};
  }
  // Another seed than in training, where noise of the same numbers meets other rows.
  dequantise(points.x, run.options.model.columns, seed + 1);
  return points;
}

std::vector<Metric> evaluate_run(const LoadedRun& run, const HeldOut& points,
                                 const std::optional<PreparedData>& data, ThreadPool& pool) {
  std::vector<Metric> metrics;
  const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
  const std::int64_t draws = run.options.importance_samples;
  const bool estimated = run.model->flow().stochastic();
  DensityEvaluator evaluator(*run.model, pool, Precision::kDouble, draws);
  if (points.rows > 0) {
    metrics.push_back(
        mean_of("log_likelihood",
                estimated ? fmt::format("this model, estimate of {} draws", draws) : "this model",
                evaluator.log_prob(points.x, points.context)));
    if (estimated && draws > 1)
      metrics.push_back(mean_of("log_likelihood_bound", "  its lower bound, of 1 draw",
                                DensityEvaluator(*run.model, pool, Precision::kDouble)
                                    .log_prob(points.x, points.context)));
  }
  if (data)
    for (Metric& metric : baselines(*data, points, run.options.training.seed))
      metrics.push_back(std::move(metric));
  if (const ResampledBase* base = run.model->resampled()) {
    const auto values = std::as_const(*run.model).parameters().values(base->normaliser());
    const auto errors = std::as_const(*run.model).parameters().values(base->normaliser_error());
    const auto count = static_cast<double>(values.size());
    double mean = 0.0, squares = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      mean += values[i] / count;
      squares += errors[i] * errors[i];
    }
    metrics.push_back({"normaliser", "Z of the resampled base", mean, std::sqrt(squares) / count});
    const ClassTable& classes = base->classes();
    for (std::int64_t number = 0; number < classes.count(); ++number) {
      const auto index = static_cast<std::size_t>(number);
      metrics.push_back({fmt::format("normaliser_{}", number + 1),
                         fmt::format("  of class {}", fmt::join(classes.context(number), ", ")),
                         values[index], errors[index]});
    }
  }
  std::shared_ptr<const Target> target;
  if (has_target(run.options.target)) target = make_target(run.options.target);
  if (target)
    for (Metric& metric : energy_metrics(run, target, evaluator, pool))
      metrics.push_back(std::move(metric));
  if (target && target->can_sample())
    for (Metric& metric : sample_check_metrics(run, target, pool))
      metrics.push_back(std::move(metric));
  if (target && run.model->flow().features() == 2) {
    const PlaneLogDensity model = [&](std::span<const double> x) { return evaluator.log_prob(x); };
    if (const auto log_normaliser = target->log_normaliser()) {
      const RowFunction truth = target_log_density(target, pool);
      const double half_width = std::max(3.0, target->half_width());
      const GridDivergence divergence = grid_divergence(truth, *log_normaliser, model, half_width);
      metrics.push_back({"kl_nats", "KL(target || model), nats", divergence.nats});
      if (published_grid(target->name())) {
        metrics.push_back({"kl_as_published", "KL as published", divergence.as_published});
        metrics.push_back(
            {"kl_published_floor", "  its value for an exact model", divergence.published_floor});
      }
      metrics.push_back({"kl_not_finite", "  grid points without a density",
                         static_cast<double>(divergence.non_finite), 0.0, 0});
      std::vector<double> log_target = truth(points.x);
      for (double& value : log_target) value -= *log_normaliser;
      metrics.insert(metrics.begin() + (estimated && draws > 1 ? 2 : 1),
                     mean_of("target_log_likelihood", "the target itself", log_target));
    }
    // The density of paths is an estimate, whose noise hides what a grid says.
    if (!run.options.model.stochastic.kinds.empty()) return metrics;
    // Of angles one turn; the density repeats.
    const auto& columns = run.options.model.columns;
    const bool turns = !columns.empty() && columns.front().periodic;
    // One draw of an estimated density has its mean, which is all that an integral takes.
    DensityEvaluator plain(*run.model, pool, Precision::kDouble);
    // Where an energy of the user's own has its mass, samples show.
    const GridIntegral integral =
        target->log_normaliser()
            ? grid_integral([&](std::span<const double> x) { return plain.log_prob(x); },
                            turns ? target->half_width() : 8.0, estimated ? 200 : 800)
            : density_integral(*run.model,
                               FlowSampler(*run.model, pool, seed, Precision::kDouble).next(10000),
                               {}, pool);
    metrics.push_back({"integral", "integral of the density", integral.value});
    metrics.push_back({"integral_not_finite", "  grid points where it is not finite",
                       static_cast<double>(integral.non_finite), 0.0, 0});
  }
  return metrics;
}

double log_integral_error(const ImportanceEstimate& estimate, const Model& model) {
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return estimate.log_integral_error;
  // An error of Z is one of every log density.
  return std::hypot(estimate.log_integral_error,
                    model.parameters().values(base->normaliser_error())[0] /
                        model.parameters().values(base->normaliser())[0]);
}

std::string warning_of(const std::vector<Metric>& metrics) {
  std::string text;
  for (const Metric& metric : metrics) {
    if (metric.name == "missed_share" && metric.value > 0.05)
      text += fmt::format(
          "warning: the model has next to no density on about {:.0f} % of the target's mass: modes "
          "seem to be lost; try more training.annealing_steps, base.kind=resampled or mixture, or "
          "another seed\n",
          100.0 * metric.value);
    if (metric.name == "pareto_k" && !(metric.value < 0.7))
      text += fmt::format(
          "warning: Pareto k of the weights is {:.2f}: above 0.7 the log integral and the "
          "reweighted means are not reliable; train longer, or choose another flow or base\n",
          metric.value);
  }
  return text;
}

std::string metrics_title(const HeldOut& points) {
  if (points.rows == 0) return "estimates from weighted samples of the model:";
  return fmt::format("mean log likelihood in nats over {} {}, and more:", points.rows,
                     points.source);
}

std::string metrics_text(const std::vector<Metric>& metrics) {
  std::string text;
  for (const Metric& metric : metrics)
    text +=
        fmt::format("  {:<34} {:>12}{}\n", metric.label, number_text(metric.value, metric.decimals),
                    metric.error > 0.0 ? " +- " + number_text(metric.error, 5) : "");
  return text;
}

}  // namespace thalweg

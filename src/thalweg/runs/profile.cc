#include "thalweg/runs/profile.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/metrics/free_energy_profile.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

using Edges = std::optional<std::pair<double, double>>;

std::vector<double> first_column(const std::vector<double>& rows, std::int64_t features) {
  std::vector<double> result;
  for (std::size_t i = 0; i < rows.size(); i += static_cast<std::size_t>(features))
    result.push_back(rows[i]);
  return result;
}

std::vector<FreeEnergyProfile> profiles(const ProfileSamples& samples, bool weighted,
                                        const ProfileRequest& request, const Edges& edges) {
  std::vector<FreeEnergyProfile> result;
  for (std::size_t repeat = 0; repeat < samples.x.size(); ++repeat)
    result.push_back(free_energy_profile(
        samples.x[repeat],
        weighted ? std::span<const double>(samples.log_weights[repeat]) : std::span<const double>(),
        request.bins, edges));
  return result;
}

/// The target's energy along its first axis.
std::function<double(double)> exact_energy(const std::shared_ptr<const Target>& target,
                                           ThreadPool& pool) {
  return [log_density = target_log_density(target, pool),
          features = static_cast<std::size_t>(target->features())](double x) {
    std::vector<double> point(features, 0.0);
    point[0] = x;
    return -log_density(point)[0];
  };
}

}  // namespace

ProfileSamples profile_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                               const ProfileRequest& request, ThreadPool& pool) {
  ProfileSamples result;
  FlowSampler sampler(*run.model, pool, static_cast<std::uint64_t>(run.options.training.seed),
                      Precision::kDouble);
  const RowFunction log_density = target_log_density(target, pool);
  for (std::int64_t repeat = 0; repeat < request.repeats; ++repeat) {
    std::vector<double> log_model;
    const std::vector<double> x = sampler.next(request.samples, {}, &log_model);
    std::vector<double> log_weights = log_density(x);
    for (std::size_t i = 0; i < log_weights.size(); ++i) log_weights[i] -= log_model[i];
    result.x.push_back(first_column(x, target->features()));
    result.log_weights.push_back(std::move(log_weights));
  }
  return result;
}

ProfileSamples true_profile_samples(const Target& target, const ProfileRequest& request,
                                    std::uint64_t seed) {
  ProfileSamples result;
  for (std::int64_t repeat = 0; repeat < request.repeats; ++repeat)
    result.x.push_back(first_column(
        target_samples(target, seed, Stream::kEvaluation,
                       static_cast<std::uint64_t>(repeat * request.samples), request.samples),
        target.features()));
  return result;
}

std::vector<Metric> profile_metrics(const ProfileSamples& samples,
                                    const std::shared_ptr<const Target>& target,
                                    const ProfileRequest& request, ThreadPool& pool) {
  const std::function<double(double)> exact = exact_energy(target, pool);
  std::vector<Metric> metrics;
  for (const bool fixed : {false, true})
    for (const bool weighted : {false, true}) {
      const Edges edges = fixed ? Edges({request.lower, request.upper}) : std::nullopt;
      const bool use = weighted && !samples.log_weights.empty();
      const ProfileError error =
          profile_error(profiles(samples, use, request, edges), exact, request.limit);
      const double deviation = fixed ? error.error_deviation : error.deviation;
      const std::string name = std::string(fixed ? "fixed_" : "") + (weighted ? "reweighted_" : "");
      const std::string label = fixed      ? weighted ? "fixed, reweighted: " : "fixed: "
                                : weighted ? "reweighted: "
                                           : "";
      metrics.push_back({name + "bias", label + "bias", error.bias});
      metrics.push_back({name + "deviation", label + "sqrt(var)", deviation});
      metrics.push_back(
          {name + "total", label + "sqrt(bias^2 + var)", std::hypot(error.bias, deviation)});
      if (fixed)
        metrics.push_back({name + "absolute", label + "mean absolute error", error.mean_absolute});
    }
  return metrics;
}

LineChart profile_chart(const ProfileSamples& samples, const std::shared_ptr<const Target>& target,
                        const ProfileRequest& request, ThreadPool& pool) {
  const std::function<double(double)> exact = exact_energy(target, pool);
  LineChart chart;
  chart.x_label = target->columns().empty() ? "x0" : target->columns().front();
  chart.y_label = "free energy, kT";
  LineSeries truth{.name = "exact", .colour = 3};
  constexpr int kPoints = 400;
  double least = INFINITY;
  for (int i = 0; i <= kPoints; ++i) {
    truth.x.push_back(request.lower + (request.upper - request.lower) * i / kPoints);
    truth.y.push_back(exact(truth.x.back()));
    least = std::min(least, truth.y.back());
  }
  for (double& value : truth.y) value -= least;
  chart.series.push_back(std::move(truth));
  for (const bool weighted : {false, true}) {
    const MeanProfile mean =
        mean_profile(profiles(samples, weighted, request, Edges({request.lower, request.upper})));
    // Moved to the truth as a whole: a free energy is known up to a constant.
    double shift = 0.0, count = 0.0;
    for (std::size_t bin = 0; bin < mean.values.size(); ++bin)
      if (!std::isnan(mean.values[bin]) && std::abs(mean.centres[bin]) < request.limit) {
        shift += exact(mean.centres[bin]) - least - mean.values[bin];
        count += 1.0;
      }
    const std::size_t colour = weighted ? 2 : 1;
    LineSeries middle{
        .name = weighted ? "reweighted" : "proposed", .x = mean.centres, .colour = colour};
    LineSeries above{.x = mean.centres, .style = LineStyle::kFaint, .colour = colour};
    LineSeries below = above;
    for (std::size_t bin = 0; bin < mean.values.size(); ++bin) {
      middle.y.push_back(mean.values[bin] + shift / count);
      above.y.push_back(middle.y.back() + mean.deviations[bin]);
      below.y.push_back(middle.y.back() - mean.deviations[bin]);
    }
    chart.series.push_back(std::move(middle));
    chart.series.push_back(std::move(above));
    chart.series.push_back(std::move(below));
  }
  return chart;
}

}  // namespace thalweg

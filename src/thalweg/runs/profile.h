// Free-energy profiles of runs along their first column, beside the exact one.
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/report/plot.h"
#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// How profiles are estimated. The exact one is the target's energy where all columns but the first
/// are 0: the free energy of targets whose first column is independent of the others.
struct ProfileRequest {
  std::int64_t repeats = 20;      ///< at least 2
  std::int64_t samples = 100000;  ///< a repeat
  std::int64_t bins = 30;
  double lower = -2.5, upper = 2.5;  ///< fixed edges
  double limit = 2.25;               ///< bins with centres within this of 0 are judged
};

/// The first column of repeated samples, with log weights to the target; without weights if they
/// are the target's own.
struct ProfileSamples {
  std::vector<std::vector<double>> x, log_weights;
};
ProfileSamples profile_samples(const LoadedRun& run, const std::shared_ptr<const Target>& target,
                               const ProfileRequest& request, ThreadPool& pool);
ProfileSamples true_profile_samples(const Target& target, const ProfileRequest& request,
                                    std::uint64_t seed);

/// Bias, deviation and their root sum of squares, not reweighted and reweighted: as published
/// (edges from the samples), and with fixed edges, where names begin with fixed_ and a mean
/// absolute error is beside them.
std::vector<Metric> profile_metrics(const ProfileSamples& samples,
                                    const std::shared_ptr<const Target>& target,
                                    const ProfileRequest& request, ThreadPool& pool);

/// Exact, proposed and reweighted free energy, the latter two with the deviations of one repeat.
LineChart profile_chart(const ProfileSamples& samples, const std::shared_ptr<const Target>& target,
                        const ProfileRequest& request, ThreadPool& pool);

}  // namespace thalweg

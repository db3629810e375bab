// Samples of runs in the plane, judged and drawn by their histograms.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/metrics/plane_histogram.h"
#include "thalweg/report/plot.h"
#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// How many samples are counted, in bins x bins squares over the square that holds the target.
struct HistogramRequest {
  std::int64_t samples = 500000;
  std::int64_t bins = 50;
};

/// Of a two-dimensional run's samples.
PlaneHistogram run_histogram(const LoadedRun& run, const Target& target,
                             const HistogramRequest& request, std::uint64_t seed, ThreadPool& pool);
/// Of exact samples.
PlaneHistogram true_histogram(const Target& target, const HistogramRequest& request,
                              std::uint64_t seed);

/// KL(target || samples) of the histograms, where the target's is that of its density.
std::vector<Metric> histogram_metrics(const PlaneHistogram& samples,
                                      const std::shared_ptr<const Target>& target,
                                      ThreadPool& pool);

/// A panel of densities: shares over the area of a bin.
Grid histogram_panel(std::string title, const PlaneHistogram& histogram);

}  // namespace thalweg

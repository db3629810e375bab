// Z of a resampled base, by many proposals.
#pragma once

#include <cstdint>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// Monte Carlo estimate of a resampled base's Z with its standard error.
struct NormaliserEstimate {
  double value = 1.0, standard_error = 0.0;
  std::int64_t samples = 0;
};

/// Estimates Z, of each class where there are classes, from `samples` proposals and stores values
/// and errors in the model's buffers, which from then on serve log_prob. A model without a
/// resampled base is left as it is and gives none. Throws ConfigError for samples < 2,
/// NumericalError for a Z that is no number in (0, 1].
std::vector<NormaliserEstimate> estimate_normaliser(Model& model, std::int64_t samples,
                                                    std::uint64_t seed, ThreadPool& pool,
                                                    Precision precision = Precision::kFloat);

}  // namespace thalweg

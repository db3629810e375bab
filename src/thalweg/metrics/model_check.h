// Whether a trained model is sound: an inverse that inverts, a density that is one, samples that
// are finite.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/grid_divergence.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {

enum class Verdict : std::uint8_t { kGood, kDoubtful, kBroken };

/// One property of a model, measured and judged.
struct Finding {
  std::string name;    ///< "round trip in double"
  double value = 0.0;  ///< what was measured
  std::string text;    ///< the value as people read it
  Verdict verdict = Verdict::kGood;
  std::string meaning;  ///< a sentence on what was measured and what the verdict rests on
};

/// Integral of the density of one or two columns over the box of `samples`, rows x columns, widened
/// to twice its size, within bounds: 1 unless the density is wrong, finer than the grid (200 000
/// cells, or 1000 x 1000, or as many as affordable_rows()) or reaches beyond. `context` as in
/// check_model. Throws ShapeError, and NumericalError where no sample is finite.
GridIntegral density_integral(DensityEvaluator& evaluator, const std::vector<double>& samples,
                              std::span<const double> context);

/// Examines a model at `rows` of its own samples (0: 8192, or as many as some eight densities of
/// each are affordable, at least 16), drawn and judged in `precision`: round trip, in float only
/// where that is the precision, log-determinant against a numerical Jacobian, integral of the
/// density (one or two columns, no random moves), share of samples and densities that are not
/// finite, densities in boxes up to 64 times as wide, and what the resampled base costs. `context`
/// is one row of the condition; empty where the model has none. Changes nothing. Throws ShapeError.
std::vector<Finding> check_model(const Model& model, std::span<const double> context,
                                 std::int64_t rows, std::uint64_t seed, ThreadPool& pool,
                                 Precision precision = Precision::kFloat);

}  // namespace thalweg

// The candidates of a stack: each can be fitted to rows, in the coordinates between the columns'
// maps and the base.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/metrics/small_table_fits.h"
#include "thalweg/runs/stack_fit.h"

namespace thalweg {

/// Rows of a fold: to fit, and those left out.
struct FoldRows {
  std::vector<double> fitted, left_out;  ///< rows x features
};

/// The parameters of a trained small flow, by the names of its model.
struct FittedFlow {
  std::vector<std::pair<std::string, std::vector<double>>> tensors;
};

/// One fit, and log densities of the fold's rows that were left out.
struct CandidateFit {
  std::variant<std::monostate, FittedGaussianMixture, FittedKernelDensity, FittedFlow> density;
  std::vector<double> log_densities;
};

struct StackCandidate {
  std::string name;       ///< for people
  const char* kind = "";  ///< of base.member_kinds
  bool refitted = false;  ///< once more, to all rows, instead of the mean over folds
  std::function<CandidateFit(const FoldRows&, std::uint64_t seed)> fit;
};

/// What serves tables of `rows` rows. `base` says how large its flows are, `heads` what columns
/// are; `seconds` limits the training of each, 0: no limit; `interrupted` ends it.
std::vector<StackCandidate> stack_candidates(std::int64_t rows, std::int64_t features,
                                             const BaseOptions& base,
                                             const std::vector<ColumnHead>& heads, double seconds,
                                             const std::function<bool()>& interrupted);

}  // namespace thalweg

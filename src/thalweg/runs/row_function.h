// Densities and samples of targets on arrays of rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/graph.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// A function of rows x features that gives one number a row.
using RowFunction = std::function<std::vector<double>(std::span<const double> rows)>;

/// Evaluates in double what `build` makes of a vector of `features`: 1 x 1 a sample. The parameters
/// must outlive it.
RowFunction row_function(const ParameterStore& parameters, std::int64_t features,
                         const std::function<Value(Value)>& build, ThreadPool& pool);

/// Log densities of a target where they weigh samples: what is no number becomes a density of 0, as
/// for an exploration, and is counted in `undefined`.
std::vector<double> counted_log_density(const RowFunction& log_density,
                                        std::span<const double> rows, std::int64_t& undefined);

/// Evaluates log densities of a target on rows.
RowFunction target_log_density(std::shared_ptr<const Target> target, ThreadPool& pool);

/// `count` exact samples of a target, from number `first` on.
std::vector<double> target_samples(const Target& target, std::uint64_t seed, Stream stream,
                                   std::uint64_t first, std::int64_t count);

}  // namespace thalweg

// The way down to a minimum of an energy.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/molecules/potential.h"

namespace thalweg {

struct MinimisationOptions {
  double force = 1.0;           ///< done where no coordinate's force is larger, kJ/mol/nm
  std::int64_t steps = 20000;   ///< at most
  double first_step = 1e-4;     ///< of time, where masses are 1
  double longest_move = 0.005;  ///< of a coordinate in a step
};

struct MinimisationResult {
  std::vector<double> rows;      ///< as those given
  std::vector<double> energies;  ///< of each row
  std::vector<double> forces;    ///< the largest of each row
  std::int64_t steps = 0;        ///< of the row that took most
  std::int64_t unfinished = 0;   ///< rows with larger forces after all steps
};

/// Each of `rows` (rows x coordinates) to a minimum near it by FIRE (Bitzek et al. 2006): dynamics
/// that lose their velocity where they would go uphill. Rows with energies that are not finite
/// stay. The same bits for any number of threads. A ProgressScope hears of the steps. Throws
/// ShapeError unless there are whole rows.
MinimisationResult minimise(const Potential& potential, std::span<const double> rows,
                            const MinimisationOptions& options, ThreadPool& pool);

}  // namespace thalweg

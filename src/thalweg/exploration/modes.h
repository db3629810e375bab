// Which parts of a density are apart from each other.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/exploration/mixture.h"

namespace thalweg {

/// The mode of each component, from 0: components between whose means the energy rises by less than
/// 3 kT on the straight way, or on such ways in turn, are of one mode.
std::vector<std::int64_t> modes_of_components(UnboundedEnergy& energy, const Mixture& mixture);

/// Mass, mean and deviation of each mode from weighted samples: y for the mixture's components, x
/// in the target's units. Modes without samples are left out. Errors of masses take samples for
/// independent of each other or, with `islands`, the numbers of them that follow each other in
/// populations of their own, at least two, the populations.
std::vector<ExploredMode> describe_modes(const Mixture& mixture,
                                         const std::vector<std::int64_t>& mode_of_component,
                                         const Points& y, const Points& x,
                                         const Eigen::VectorXd& weights,
                                         std::span<const ColumnOptions> columns,
                                         const std::vector<std::int64_t>& islands = {});

/// The mode of each point.
std::vector<std::int64_t> modes_of_points(const Mixture& mixture,
                                          const std::vector<std::int64_t>& mode_of_component,
                                          const Points& y);

}  // namespace thalweg

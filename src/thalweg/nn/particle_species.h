// What particles are, row by row: sets of different sizes in rows of one width.
#pragma once

#include <cstdint>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// The last `particles` numbers of a context, particles x 1: what each particle is, as an element's
/// number; 0 is no particle, whose positions are 0. Throws ShapeError for a context that is shorter
/// or no column.
Value species_of(Value context, std::int64_t particles);

/// 1 for each particle of species_of() that is there and 0 for others.
Value presence(Value species);

}  // namespace thalweg

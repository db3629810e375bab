// An exploration on disk.
#pragma once

#include <string>

#include "thalweg/exploration/exploration.h"

namespace thalweg {

/// Writes all of an exploration to one file, whole or not at all. Throws ShapeError where its
/// arrays do not fit together, and DataError if it cannot be written.
void write_exploration(const std::string& path, const Exploration& exploration);

/// Reads what write_exploration wrote, to the bit. Throws DataError if it cannot be read, is
/// damaged, or is no exploration.
Exploration read_exploration(const std::string& path);

}  // namespace thalweg

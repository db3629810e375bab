// How files of points are read.
#pragma once

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// How files are read of which options name the columns. Throws ConfigError for an unknown
/// options.header.
ReadOptions read_options(const DataOptions& options);

}  // namespace thalweg

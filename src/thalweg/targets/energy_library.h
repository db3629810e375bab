// Targets whose energy is a C function in a shared library.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "thalweg/targets/target.h"

namespace thalweg {

/// A target with log density -energy, as the function thalweg_energy of the library at `path` gives
/// it (see energy_function.h). A path without a folder is in the current one. The columns are
/// `variables` or, if these are empty, x0, x1, ...; their number is that of `variables`, `features`
/// (0: not said) and thalweg_energy_features in the library, of which one must say it and all must
/// agree.
///
/// `half_width` is what Target::half_width gives. The target cannot be sampled and its density can
/// be differentiated once. Throws DataError for a library that cannot be used, ConfigError for the
/// number of features. Running a program with its density throws NumericalError where the function
/// fails, or is NaN at a finite point.
std::unique_ptr<Target> load_energy_library(const std::string& path, std::int64_t features = 0,
                                            const std::vector<std::string>& variables = {},
                                            double half_width = 0.0);

}  // namespace thalweg

// Forces that come with the rows of a table.
#pragma once

#include <string>
#include <vector>

#include "thalweg/datasets/prepare_data.h"

namespace thalweg {

/// Forces, -d energy / d x in kT over the units of the columns, of each row of `data`, rows x
/// features: the table in the file `options.forces`, with one row for each row of the data file,
/// whose columns `names` are; its columns go by name if it has theirs, else by place. Throws
/// ConfigError where rows or columns of the data are not those of the file, since some were left
/// out, came from several files, or follow from others; DataError for a table of another size and
/// forces that are no numbers.
std::vector<double> load_forces(const DataOptions& options, const std::vector<std::string>& names,
                                const PreparedData& data);

}  // namespace thalweg

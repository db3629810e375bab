#include "thalweg/datasets/reading.h"

#include "thalweg/core/error.h"

namespace thalweg {

ReadOptions read_options(const DataOptions& options) {
  ReadOptions reading{.missing = options.missing, .particle_dimensions = options.particles};
  if (options.header == "yes")
    reading.header = HeaderChoice::kYes;
  else if (options.header == "no")
    reading.header = HeaderChoice::kNo;
  else if (options.header != "auto")
    fail<ConfigError>("data.header: expected auto, yes or no, got '{}'", options.header);
  // Columns of species are found by their names.
  if (options.columns.empty() || options.species) return reading;
  for (const auto* names : {&options.columns, &options.condition, &options.integers})
    reading.columns.insert(reading.columns.end(), names->begin(), names->end());
  if (!options.weights.empty()) reading.columns.push_back(options.weights);
  return reading;
}

}  // namespace thalweg

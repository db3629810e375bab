// What users of a posterior want of its columns: quantiles and correlations.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "thalweg/flows/model_options.h"
#include "thalweg/metrics/weighted_columns.h"
#include "thalweg/report/text_table.h"

namespace thalweg {

/// One column under a target.
struct ColumnStatistics {
  std::string name;
  bool circular = false;
  std::vector<double> quantiles;  ///< at kQuantiles; none for a circular column
  CircularMean direction = {};    ///< of a circular one
};

/// The columns under a target.
struct TargetSummary {
  std::string source;  ///< what it rests on, in words
  std::vector<ColumnStatistics> columns;
  /// Columns x columns, row-major; NaN where one is circular or does not vary.
  std::vector<double> correlations;
};

/// Of rows x columns with these weights, which need not add up to 1. Throws ShapeError.
TargetSummary summarise_target(std::string source, std::span<const double> x,
                               std::span<const double> weights, const ModelOptions& model);

/// As tables for people: quantiles, directions of circular columns, correlations, of the first
/// eight columns.
std::vector<TextTable> summary_tables(const TargetSummary& summary);

}  // namespace thalweg

// The tables of keys that config files are made of.
#pragma once

#include <vector>

#include "thalweg/runs/run_options.h"

namespace thalweg {

inline constexpr double kMany = 1e15;  // Whole numbers beyond are not exact in double.

/// Keys of one column in [[columns]] and [[context_columns]].
using ColumnKey = BasicOptionKey<ColumnOptions>;
const std::vector<ColumnKey>& column_keys();

/// Keys of one column in [[derived_columns]].
using DerivedKey = BasicOptionKey<DerivedColumn>;
const std::vector<DerivedKey>& derived_keys();

}  // namespace thalweg

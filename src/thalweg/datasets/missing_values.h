// Values that are missing, which are NaN: counted, left out, or refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/row_split.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// The values that are there.
std::vector<double> without_missing(std::vector<double> values);

/// How many values are missing in a column of `matrix` (any number x `width`).
std::int64_t count_missing(std::span<const double> matrix, std::size_t width, std::size_t column);

/// Throws DataError, with row (from 1) and what can be done, for the first column with missing
/// values in which that is not `learnt`. The first `features` columns are to be modelled, the
/// others are conditions.
void refuse_missing(const Table& table, std::size_t features, const std::vector<bool>& learnt);

/// Leaves out rows with a value missing in a column where that is not `learnt`, of those given for
/// validation and test as well, and says how many. Throws DataError if none of either is left.
void leave_out_missing(Table& table, GivenRows& given, const std::vector<bool>& learnt,
                       std::vector<std::string>& notes);

}  // namespace thalweg

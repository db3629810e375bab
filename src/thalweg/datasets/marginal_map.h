// Marginal maps: each column by itself made nearly normal, or of a category uniform.
#pragma once

#include <vector>

#include "thalweg/datasets/column.h"

namespace thalweg {

/// Sets knots and scores of a column from coordinates of its training rows, standardised (after
/// mean, scale and bounds are set).
/// - Of a category, the borders between its values become the shares of the rows below them, from
///   -1 to 1, each value counted half a time more than it occurs.
/// - Around a circle, up to 32 cells of equal shares, from -1 to 1.
/// - Of others, normal scores at up to 32 levels (96 of straight pieces), evenly spaced in score,
/// with
///   at least ten rows beyond the outermost; at the extremes; and, among the levels, at the ends of
///   intervals that hold more than a level does. Beyond the extremes lines go on as the outer part
///   of the map does.
/// A column of the last sort gets a map if its skewness is beyond 3, its excess kurtosis above 15,
/// or a value that has an interval is that of 3 % of the rows (with fewer than 1000 of them, a
/// quarter). `for_heads`, which have splines alone: beyond 1 and above 2, and every column with
/// intervals. With fewer than 100 rows none does. Where values have intervals, the map is made of
/// straight pieces, else its slopes change gradually.
void fit_marginal_map(ColumnOptions& column, std::vector<double> coordinates,
                      bool for_heads = true);

/// Whether a column of fewer than 1 000 rows, which has no marginal map, no bounds and no atoms and
/// is never below 0, is nearer to normal by its logarithm: by at least .1 nats a row and 8 in all,
/// with less than a quarter of the rows at one value. So few rows get Gaussians and small networks,
/// which do not bend a skewed column straight by themselves. `values` are those of all rows.
bool wants_logarithm(const ColumnOptions& column, std::vector<double> values);

}  // namespace thalweg

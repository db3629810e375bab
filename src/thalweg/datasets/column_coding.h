// Between values of data and coordinates on the line, which a model learns: a value that has a mass
// is an interval there, in which noise picks a place.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/datasets/column.h"

namespace thalweg {

/// The coordinate of `value`. `noise` in (0, 1) is the place within the value's interval, if it has
/// one, off both of its ends: an evenly spaced value has [value, value + step), a category's value
/// of number k [k, k + 1), an atom `gap`. A value that is none of a category's has -1, which is
/// outside of it. NaN is what a missing value has, an interval as well, or stays where none may be
/// missing.
double coordinate_of(const ColumnOptions& column, double value, double noise);

/// What becomes of a continuous value that is drawn: it is kept between its column's lowest and
/// highest (reflected, or clipped to an atom there) and rounded to its digits, as in the data; or
/// stays as it was drawn, where the density at it counts.
enum class Drawn { kAsInData, kAsItIs };

/// The value whose coordinate this is: the inverse of coordinate_of for any noise. What is evenly
/// spaced is rounded to its levels whatever `drawn`; a coordinate beyond a category's is that of
/// its nearest value. NaN for a missing value.
double value_at(const ColumnOptions& column, double coordinate, Drawn drawn = Drawn::kAsInData);

/// Logarithm of the length of a value's interval if it is one of a mass, an atom; else 0. Added to
/// a log density of coordinates it makes one of values: the log mass of categories and atoms, and
/// the log density of all others (of evenly spaced values, their mass over their step).
double log_interval(const ColumnOptions& column, double value);
/// Its sum over the columns of each row of `x`, rows x columns.
std::vector<double> log_intervals(std::span<const ColumnOptions> columns,
                                  std::span<const double> x);

/// Turns values to coordinates, with noise by `seed`, stream, and number of row and column: the
/// same for the same row. `x` is rows x columns.
void add_noise(std::span<const ColumnOptions> columns, std::uint64_t seed, Stream stream,
               std::span<double> x);

/// The same of one column alone, of this number among those of the rows.
void add_noise(const ColumnOptions& column, std::size_t number, std::uint64_t seed, Stream stream,
               std::span<double> values);

/// Turns values to the coordinates of the middles of their intervals, where their densities are
/// taken. `x` is rows x columns.
void centre_in_intervals(std::span<const ColumnOptions> columns, std::span<double> x);

}  // namespace thalweg

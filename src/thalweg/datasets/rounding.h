// What can be told apart in columns of rounded numbers. `rounding` is the largest relative error of
// one rounding: 2^-53 in double, 2^-24 in single precision (Table::rounding()).
#pragma once

#include <span>

namespace thalweg {

/// Whether all values are whole and small enough that their neighbours can be held as well: at
/// most 1 / rounding. Beyond, every number is whole, by rounding.
bool is_whole(std::span<const double> values, double rounding);

/// Whether values are one but for rounding: they lie within 1e-12 of the largest magnitude, which
/// computations in double may lose, or in single precision within 8 roundings. Whole numbers (see
/// is_whole) are exact, and so one only if they are equal.
bool is_constant(std::span<const double> values, double rounding);

/// The rounding of values: `rounding`, or that of single precision if each is a float, as files
/// written from floats have it.
double rounding_of(std::span<const double> values, double rounding);

}  // namespace thalweg

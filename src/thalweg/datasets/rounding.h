// What can be told apart in columns of rounded numbers. `rounding` is the largest relative error of
// one rounding: 2^-53 in double, 2^-24 in single precision (Table::rounding()).
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>

namespace thalweg {

/// The number of that one of `values`, ascending and not empty, that is nearest to `value`, the
/// smaller of two.
std::size_t nearest_of(std::span<const double> values, double value);

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

/// The fewest significant digits that all values can be written with: at most 6, or 5 in single
/// precision, beyond which every number nearly can. None if there are more, or fewer than 20
/// values.
std::optional<std::int64_t> significant_digits(std::span<const double> values, double rounding);

/// The fewest decimals, at most 9, that all values, which have so many significant digits, can be
/// written with; none if there are more.
std::optional<std::int64_t> decimals_of(std::span<const double> values, std::int64_t digits);

/// `value` with so many significant digits, 1 to 15. `by` is std::round, std::floor or
/// std::ceil.
double round_to_digits(double value, std::int64_t digits, double (*by)(double) = std::round);

}  // namespace thalweg

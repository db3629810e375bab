// Rows and columns out of a row-major matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace thalweg {

/// Rows of `matrix` (any number x `width`) with the given numbers.
std::vector<double> take_rows(std::span<const double> matrix, std::int64_t width,
                              std::span<const std::int64_t> rows);

/// Numbers of `most` of `count` rows, evenly spaced, in order; of all rows where they are no more
/// than that, or where `most` is 0.
std::vector<std::int64_t> evenly_spaced_rows(std::int64_t count, std::int64_t most);

/// One column of `matrix` (any number x `width`).
std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column);

/// The same of the rows with the given numbers.
std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column, std::span<const std::int64_t> rows);

}  // namespace thalweg

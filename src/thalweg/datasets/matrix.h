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

/// One column of `matrix` (any number x `width`).
std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column);

/// The same of the rows with the given numbers.
std::vector<double> take_column(std::span<const double> matrix, std::size_t width,
                                std::size_t column, std::span<const std::int64_t> rows);

}  // namespace thalweg

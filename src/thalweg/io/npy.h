// NumPy's .npy files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/atomic_file.h"

namespace thalweg {

/// How numbers are stored in files that Thalweg writes.
enum class FloatType : std::uint8_t { kFloat32, kFloat64 };

/// An array of any number of dimensions; none at all is a single number.
struct Array {
  std::vector<std::int64_t> shape;
  std::vector<double> values;     ///< C order: the last index runs fastest
  bool integer_dtype = false;     ///< the file held integers or booleans
  bool single_precision = false;  ///< the file held float32
};

/// Product of a shape, or nothing if a dimension is negative or the product exceeds 2^63 - 1.
std::optional<std::int64_t> element_count(std::span<const std::int64_t> shape);

/// Reads float32, float64, integers of 1 to 8 bytes or booleans, of either byte order, in C or
/// Fortran order, from versions 1 to 3 of the format. `file.npy[3]` or `file.npy[3,0]` reads the
/// part of a larger array with these leading indices; in C order only that part is read from the
/// disk. Throws DataError if the file is not such an array, is shorter or longer than its header
/// says, or holds integers beyond 2^53 that double cannot keep.
Array read_npy(const std::string& path);

/// Whether `path` ends in .npy or .npy[...], in any case.
bool is_npy_path(const std::string& path);

/// Writes an array, little endian in C order, atomically. `values` in C order fill `shape`.
/// kFloat32 rounds to nearest; a finite value beyond its range throws DataError.
void write_npy(const std::string& path, std::span<const std::int64_t> shape,
               std::span<const double> values, FloatType type = FloatType::kFloat64);

/// Writes a matrix of unknown length row by row, so that it need not fit into memory. Nothing is
/// left if it is destroyed without finish(). Not thread safe.
class NpyWriter {
 public:
  /// `columns` is at least 1, else ShapeError.
  NpyWriter(const std::string& path, std::int64_t columns, FloatType type = FloatType::kFloat64);
  /// Appends rows x columns values, row-major; any number of rows.
  void append(std::span<const double> rows);
  /// Writes the number of rows into the header and puts the file in its place.
  void finish();

 private:
  AtomicFile file_;
  std::int64_t columns_, rows_ = 0;
  FloatType type_;
};

}  // namespace thalweg

// Arrays of NumPy to and from arrays of the library.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "thalweg/io/table.h"

namespace thalweg::python {

namespace nb = nanobind;

/// Rows x columns in double, row-major, as Python's side of the package hands them over.
using Rows = nb::ndarray<const double, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline std::span<const double> values_of(const Rows& rows) { return {rows.data(), rows.size()}; }

/// A NumPy array that owns these values.
inline nb::object array_of(std::vector<double>&& values, std::vector<std::size_t> shape) {
  auto* owned = new std::vector<double>(std::move(values));
  const nb::capsule owner(
      owned, [](void* pointer) noexcept { delete static_cast<std::vector<double>*>(pointer); });
  return nb::cast(nb::ndarray<nb::numpy, double, nb::c_contig>(owned->data(), shape.size(),
                                                               shape.data(), owner));
}

inline Table table_of(std::vector<std::string> names, const Rows& rows) {
  Table table;
  table.names = std::move(names);
  table.rows = static_cast<std::int64_t>(rows.shape(0));
  const std::span<const double> values = values_of(rows);
  table.values.assign(values.begin(), values.end());
  return table;
}

}  // namespace thalweg::python

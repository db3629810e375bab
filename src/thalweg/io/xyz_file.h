// Molecules in XYZ files, as tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/atomic_file.h"

namespace thalweg {

struct Table;

/// Whether a path ends in .xyz or .extxyz.
bool is_xyz_path(const std::string& path);

/// Reads an XYZ file of one molecule after the other, each a line with the number of its atoms, a
/// comment, and a line an atom: element, or its number, x, y and z, and more that is passed over. A
/// row of the table is a molecule: x0, y0, z0, x1, ..., as the file has them, then species0, ...,
/// the elements' numbers; smaller molecules end with places of 0, whose species is 0. Throws
/// DataError, with the line, for anything else, for `Properties` of the extended format that do not
/// begin with species and pos, for more than 1 000 atoms, and for a file that is cut off. Above 0,
/// `places` is the number of atoms that rows have room for, and DataError is thrown for larger
/// molecules; else it is that of the largest.
Table read_xyz(const std::string& path, std::int64_t places = 0);

/// Writes rows of such a table, whatever the order of its columns. The file appears with finish().
/// Not thread safe.
class XyzWriter {
 public:
  /// Throws DataError for columns that are not those of molecules.
  XyzWriter(const std::string& path, const std::vector<std::string>& names);
  /// Rows x columns values. Throws DataError for a species that is no element's number.
  void append(std::span<const double> rows);
  void finish();

 private:
  AtomicFile file_;
  std::vector<std::size_t> places_;  // of x0, y0, z0, x1, ..., then of the species
  std::size_t columns_, atoms_;
};

}  // namespace thalweg

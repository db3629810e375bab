// How a file of text is laid out, by its first rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thalweg/io/csv_fields.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// A row of a file before its fields are known.
struct CsvRow {
  std::string text;
  std::int64_t line = 0;
};

/// What a column is read as.
enum class CsvMode : std::uint8_t { kNumber, kText, kDate };

/// What the first rows say of a file.
struct CsvLayout {
  CsvSyntax syntax;
  bool header = false;             ///< the first row has names
  std::vector<std::string> names;  ///< of all columns
  /// The first column numbers or names the rows, as pandas and R write it.
  bool has_index = false;
  /// The last column has neither a name nor values, as behind a separator at the end of each row.
  bool empty_end = false;
  std::vector<CsvMode> modes;  ///< of all columns, as far as these rows go
};

/// The separator that the first row shows: a tab outranks a semicolon, and that a comma, which may
/// stand in numbers or names.
char find_separator(const std::string& first_row);

/// Finds the layout of a file by its first rows, at least one. Throws DataError where a first row
/// of numbers may be names as well, unless `header` decides.
CsvLayout find_layout(const std::string& path, const std::vector<CsvRow>& rows, CsvSyntax syntax,
                      HeaderChoice header);

}  // namespace thalweg

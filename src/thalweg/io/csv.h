// Tables as text: one row a line.
#pragma once

#include <string>

#include "thalweg/io/table.h"

namespace thalweg {

/// Reads numbers separated by commas, semicolons, tabs or blanks, whichever the first row shows.
/// The first row is a header if any of its fields is neither a number nor missing; else columns are
/// called x0, x1, ... Fields may be quoted (a quoted field ends on its line); empty fields, NA, N/A
/// and nan are missing and become NaN; inf is kept. Empty lines, lines that begin with '#', a byte
/// order mark and Windows line ends are passed over. Memory: the values, and one line of text.
/// Throws DataError with line and column for anything else, for rows of unequal length, equal
/// names, text that is not UTF-8, and files without rows.
Table read_csv(const std::string& path);

}  // namespace thalweg

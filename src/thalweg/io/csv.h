// Tables as text: one row a line.
#pragma once

#include <string>

#include "thalweg/io/table.h"

namespace thalweg {

/// Reads columns separated by commas, semicolons, tabs or blanks, whichever the first row shows or
/// a line sep=; before it says; plain or packed with gzip.
///
/// The first row has names if it has a text above a column that has none, texts alone, or alone
/// fields in quotation marks; a first row of numbers that may be names is refused unless
/// options.header decides. Columns without names are called x0, x1, ... An unnamed first column
/// that numbers or names the rows is called index (as is one of R that the first row lacks), and
/// read only if it is asked for.
///
/// A column of numbers (with a decimal point, or in files with semicolons or tabs with commas
/// throughout) is read as it stands, one of dates as date_format() says, another one as texts. A
/// column of which nine in ten fields are numbers or dates, or all but one text that repeats, is
/// refused, with the first stray field, unless its numbers are as few as categories. Fields may be
/// quoted, also over several lines. Empty fields, NA, N/A, #N/A, <NA>, nan, null and
/// options.missing are missing and become NaN; inf is kept. Empty lines, lines that begin with '#',
/// a byte order mark and Windows line ends are passed over.
///
/// Memory: the values, a row, 2 MB, and the labels. The file is read twice if texts turn up below
/// numbers after the first 1000 rows. Throws DataError with line and column for anything else, for
/// rows of unequal length, equal names, text that is not UTF-8, and files without rows.
Table read_csv(const std::string& path, const ReadOptions& options = {});

}  // namespace thalweg

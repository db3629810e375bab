// Columns of texts: whether they are categories, and the same texts in several tables.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "thalweg/io/table.h"

namespace thalweg {

/// "numbers", "texts" or "dates".
const char* content_name(ColumnContent content);

/// The place of each of `texts` among `labels`, from 0; -1 for those that are not there.
std::vector<double> label_numbers(const std::vector<std::string>& texts,
                                  const std::vector<std::string>& labels);

/// Throws DataError for a column of texts that are no categories: its labels were not kept, more
/// than half of the texts differ, or one is not in UTF-8. Others pass.
void check_labels(const Table& table, std::size_t column);

/// Numbers the texts of a column as `labels` does, which become its labels. Throws DataError for a
/// column that has no texts, and with the row (from 1) for a text that is not among them.
void use_labels(Table& table, std::size_t column, const std::vector<std::string>& labels);

/// Names of the columns of texts, which another table with few rows is to be read with (see
/// ReadOptions::texts), as its texts may all be numbers.
std::vector<std::string> text_columns(const Table& table);

/// Appends the rows of `more`, a table with the same columns from `path`, whose texts may be others
/// than those so far. Throws DataError for columns of other names or contents.
void append_rows(Table& table, Table more, const std::string& path);

}  // namespace thalweg

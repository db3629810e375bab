// Tables of short texts: plain for the terminal, Markdown, and (in html.h) HTML.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace thalweg {

/// Which finite number of a column is marked as the best; equal ones are all marked.
enum class BestValue { kNone, kLowest, kHighest };

/// A table. Columns whose cells are all numbers ("1 024", "2.1e-3", "0.07 ± 0.01", "12%", "nan") or
/// blanks ("", "-", "–") are aligned on the right.
struct TextTable {
  std::string caption = {};
  std::vector<std::string> header = {};
  std::vector<std::vector<std::string>> rows = {};
  /// Empty, or one for each column.
  std::vector<BestValue> best = {};
};

/// What the renderers need to know of a table's cells.
struct TableLayout {
  std::vector<bool> right;              // one for each column
  std::vector<std::vector<bool>> bold;  // the best values; as rows
};

/// Throws ConfigError if there is no column, ShapeError if a row or `best` has another length than
/// the header.
TableLayout table_layout(const TextTable& table);

/// Aligned columns, two spaces apart, each line ended by "\n"; the best values carry a "*". Throws
/// as table_layout.
std::string plain_table(const TextTable& table);

/// GitHub-flavoured Markdown with all markup in the cells escaped; the best values are bold. Throws
/// as table_layout.
std::string markdown_table(const TextTable& table);

}  // namespace thalweg

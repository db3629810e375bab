#include "thalweg/io/csv_layout.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <unordered_set>

#include "thalweg/core/error.h"
#include "thalweg/io/date_time.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

using Fields = std::vector<std::string>;

/// An index in any order shows in so many rows.
constexpr std::size_t kRowsOfIndex = 20;
/// The range of a column shows in so many.
constexpr std::size_t kRowsOfRange = 3;

bool is_whole(const std::string& field) {
  return !field.empty() && field.size() < 16 &&
         std::all_of(field.begin(), field.end(),
                     [](unsigned char c) { return std::isdigit(c) != 0; });
}

/// The fields of one column below the first row, those that are there.
struct ColumnSample {
  std::vector<double> numbers;
  std::int64_t dates = 0;
  std::vector<std::string> numerals, texts;
};

class Sniffer {
 public:
  Sniffer(const std::string& path, const std::vector<CsvRow>& rows, CsvSyntax syntax)
      : path_(path), line_(rows.front().line) {
    // R puts names into quotation marks, and no number; the name of a row at most.
    const auto marks = [&](std::size_t row) {
      return std::count(rows[row].text.begin(), rows[row].text.end(), '"');
    };
    quoted_alone_ = rows.size() > 1 && marks(0) > 2 && marks(1) <= 2;
    layout_.syntax = std::move(syntax);
    for (const CsvRow& row : rows) rows_.push_back(split_row(row.text, layout_.syntax));
    find_decimal_comma();
  }

  CsvLayout find(HeaderChoice header) {
    // R leaves the name of its row names out.
    const bool shorter = all_rows_have_one_more() && find_names(HeaderChoice::kYes, true);
    if (!shorter) find_names(header, false);
    for (const ColumnSample& column : columns_) {
      const bool dates = column.dates > 0 && column.numbers.empty();
      const bool numbers = column.texts.empty() && column.dates == 0;
      layout_.modes.push_back(numbers                         ? CsvMode::kNumber
                              : column.texts.empty() && dates ? CsvMode::kDate
                                                              : CsvMode::kText);
    }
    return std::move(layout_);
  }

 private:
  void add(ColumnSample& column, const std::string& field) const {
    double value = 0.0;
    const Numeral numeral = scan_number(field, layout_.syntax, value);
    if (is_missing(field, layout_.syntax)) return;
    if (numeral == Numeral::kNumber) {
      column.numbers.push_back(value);
      column.numerals.push_back(field);
    } else if (parse_date_time(field)) {
      ++column.dates;
    } else if (numeral == Numeral::kNone) {
      column.texts.push_back(field);
    }
  }

  bool is_text(const std::string& field) const {
    double value = 0.0;
    return scan_number(field, layout_.syntax, value) == Numeral::kNone &&
           !is_missing(field, layout_.syntax) && !parse_date_time(field);
  }

  /// Numbers with a comma and none with a point, where commas do not separate.
  void find_decimal_comma() {
    if (layout_.syntax.separator != ';' && layout_.syntax.separator != '\t') return;
    CsvSyntax with_comma = layout_.syntax;
    with_comma.decimal_comma = true;
    bool commas = false;
    for (const Fields& row : rows_)
      for (const std::string& field : row) {
        double value = 0.0;
        if (field.find('.') != std::string::npos &&
            scan_number(field, layout_.syntax, value) != Numeral::kNone)
          return;
        commas |= field.find(',') != std::string::npos &&
                  scan_number(field, with_comma, value) != Numeral::kNone;
      }
    layout_.syntax.decimal_comma = commas;
  }

  /// Whether the first row has names alone, and all others a field more, none of them empty at the
  /// ends.
  bool all_rows_have_one_more() const {
    const Fields& first = rows_.front();
    const auto is_name = [&](const std::string& field) { return is_text(field); };
    return std::all_of(first.begin(), first.end(), is_name) &&
           std::all_of(rows_.begin() + 1, rows_.end(), [&](const Fields& row) {
             return row.size() == first.size() + 1 && !row.front().empty() && !row.back().empty();
           });
  }

  /// Names the columns, the first one being `unnamed` or not. Returns whether it is an index.
  bool find_names(HeaderChoice header, bool unnamed) {
    Fields first = rows_.front();
    if (unnamed) first.insert(first.begin(), std::string());
    columns_.assign(first.size(), {});
    for (std::size_t row = 1; row < rows_.size(); ++row)
      for (std::size_t i = 0; i < std::min(first.size(), rows_[row].size()); ++i)
        add(columns_[i], rows_[row][i]);
    layout_.header =
        header == HeaderChoice::kYes || (header == HeaderChoice::kAuto && first_row_has_names());
    layout_.names = default_names(std::ssize(first));
    if (!layout_.header) {
      for (std::size_t i = 0; i < first.size(); ++i) add(columns_[i], first[i]);
      return false;
    }
    for (std::size_t i = 0; i < first.size(); ++i)
      if (!first[i].empty()) layout_.names[i] = first[i];
    layout_.has_index = first.size() > 1 && first_is_index(first.front());
    if (layout_.has_index && first.front().empty()) {
      layout_.names.front() = "index";
      while (std::find(first.begin(), first.end(), layout_.names.front()) != first.end())
        layout_.names.front() += "_";
    }
    const ColumnSample& last = columns_.back();
    layout_.empty_end = first.size() > 1 && first.back().empty() && rows_.size() > 1 &&
                        last.numbers.empty() && last.dates == 0 && last.texts.empty();
    return layout_.has_index;
  }

  bool first_row_has_names() const {
    const Fields& first = rows_.front();
    bool texts = false;
    for (std::size_t i = 0; i < first.size(); ++i) {
      if (!is_text(first[i])) continue;
      texts = true;
      // A name above numbers, dates or nothing.
      if (columns_[i].texts.empty()) return true;
    }
    if (!texts) {
      if (has_empty_corner(first) || (quoted_alone_ && are_different(first))) return true;
      if (looks_like_names(first)) fail_doubtful();
      return false;
    }
    // Texts above texts: a row of data if it is like those below.
    bool like_data = false;
    std::vector<double> whole;
    for (std::size_t i = 0; i < first.size(); ++i) {
      const ColumnSample& below = columns_[i];
      double value = 0.0;
      if (is_missing(first[i], layout_.syntax)) continue;
      if (is_text(first[i])) {
        like_data |=
            std::find(below.texts.begin(), below.texts.end(), first[i]) != below.texts.end();
      } else if (scan_number(first[i], layout_.syntax, value) != Numeral::kNumber) {
        like_data |= below.dates > 0;
      } else if (!is_whole(first[i])) {
        like_data |= !below.numbers.empty();
      } else if (below.numbers.size() >= kRowsOfRange) {
        whole.push_back(value);
        if (is_far(value, below.numbers)) fail_doubtful();
        like_data = true;
      }
    }
    if (whole.size() > 1 && count_up(whole)) fail_doubtful();
    return !like_data;
  }

  /// Whether a row is different names, of years say, behind an empty field above an index.
  bool has_empty_corner(const Fields& row) const {
    return row.size() > 1 && row.front().empty() && first_is_index("") &&
           std::find(row.begin() + 1, row.end(), "") == row.end() && are_different(row);
  }

  /// Whether a value lies beyond the range of the others by more than its width.
  static bool is_far(double value, const std::vector<double>& others) {
    if (others.size() < kRowsOfRange) return false;
    const auto [low, high] = std::minmax_element(others.begin(), others.end());
    const double width = *high - *low;
    return width > 0.0 && (value < *low - width || value > *high + width);
  }

  /// Whether numbers are evenly spaced and differ, two of them by one.
  static bool count_up(const std::vector<double>& numbers) {
    const double step = numbers[1] - numbers[0];
    for (std::size_t i = 1; i < numbers.size(); ++i)
      if (numbers[i] - numbers[i - 1] != step) return false;
    return numbers.size() == 2 ? std::abs(step) == 1.0 : step != 0.0;
  }

  /// Whether a row of numbers may be names: evenly spaced whole numbers, each far outside of its
  /// column, or four at least that are the only whole ones.
  bool looks_like_names(const Fields& row) const {
    if (row.size() < 2 || !std::all_of(row.begin(), row.end(), is_whole)) return false;
    std::vector<double> values;
    for (const std::string& field : row) values.push_back(std::stod(field));
    if (!count_up(values)) return false;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Fields& others = columns_[i].numerals;
      const bool whole_alone = row.size() >= 4 && others.size() >= kRowsOfRange &&
                               std::none_of(others.begin(), others.end(), [](const auto& numeral) {
                                 return numeral.find_first_of(".,") == std::string::npos;
                               });
      if (!whole_alone && !is_far(values[i], columns_[i].numbers)) return false;
    }
    return true;
  }

  [[noreturn]] void fail_doubtful() const {
    Fields shown_fields = rows_.front();
    if (shown_fields.size() > 4) {
      shown_fields.resize(4);
      shown_fields.emplace_back("...");
    }
    fail<DataError>(
        "{}, line {}: '{}' may be names of columns or a row of data; say which by --header yes or "
        "--header no (data.header)",
        path_, line_, shown(fmt::format("{}", fmt::join(shown_fields, ", "))));
  }

  bool first_is_index(std::string name) const {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    constexpr std::array<std::string_view, 6> kNames = {"",         "index",     "unnamed: 0",
                                                        "rownames", "row.names", "row_names"};
    const ColumnSample& column = columns_.front();
    const std::size_t rows = rows_.size() - 1;
    if (std::find(kNames.begin(), kNames.end(), name) == kNames.end() || rows < 2) return false;
    if (column.texts.size() == rows) return are_different(column.texts) && name != "index";
    if (column.numerals.size() != rows ||
        !std::all_of(column.numerals.begin(), column.numerals.end(), is_whole))
      return false;
    const double first = column.numbers.front();
    bool counts = first == 0.0 || first == 1.0;
    for (std::size_t row = 0; row < rows; ++row)
      counts &= column.numbers[row] == first + static_cast<double>(row);
    return counts || (name.empty() && rows >= kRowsOfIndex && are_different(column.numerals));
  }

  static bool are_different(const Fields& texts) {
    return std::unordered_set<std::string>(texts.begin(), texts.end()).size() == texts.size();
  }

  std::string path_;
  std::int64_t line_;
  bool quoted_alone_ = false;
  std::vector<Fields> rows_;
  std::vector<ColumnSample> columns_;
  CsvLayout layout_;
};

}  // namespace

char find_separator(const std::string& first_row) {
  char separator = kBlankSeparator;
  for (const char candidate : {',', ';', '\t'}) {
    for (std::size_t i = 0; i < first_row.size(); ++i) {
      if (first_row[i] == '"' && opens_field(first_row, i, ",;\t "))
        i = skip_quoted(first_row, i);
      else if (first_row[i] == candidate)
        separator = candidate;
    }
  }
  return separator;
}

CsvLayout find_layout(const std::string& path, const std::vector<CsvRow>& rows, CsvSyntax syntax,
                      HeaderChoice header) {
  return Sniffer(path, rows, std::move(syntax)).find(header);
}

}  // namespace thalweg

#include "thalweg/io/csv_fields.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstring>
#include <system_error>

#include "thalweg/core/text.h"

namespace thalweg {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool equal_in_any_case(std::string_view field, std::string_view lower) {
  return std::equal(lower.begin(), lower.end(), field.begin(), field.end(), [](char a, char b) {
    return a == std::tolower(static_cast<unsigned char>(b));
  });
}

/// Whether `text` is 1 to 3 digits and then groups of three behind `mark`, at least `groups`.
bool is_grouped(std::string_view text, char mark, int groups) {
  const auto digits = [&](std::size_t most) {
    std::size_t count = 0;
    while (count < most && count < text.size() &&
           std::isdigit(static_cast<unsigned char>(text[count])) != 0)
      ++count;
    text.remove_prefix(count);
    return count;
  };
  if (digits(3) == 0) return false;
  for (; text.starts_with(mark); --groups) {
    text.remove_prefix(1);
    if (digits(3) != 3) return false;
  }
  return groups <= 0 && text.empty();
}

}  // namespace

CsvSyntax::CsvSyntax(std::vector<std::string> missing_texts) : missing(std::move(missing_texts)) {
  for (const std::string& text : missing) {
    double value = 0.0;
    if (scan_number(text, CsvSyntax(), value) == Numeral::kNumber) missing_numbers.push_back(value);
  }
}

bool opens_field(std::string_view row, std::size_t position, std::string_view separators) {
  while (position > 0) {
    const char c = row[--position];
    if (separators.find(c) != std::string_view::npos) return true;
    if (!is_blank(c)) return false;
  }
  return true;
}

std::size_t skip_quoted(std::string_view row, std::size_t position) {
  for (++position; position < row.size(); ++position) {
    if (row[position] != '"') continue;
    if (position + 1 >= row.size() || row[position + 1] != '"') return position;
    ++position;
  }
  return row.size();
}

std::size_t CsvFields::skip_blanks(std::size_t position) const {
  const char separator = syntax_.separator;
  while (position < row_.size() && is_blank(row_[position]) &&
         (separator == kBlankSeparator || row_[position] != separator))
    ++position;
  return position;
}

/// Moves to the start of the field after one that ends at `end`.
void CsvFields::move_behind(std::size_t end) {
  if (end >= row_.size())
    position_ = std::string_view::npos;
  else if (syntax_.separator == kBlankSeparator)
    position_ = row_.find_first_not_of(" \t", end);
  else
    position_ = end + 1;
}

bool CsvFields::take_number(double& value) {
  const std::size_t start = skip_blanks(position_);
  const auto [end, error] = std::from_chars(row_.data() + start, row_.data() + row_.size(), value);
  if (error != std::errc()) return false;
  const auto stop = static_cast<std::size_t>(end - row_.data());
  const std::size_t next = stop < row_.size() && is_blank(row_[stop]) ? skip_blanks(stop) : stop;
  if (next < row_.size() &&
      (syntax_.separator == kBlankSeparator ? next == stop : row_[next] != syntax_.separator))
    return false;
  move_behind(next < row_.size() && syntax_.separator == kBlankSeparator ? stop : next);
  return true;
}

std::string_view CsvFields::take() {
  std::size_t position = skip_blanks(position_);
  if (position >= row_.size() || row_[position] != '"') {
    const std::size_t end =
        std::min(syntax_.separator == kBlankSeparator ? row_.find_first_of(" \t", position)
                                                      : row_.find(syntax_.separator, position),
                 row_.size());
    const std::string_view field = trim(row_.substr(position, end - position));
    move_behind(end);
    return field;
  }
  unquoted_.clear();
  for (++position; position < row_.size(); ++position) {
    if (row_[position] == '"') {
      ++position;
      if (position >= row_.size() || row_[position] != '"') break;
    }
    unquoted_ += row_[position];
  }
  // What stands behind the closing mark belongs to the field.
  const std::size_t end =
      std::min(syntax_.separator == kBlankSeparator ? row_.find_first_of(" \t", position)
                                                    : row_.find(syntax_.separator, position),
               row_.size());
  unquoted_ += trim(row_.substr(std::min(position, end), end - std::min(position, end)));
  move_behind(end);
  return unquoted_;
}

void CsvFields::skip() {
  if (syntax_.separator == kBlankSeparator || row_[skip_blanks(position_)] == '"') {
    take();
    return;
  }
  move_behind(std::min(row_.find(syntax_.separator, position_), row_.size()));
}

std::vector<std::string> split_row(std::string_view row, const CsvSyntax& syntax) {
  std::vector<std::string> result;
  for (CsvFields fields(row, syntax); !fields.at_end();) result.emplace_back(fields.take());
  return result;
}

bool is_missing(std::string_view field, const CsvSyntax& syntax) {
  constexpr std::array<std::string_view, 8> kWords = {"",     "na",  "n/a",  "#n/a",
                                                      "<na>", "nan", "-nan", "null"};
  if (field.size() <= 4 && std::any_of(kWords.begin(), kWords.end(), [&](std::string_view word) {
        return equal_in_any_case(field, word);
      }))
    return true;
  return std::find(syntax.missing.begin(), syntax.missing.end(), field) != syntax.missing.end();
}

Numeral scan_number(std::string_view field, const CsvSyntax& syntax, double& value) {
  std::string with_point;
  if (syntax.decimal_comma && field.find_first_of(".,") != std::string_view::npos) {
    if (field.find('.') != std::string_view::npos) return Numeral::kNone;
    with_point = field;
    std::replace(with_point.begin(), with_point.end(), ',', '.');
    field = with_point;
  }
  if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc::invalid_argument || end != field.data() + field.size())
    return Numeral::kNone;
  return error == std::errc() ? Numeral::kNumber : Numeral::kOutOfRange;
}

bool has_thousands_separators(std::string_view field, const CsvSyntax& syntax) {
  if (field.starts_with('+') || field.starts_with('-')) field.remove_prefix(1);
  const std::size_t comma = field.rfind(','), point = field.rfind('.');
  constexpr std::size_t kNone = std::string_view::npos;
  if (comma == kNone && point == kNone) return false;
  if (point == kNone) return is_grouped(field, ',', syntax.decimal_comma ? 2 : 1);
  if (comma == kNone) return is_grouped(field, '.', syntax.decimal_comma ? 1 : 2);
  const bool ends_in_point = point > comma;
  const std::size_t decimal = ends_in_point ? point : comma;
  const std::string_view fraction = field.substr(decimal + 1);
  return fraction.find_first_not_of("0123456789") == kNone &&
         is_grouped(field.substr(0, decimal), ends_in_point ? ',' : '.', 1);
}

}  // namespace thalweg

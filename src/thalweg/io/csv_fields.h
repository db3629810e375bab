// The fields of one row of text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace thalweg {

inline constexpr char kBlankSeparator = ' ';  ///< any run of blanks and tabs

/// How the fields of a file are written.
struct CsvSyntax {
  char separator = kBlankSeparator;
  bool decimal_comma = false;
  std::vector<std::string> missing = {};     ///< texts that stand for no value, besides the usual
  std::vector<double> missing_numbers = {};  ///< those of them that are numbers

  CsvSyntax() = default;
  explicit CsvSyntax(std::vector<std::string> missing_texts);
};

/// Whether a quotation mark at `position` opens a field: nothing but blanks is between it and a
/// separator, or the start of the row.
bool opens_field(std::string_view row, std::size_t position, std::string_view separators);

/// The place of the mark that closes the field which one at `position` opens; the end of the row if
/// none does.
std::size_t skip_quoted(std::string_view row, std::size_t position);

/// Takes fields from a row, one after the other. Blanks around them do not count; those in
/// quotation marks are taken as they stand, with "" for ".
class CsvFields {
 public:
  /// `row` must outlive this.
  CsvFields(std::string_view row, const CsvSyntax& syntax) : row_(row), syntax_(syntax) {}

  bool at_end() const { return position_ == std::string_view::npos; }
  /// Takes a field that is a plain number in the syntax of a decimal point; else nothing happens.
  bool take_number(double& value);
  /// Takes a field, valid until the next call.
  std::string_view take();
  /// Passes over a field.
  void skip();

 private:
  std::size_t skip_blanks(std::size_t position) const;
  void move_behind(std::size_t end);

  std::string_view row_;
  const CsvSyntax& syntax_;
  std::size_t position_ = 0;
  std::string unquoted_;
};

/// All fields of a row.
std::vector<std::string> split_row(std::string_view row, const CsvSyntax& syntax);

/// Whether a field has no value: it is empty, NA, N/A, #N/A, <NA>, nan or null in any case, or one
/// of those that were named.
bool is_missing(std::string_view field, const CsvSyntax& syntax);

/// What a field is as a number.
enum class Numeral { kNone, kNumber, kOutOfRange };
/// Reads the whole of a field as a number.
Numeral scan_number(std::string_view field, const CsvSyntax& syntax, double& value);

/// Whether a field is a number with digits in groups of three, as 1,234,567.8, 1.234.567,8 or
/// (unless a decimal comma is known) 1,234.
bool has_thousands_separators(std::string_view field, const CsvSyntax& syntax);

}  // namespace thalweg

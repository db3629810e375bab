// The columns of a file of text while it is read.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "thalweg/io/csv_layout.h"
#include "thalweg/io/date_time.h"

namespace thalweg {

/// Makes numbers of the fields of one column that are no plain numbers, and counts what they are.
class CsvColumn {
 public:
  /// `path` and `syntax` must outlive this. `surely_text`: numbers are texts as others.
  CsvColumn(const std::string& path, const CsvSyntax& syntax, std::string name, CsvMode mode,
            bool surely_text);

  CsvMode mode() const { return mode_; }
  const std::string& name() const { return name_; }

  /// The value of a field of `line`, a text by the order in which it appeared; NaN for what is
  /// missing or cannot be read in this mode.
  double take(std::string_view field, std::int64_t line);
  /// A number, or NaN if it stands for a missing value.
  double take(double number);

  /// Once all is read: how the column must be read again, if it must. `values` are those of all
  /// columns, `width` of them, of which this is number `column`. Throws DataError for what is most
  /// likely a mistake: stray texts among numbers or dates, separators of thousands, numbers beyond
  /// the range of double.
  std::optional<CsvMode> other_mode(std::span<const double> values, std::size_t width,
                                    std::size_t column) const;
  /// What the values stand for; puts the texts in order.
  ColumnText finish(std::span<double> values, std::size_t width, std::size_t column);

 private:
  struct Stray {
    std::int64_t count = 0, line = 0;
    std::string text;   // of the first
    bool alike = true;  // all are the same
    void add(std::string_view field, std::int64_t line);
  };
  double number_of_text(std::string_view field);
  bool has_many_numbers(std::span<const double> values, std::size_t width, std::size_t column,
                        std::int64_t numbers) const;
  [[noreturn]] void fail_stray(const Stray& stray, const std::string& expected,
                               const std::string& hint) const;

  const std::string& path_;
  const CsvSyntax& syntax_;
  std::string name_;
  CsvMode mode_;
  bool surely_text_;
  std::int64_t missing_ = 0, numbers_ = 0, dates_ = 0;  // numbers_: of take(field) alone
  Stray strays_, thousands_, out_of_range_;             // the latter two are in strays_ as well
  Stray not_dates_;
  std::optional<DateFormat> format_;
  std::deque<std::string> texts_;  // in order of appearance; places stay, for the keys
  std::unordered_map<std::string_view, std::int64_t> text_numbers_;
  bool too_many_ = false;
};

}  // namespace thalweg

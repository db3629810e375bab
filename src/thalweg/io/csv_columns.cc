#include "thalweg/io/csv_columns.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <unordered_set>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// So few different numbers may be categories among others.
constexpr std::size_t kFewNumbers = 20;

}  // namespace

CsvColumn::CsvColumn(const std::string& path, const CsvSyntax& syntax, std::string name,
                     CsvMode mode, bool surely_text)
    : path_(path),
      syntax_(syntax),
      name_(std::move(name)),
      mode_(surely_text ? CsvMode::kText : mode),
      surely_text_(surely_text) {}

void CsvColumn::Stray::add(std::string_view field, std::int64_t at_line) {
  if (++count > 1) {
    alike = alike && field == text;
    return;
  }
  text = field;
  line = at_line;
}

double CsvColumn::take(double number) {
  const auto& missing = syntax_.missing_numbers;
  const bool absent =
      std::isnan(number) ||
      (!missing.empty() && std::find(missing.begin(), missing.end(), number) != missing.end());
  if (absent) ++missing_;
  return absent ? kNan : number;
}

double CsvColumn::take(std::string_view field, std::int64_t line) {
  if (is_missing(field, syntax_)) {
    ++missing_;
    return kNan;
  }
  if (surely_text_) return number_of_text(field);
  double number = 0.0;
  const Numeral numeral = scan_number(field, syntax_, number);
  if (numeral == Numeral::kNumber) {
    number = take(number);
    if (mode_ == CsvMode::kNumber || std::isnan(number)) return number;
    ++numbers_;
    not_dates_.add(field, line);
    return mode_ == CsvMode::kText ? number_of_text(field) : kNan;
  }
  const std::optional<DateTime> date = parse_date_time(field);
  const std::optional<DateFormat> format = date && format_ ? common_format(*format_, date->format)
                                           : date          ? std::optional(date->format)
                                                           : std::nullopt;
  if (format) {
    format_ = format;
    ++dates_;
    if (mode_ == CsvMode::kDate) return date->value;
  } else {
    not_dates_.add(field, line);
  }
  strays_.add(field, line);
  if (numeral == Numeral::kOutOfRange) out_of_range_.add(field, line);
  if (has_thousands_separators(field, syntax_)) thousands_.add(field, line);
  return mode_ == CsvMode::kText ? number_of_text(field) : kNan;
}

double CsvColumn::number_of_text(std::string_view field) {
  if (too_many_) return kNan;
  if (const auto found = text_numbers_.find(field); found != text_numbers_.end())
    return static_cast<double>(found->second);
  const std::int64_t number = std::ssize(texts_);
  if (number == kMostLabels || std::ssize(field) > kLongestLabel) {
    too_many_ = true;
    return kNan;
  }
  text_numbers_.emplace(texts_.emplace_back(field), number);
  return static_cast<double>(number);
}

/// Whether the column's numbers are too varied for categories.
bool CsvColumn::has_many_numbers(std::span<const double> values, std::size_t width,
                                 std::size_t column, std::int64_t numbers) const {
  if (mode_ == CsvMode::kText && too_many_) return true;
  std::unordered_set<double> different;
  double number = 0.0;
  if (mode_ == CsvMode::kText) {
    for (const std::string& text : texts_)
      if (scan_number(text, syntax_, number) == Numeral::kNumber) different.insert(number);
  } else {
    for (std::size_t i = column; i < values.size() && different.size() <= kFewNumbers; i += width)
      if (!std::isnan(values[i])) different.insert(values[i]);
  }
  return different.size() > kFewNumbers || 2 * std::ssize(different) > numbers;
}

void CsvColumn::fail_stray(const Stray& stray, const std::string& expected,
                           const std::string& hint) const {
  fail<DataError>("{}, line {}, column '{}': expected {}, got '{}'; {}", path_, stray.line,
                  shown(name_), expected, shown(stray.text), hint);
}

std::optional<CsvMode> CsvColumn::other_mode(std::span<const double> values, std::size_t width,
                                             std::size_t column) const {
  if (surely_text_) return std::nullopt;
  const std::int64_t filled = std::ssize(values) / static_cast<std::int64_t>(width) - missing_;
  const std::int64_t numbers = mode_ == CsvMode::kNumber ? filled - strays_.count : numbers_;
  const auto nearly_all = [&](std::int64_t count) { return 10 * count >= 9 * filled; };
  const std::string as_others = fmt::format(" as in {} of {} rows", numbers, filled);
  if (mode_ == CsvMode::kDate ? dates_ == filled : strays_.count == 0 && numbers == filled)
    return std::nullopt;
  if (numbers + out_of_range_.count == filled)
    fail_stray(out_of_range_, "a number within the range of double", "rescale the column");
  if (thousands_.count > 0 && nearly_all(numbers + thousands_.count))
    fail_stray(thousands_, "a number",
               "write numbers without separators of thousands, as 1234567.8");
  const auto hint = [](const Stray& stray) {
    return fmt::format(
        "if it stands for a missing value, name it to `train`: --missing \"{}\" (data.missing), "
        "else leave the column out by naming others with --columns",
        shown(stray.text));
  };
  const bool one_text = strays_.alike && dates_ == 0 && numbers >= strays_.count;
  if (numbers > 0 && (nearly_all(numbers) || one_text) &&
      has_many_numbers(values, width, column, numbers))
    fail_stray(strays_, "a number" + as_others, hint(strays_));
  if (dates_ < filled && dates_ > 0 && nearly_all(dates_))
    fail_stray(
        not_dates_,
        fmt::format("a date written {} as in {} of {} rows", pattern_of(*format_), dates_, filled),
        hint(not_dates_));
  if (dates_ == filled) return CsvMode::kDate;
  return mode_ == CsvMode::kText ? std::nullopt : std::optional(CsvMode::kText);
}

ColumnText CsvColumn::finish(std::span<double> values, std::size_t width, std::size_t column) {
  ColumnText result;
  if (mode_ == CsvMode::kDate) {
    result.content = ColumnContent::kDate;
    result.format = pattern_of(*format_);
  }
  if (mode_ != CsvMode::kText) return result;
  result.content = ColumnContent::kText;
  std::vector<double> ranks(texts_.size(), kNan);
  result.different = std::ssize(texts_) + (too_many_ ? 1 : 0);
  if (!too_many_) {
    std::vector<std::size_t> order(texts_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return texts_[a] < texts_[b]; });
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      ranks[order[rank]] = static_cast<double>(rank);
      result.labels.push_back(std::move(texts_[order[rank]]));
    }
  }
  for (std::size_t i = column; i < values.size(); i += width)
    if (!std::isnan(values[i])) values[i] = ranks[static_cast<std::size_t>(values[i])];
  return result;
}

}  // namespace thalweg

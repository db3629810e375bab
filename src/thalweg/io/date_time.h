// Dates and times of ISO 8601 as numbers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace thalweg {

/// How a date, or a date with a time of day, is written.
struct DateFormat {
  char date_separator = '-';  ///< or '/'
  char time_separator = 0;    ///< 'T' or ' '; 0: no time of day
  bool seconds = false;
  int digits = 0;    ///< of fractions of a second, at most 6: double keeps no more since 1970
  std::string zone;  ///< as written: empty, "Z", "+01:00"

  bool operator==(const DateFormat&) const = default;
};

/// A date as days since 1970-01-01, or a time as seconds since then (in UTC where a zone is
/// written; leap seconds are not counted).
struct DateTime {
  double value = 0.0;
  DateFormat format;
};

/// Reads YYYY-MM-DD or YYYY/MM/DD, alone or with T or a blank and HH:MM, HH:MM:SS or HH:MM:SS.f
/// (1 to 9 digits, rounded to 6), and then nothing, Z, +HH:MM or -HH:MM. Nothing for other texts
/// and for days that no calendar has.
std::optional<DateTime> parse_date_time(std::string_view text);

/// The format of a column that holds both, whose fractions may differ in length; nothing if they
/// differ otherwise.
std::optional<DateFormat> common_format(const DateFormat& a, const DateFormat& b);

/// "YYYY-MM-DD HH:MM:SS.fffZ", from which date_format() makes the same format.
std::string pattern_of(const DateFormat& format);
/// Throws DataError for what is no such pattern.
DateFormat date_format(const std::string& pattern);

/// Appends a value of parse_date_time() in this format, rounded to its last place. Nothing for
/// NaN; throws DataError for values outside of the years 0 to 9999.
void append_date_time(std::string& text, double value, const DateFormat& format);

}  // namespace thalweg

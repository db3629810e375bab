#include "thalweg/io/date_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

constexpr int kMostDigits = 6;
constexpr double kSecondsOfDay = 86400.0;
constexpr std::int64_t kFirstDay = -719528, kLastDay = 2932896;  // 0000-01-01 and 9999-12-31

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The number that `count` digits at `position` make; -1 if they are none.
int digits_at(std::string_view text, std::size_t position, std::size_t count) {
  if (text.size() < position + count) return -1;
  int value = 0;
  for (const char c : text.substr(position, count)) {
    if (!is_digit(c)) return -1;
    value = 10 * value + (c - '0');
  }
  return value;
}

/// Minutes by which a zone is ahead of UTC; nothing if it is none.
std::optional<int> zone_minutes(std::string_view zone) {
  if (zone.empty() || zone == "Z") return 0;
  const bool written = zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && zone[3] == ':';
  const int hours = written ? digits_at(zone, 1, 2) : -1;
  const int minutes = written ? digits_at(zone, 4, 2) : -1;
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (zone[0] == '-' ? -1 : 1) * (60 * hours + minutes);
}

/// Reads the time of day behind a date, as seconds since midnight in UTC.
std::optional<double> parse_time(std::string_view text, DateFormat& format) {
  format.time_separator = text[0];
  const int hour = digits_at(text, 1, 2), minute = digits_at(text, 4, 2);
  if ((text[0] != 'T' && text[0] != ' ') || hour < 0 || hour > 23 || text[3] != ':' || minute < 0 ||
      minute > 59)
    return std::nullopt;
  text.remove_prefix(6);
  double seconds = 3600.0 * hour + 60.0 * minute;
  if (text.starts_with(':')) {
    const int second = digits_at(text, 1, 2);
    if (second < 0 || second > 59) return std::nullopt;
    format.seconds = true;
    seconds += second;
    text.remove_prefix(3);
    if (text.starts_with('.')) {
      const auto is_end = [](char c) { return !is_digit(c); };
      const auto end = std::find_if(text.begin() + 1, text.end(), is_end);
      const auto count = static_cast<int>(end - text.begin()) - 1;
      if (count < 1 || count > 9) return std::nullopt;
      format.digits = std::min(count, kMostDigits);
      const double unit = std::pow(10.0, -count);
      seconds += unit * digits_at(text, 1, static_cast<std::size_t>(count));
      text.remove_prefix(static_cast<std::size_t>(count) + 1);
    }
  }
  const std::optional<int> ahead = zone_minutes(text);
  if (!ahead) return std::nullopt;
  format.zone = text;
  return seconds - 60.0 * *ahead;
}

}  // namespace

std::optional<DateTime> parse_date_time(std::string_view text) {
  if (text.size() < 10 || (text[4] != '-' && text[4] != '/') || text[7] != text[4])
    return std::nullopt;
  const int year = digits_at(text, 0, 4), month = digits_at(text, 5, 2),
            day = digits_at(text, 8, 2);
  if (year < 0 || month < 0 || day < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  DateTime result;
  result.format.date_separator = text[4];
  result.value = std::chrono::sys_days(date).time_since_epoch().count();
  if (text.size() == 10) return result;
  if (text.size() < 16) return std::nullopt;
  const std::optional<double> time = parse_time(text.substr(10), result.format);
  if (!time) return std::nullopt;
  result.value = kSecondsOfDay * result.value + *time;
  return result;
}

std::optional<DateFormat> common_format(const DateFormat& a, const DateFormat& b) {
  DateFormat longer = a.digits > b.digits ? a : b, other = a.digits > b.digits ? b : a;
  other.digits = longer.digits;
  if (longer != other) return std::nullopt;
  return longer;
}

std::string pattern_of(const DateFormat& format) {
  std::string pattern = fmt::format("YYYY{0}MM{0}DD", format.date_separator);
  if (format.time_separator == 0) return pattern;
  pattern += format.time_separator;
  pattern += format.seconds ? "HH:MM:SS" : "HH:MM";
  if (format.digits > 0) pattern += '.' + std::string(static_cast<std::size_t>(format.digits), 'f');
  return pattern + format.zone;
}

DateFormat date_format(const std::string& pattern) {
  // A date of this pattern has the format that is asked for.
  std::string example = pattern;
  const auto put = [&](std::size_t position, std::string_view letters, std::string_view digits) {
    if (example.compare(position, letters.size(), letters) == 0)
      example.replace(position, letters.size(), digits);
  };
  if (example.size() >= 10) put(0, "YYYY", "1970"), put(5, "MM", "01"), put(8, "DD", "01");
  if (example.size() >= 16) put(11, "HH", "00"), put(14, "MM", "00");
  if (example.size() >= 19) put(17, "SS", "00");
  std::replace(example.begin(), example.end(), 'f', '0');
  const std::optional<DateTime> date = parse_date_time(example);
  if (!date || pattern_of(date->format) != pattern)
    fail<DataError>("'{}': expected a format of dates, as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS.fffZ",
                    pattern);
  return date->format;
}

void append_date_time(std::string& text, double value, const DateFormat& format) {
  if (std::isnan(value)) return;
  const bool timed = format.time_separator != 0;
  const std::int64_t unit = std::llround(std::pow(10.0, format.digits));
  double days = std::round(value);
  std::int64_t ticks = 0;  // of the last place, since midnight
  if (timed) {
    const double local = value + 60.0 * zone_minutes(format.zone).value_or(0);
    const std::int64_t step = format.seconds ? 1 : 60 * unit;
    days = std::floor(local / kSecondsOfDay);
    const double seconds = local - kSecondsOfDay * days;
    ticks = step * std::llround(seconds * static_cast<double>(unit) / static_cast<double>(step));
    if (ticks >= 86400 * unit) {
      ticks -= 86400 * unit;
      days += 1.0;
    }
  }
  if (!(days >= kFirstDay && days <= kLastDay))
    fail<DataError>("{} {} since 1970: expected a date in the years 0 to 9999; bound the column",
                    value, timed ? "seconds" : "days");
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<std::int64_t>(days)))};
  const auto out = std::back_inserter(text);
  fmt::format_to(out, "{:04}{}{:02}{}{:02}", static_cast<int>(date.year()), format.date_separator,
                 static_cast<unsigned>(date.month()), format.date_separator,
                 static_cast<unsigned>(date.day()));
  if (!timed) return;
  const std::int64_t seconds = ticks / unit;
  fmt::format_to(out, "{}{:02}:{:02}", format.time_separator, seconds / 3600, seconds / 60 % 60);
  if (format.seconds) fmt::format_to(out, ":{:02}", seconds % 60);
  if (format.digits > 0) fmt::format_to(out, ".{:0{}}", ticks % unit, format.digits);
  text += format.zone;
}

}  // namespace thalweg

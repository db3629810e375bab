#include "thalweg/report/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "thalweg/report/plain_text.h"

namespace thalweg {
namespace {

std::string bar(double fraction, std::size_t cells, bool unicode) {
  const auto eighths = static_cast<std::size_t>(fraction * 8.0 * static_cast<double>(cells));
  std::string text;
  if (!unicode) {
    const std::size_t full = eighths / 8;
    return "[" + std::string(full, '#') + std::string(cells - full, ' ') + "]";
  }
  constexpr std::array<std::string_view, 8> kParts = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  for (std::size_t i = 0; i < eighths / 8; ++i) text += "█";
  text += kParts[eighths % 8];
  text.append(cells - text_width(text), ' ');
  return text;
}

}  // namespace

std::string format_duration(double seconds) {
  if (!(seconds >= 0.0) || seconds > 1e12) return "?";
  if (seconds < 0.9995) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  return fmt::format("{} d {:02} h", whole / 86400, whole % 86400 / 3600);
}

std::string format_count(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  const std::size_t sign = count < 0 ? 1 : 0;
  if (digits.size() - sign < 5) return digits;
  for (std::size_t i = digits.size(); i > sign + 3;) digits.insert(i -= 3, " ");
  return digits;
}

std::string number_text(double value, int decimals) {
  return std::abs(value) < 1e12 || std::isinf(value) ? fmt::format("{:.{}f}", value, decimals)
                                                     : fmt::format("{:.4g}", value);
}

std::string cell_text(double value, double error) {
  constexpr double kLeast = 4.0, kMost = 9.0;
  const double size = error > 0.0 ? 10.0 * error : std::abs(value);
  const double wanted = 2.0 - std::floor(std::log10(size));
  const int decimals =
      static_cast<int>(std::isfinite(wanted) ? std::clamp(wanted, kLeast, kMost) : kLeast);
  return error > 0.0 ? number_text(value, decimals) + " ± " + number_text(error, decimals)
                     : number_text(value, decimals);
}

bool environment_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string locale(value);
    std::transform(locale.begin(), locale.end(), locale.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

std::string fitted_text(std::string_view text, std::size_t width, bool unicode) {
  const std::string clean = clean_text(text);
  if (unicode || text_width(clean) <= width) return shorten(clean, width);
  if (width < 3) return std::string(width, '.');
  std::string kept = shorten(clean, width - 2);
  kept.resize(kept.size() - std::string_view("…").size());
  return kept + "...";
}

std::string progress_line(double fraction, std::string_view text, std::size_t width, bool unicode) {
  fraction = fraction > 0.0 ? std::min(fraction, 1.0) : 0.0;
  // Rounded down, so that 100 % means done.
  std::string line = fmt::format("{:3}%", static_cast<int>(fraction * 100.0));
  if (width >= 24) {
    const std::size_t cells = std::clamp<std::size_t>(width / 4, 6, 30);
    line += " " + bar(fraction, unicode ? cells : cells - 2, unicode);
  }
  const std::size_t used = text_width(line) + 1;
  if (!text.empty() && used < width) line += " " + fitted_text(text, width - used, unicode);
  return text_width(line) <= width ? line : std::string();
}

}  // namespace thalweg

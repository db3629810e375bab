#include "thalweg/runs/option_text.h"

#include <fmt/ranges.h>

#include <cmath>
#include <type_traits>

namespace thalweg {

namespace {

constexpr double kAny = 1e300;

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".einf") == std::string::npos) text += ".0";
  return text;
}

std::string range_text(double lowest, double highest) {
  const bool low = std::abs(lowest) < kAny, high = highest < kMany;
  if (low && high) return fmt::format(" from {} to {}", lowest, highest);
  if (low) return fmt::format(" of at least {}", lowest);
  if (high) return fmt::format(" of at most {}", highest);
  return "";
}

}  // namespace

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result + '"';
}

std::string value_text(const OptionPlace& place) {
  return std::visit(
      [](auto* value) -> std::string {
        using T = std::remove_reference_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, double>) {
          return real_text(*value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return quoted(*value);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::vector<std::string> parts;
          for (const std::string& part : *value) parts.push_back(quoted(part));
          return fmt::format("[{}]", fmt::join(parts, ", "));
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          std::vector<std::string> parts;
          for (const double part : *value) parts.push_back(real_text(part));
          return fmt::format("[{}]", fmt::join(parts, ", "));
        } else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
          return fmt::format("[{}]", fmt::join(*value, ", "));
        } else {
          return fmt::format("{}", *value);
        }
      },
      place);
}

std::string expectation(double lowest, double highest, const std::vector<std::string>& choices,
                        const OptionPlace& place) {
  const std::string range = range_text(lowest, highest);
  return std::visit(
      [&](auto* value) -> std::string {
        using T = std::remove_reference_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, bool>)
          return "true or false";
        else if constexpr (std::is_same_v<T, std::int64_t>)
          return "a whole number" + range;
        else if constexpr (std::is_same_v<T, double>)
          return "a number" + range;
        else if constexpr (std::is_same_v<T, std::string>)
          return choices.empty() ? "a text" : fmt::format("one of {}", fmt::join(choices, ", "));
        else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
          return fmt::format("a list of whole numbers{}, as [64, 64]", range);
        else if constexpr (std::is_same_v<T, std::vector<double>>)
          return fmt::format("a list of numbers{}", range);
        else
          return choices.empty() ? "a list of texts"
                                 : fmt::format("a list of any of {}", fmt::join(choices, ", "));
      },
      place);
}

std::string describe_options(std::string_view section) {
  RunOptions defaults;
  std::string text;
  for (const OptionKey& key : option_keys()) {
    if (!section.empty() &&
        !(std::string_view(key.path).starts_with(section) &&
          (key.path.size() == section.size() || key.path[section.size()] == '.')))
      continue;
    const OptionPlace place = key.place(defaults);
    text += fmt::format("  {:<28} {}\n  {:<28} {}; default {}\n", key.path, key.summary, "",
                        expectation(key, place), value_text(place));
  }
  return text;
}

}  // namespace thalweg

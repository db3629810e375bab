#include "thalweg/core/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace thalweg {

namespace {

/// Edit distance in quarters of an edit.
int distance(std::string_view name, std::string_view known) {
  if (!name.empty() && known.starts_with(name)) return static_cast<int>(known.size() - name.size());
  const std::size_t width = known.size() + 1;
  std::vector<int> cost((name.size() + 1) * width);
  for (std::size_t i = 0; i <= name.size(); ++i)
    for (std::size_t j = 0; j < width; ++j) {
      int& best = cost[i * width + j];
      if (i == 0 || j == 0) {
        best = 4 * static_cast<int>(i + j);
        continue;
      }
      best = std::min({cost[(i - 1) * width + j] + 4, cost[i * width + j - 1] + 4,
                       cost[(i - 1) * width + j - 1] + (name[i - 1] == known[j - 1] ? 0 : 4)});
      if (i > 1 && j > 1 && name[i - 1] == known[j - 2] && name[i - 2] == known[j - 1])
        best = std::min(best, cost[(i - 2) * width + j - 2] + 4);
      // The rest of an abbreviation.
      if (i == name.size()) best = std::min(best, cost[i * width + j - 1] + 1);
    }
  return cost.back();
}

/// What stands in the double quotes that open at `position`, which moves behind them; empty if none
/// open there, or they do not close.
std::string take_quoted(std::string_view text, std::size_t& position) {
  if (position >= text.size() || text[position] != '"') return {};
  std::string name;
  for (std::size_t i = position + 1; i < text.size(); ++i) {
    if (text[i] == '"' && (i + 1 == text.size() || text[i + 1] != '"')) {
      position = i + 1;
      return name;
    }
    if (text[i] == '"') ++i;
    name += text[i];
  }
  return {};
}

}  // namespace

std::string_view trim(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(" \t") + 1);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char letter : text)
    if (letter == separator)
      parts.emplace_back();
    else
      parts.back() += letter;
  return parts;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> parts;
  std::size_t position = 0;
  while (!text.empty() && position <= text.size()) {
    while (position < text.size() && text[position] == ' ') ++position;
    std::string part = take_quoted(text, position);
    const std::size_t kept = part.size();
    for (int depth = 0; position < text.size() && (text[position] != ',' || depth > 0);
         ++position) {
      if (text[position] == '[') ++depth;
      if (text[position] == ']') --depth;
      part += text[position];
    }
    while (part.size() > kept && part.back() == ' ') part.pop_back();
    parts.push_back(std::move(part));
    ++position;
  }
  return parts;
}

std::string nearest_name(std::string_view name, std::span<const std::string> known) {
  std::string best;
  // Beyond half the letters wrong, a suggestion misleads.
  int best_distance = std::max(8, static_cast<int>(2 * name.size()));
  for (const std::string& candidate : known) {
    const int edits = distance(name, candidate);
    if (edits <= best_distance && (best.empty() || edits < best_distance)) {
      best = candidate;
      best_distance = edits;
    }
  }
  return best;
}

std::string name_hint(std::string_view name, std::span<const std::string> known) {
  const std::string nearest = nearest_name(name, known);
  return nearest.empty() ? fmt::format("; known: {}", fmt::join(known, ", "))
                         : fmt::format("; did you mean '{}'?", nearest);
}

}  // namespace thalweg

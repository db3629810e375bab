// Suggestions for misspelt names in settings and messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace thalweg {

/// The known name with the fewest insertions, deletions, replacements and swaps of neighbours from
/// `name`, where what completes an abbreviation counts a quarter; empty if none is near.
std::string nearest_name(std::string_view name, std::span<const std::string> known);

/// "; did you mean 'X'?" for the nearest known name, or else "; known: A, B, C".
std::string name_hint(std::string_view name, std::span<const std::string> known);

}  // namespace thalweg

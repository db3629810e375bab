// Texts without blanks, lists in settings, and suggestions for misspelt names.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thalweg {

/// What `text` is without blanks and tabs around it.
std::string_view trim(std::string_view text);

/// The parts of `text` between separators, one more than there are of these.
std::vector<std::string> split(std::string_view text, char separator);

/// The parts of "a, b=[1, 2]" between commas that no bracket encloses, without blanks around them;
/// none of an empty text. A part may begin with a name in double quotes, which may hold commas and
/// brackets and, doubled, quotes: "\"a,b\"=0:1" is one part, a,b=0:1.
std::vector<std::string> split_list(std::string_view text);

/// The known name with the fewest insertions, deletions, replacements and swaps of neighbours from
/// `name`, where what completes an abbreviation counts a quarter; empty if none is near.
std::string nearest_name(std::string_view name, std::span<const std::string> known);

/// "; did you mean 'X'?" for the nearest known name, or else "; known: A, B, C".
std::string name_hint(std::string_view name, std::span<const std::string> known);

}  // namespace thalweg

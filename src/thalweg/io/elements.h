// Chemical elements by number and symbol.
#pragma once

#include <string_view>

namespace thalweg {

inline constexpr int kMostElements = 118;

/// The number of an element from its symbol, as "Cl", or its number as text; 0 for what is none.
int element_number(std::string_view text);

/// The symbol of an element's number; empty for a number that is none.
std::string_view element_symbol(int number);

}  // namespace thalweg

// Small helpers for names in settings and messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace thalweg {

/// Number of characters to insert, delete or replace to get from one string to the other.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known name that is nearest to `name`, for "did you mean"; the first among equals, "" if none
/// is known.
std::string nearest_name(std::string_view name, std::span<const std::string> known);

}  // namespace thalweg

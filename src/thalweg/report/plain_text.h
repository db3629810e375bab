// Text from users, such as names of columns, made safe for terminals, pictures and pages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace thalweg {

/// Valid UTF-8 on one line: control characters become spaces and bytes that are no UTF-8, or that
/// XML does not allow, become U+FFFD.
std::string clean_text(std::string_view text);

/// Number of code points of valid UTF-8; a terminal shows one column for each, wide East Asian and
/// combining characters excepted.
std::size_t text_width(std::string_view text);

/// The text itself if it has at most `width` code points, or else its beginning and an ellipsis.
std::string shorten(std::string_view text, std::size_t width);

}  // namespace thalweg

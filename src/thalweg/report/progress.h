// Durations, counts and progress bars as text. The library prints none of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thalweg {

/// "350 ms", "1.2 s", "12 s", "3 min 05 s", "2 h 10 min", "3 d 04 h"; "?" if negative or not
/// finite.
std::string format_duration(double seconds);

/// Digits in groups of three from 10 000 on: "1024", "20 000", "-1 000 000".
std::string format_count(std::int64_t count);

/// A number with `decimals` after the point, or in short with an exponent from 1e12 on.
std::string number_text(double value, int decimals);

/// A value with its standard error, "1.2345 ± 0.0067", or without one where `error` is 0, in the
/// cell of a table: four digits after the point, and as many more, up to nine, as give the error
/// two, or a value without one three.
std::string cell_text(double value, double error);

/// Whether the environment (LC_ALL, else LC_CTYPE, else LANG) asks for UTF-8. Not to be called
/// while another thread changes the environment.
bool environment_is_utf8();

/// The text without control characters, in at most `width` columns; "…" marks a cut, without
/// `unicode` "...".
std::string fitted_text(std::string_view text, std::size_t width, bool unicode);

/// One line of at most `width` columns, " 42% ████▌      text", without a line end. `fraction` is
/// clamped to [0, 1], NaN counts as 0; the text comes last and is shortened to fit; below 24
/// columns the bar is left out. Without `unicode` the bar is "[####    ]" and "..." marks a cut.
std::string progress_line(double fraction, std::string_view text, std::size_t width, bool unicode);

}  // namespace thalweg

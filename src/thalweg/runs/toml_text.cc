#include "thalweg/runs/toml_text.h"

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

/// A line of a text, from 1; empty beyond its end.
std::string_view line_of(std::string_view text, std::size_t number) {
  for (std::size_t line = 1; line < number; ++line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

}  // namespace

toml::table parse_toml(std::string_view text, const std::string& source) {
  try {
    return toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    const std::size_t number = error.source().begin.line;
    const std::string_view line = line_of(text, number);
    const bool empty = line.find_first_not_of(" \t\r") == std::string_view::npos;
    fail<ConfigError>(
        "{}:{}: this is not TOML: {}; expected key = value, [section] or # comment, each key once, "
        "texts in quotes, lists and tables closed",
        source, number, empty ? "the text ends too early" : fmt::format("'{}'", shown(line)));
  }
}

}  // namespace thalweg

// Parsing TOML, with errors in our own words.
#pragma once

#include <toml++/toml.h>

#include <string>
#include <string_view>

namespace thalweg {

/// The table that `text` holds; `source` names it in errors. Throws ConfigError, with the line and
/// what stands there, for what is not TOML.
toml::table parse_toml(std::string_view text, const std::string& source);

}  // namespace thalweg

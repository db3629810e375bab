// Columns by name, with errors that help.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace thalweg {

/// The number of the column that a setting names. Throws ConfigError, with a hint, if there is
/// none.
std::size_t column_number(const std::vector<std::string>& names, const std::string& name,
                          const char* key);

/// The numbers of the columns that a setting names; ConfigError as well for one named twice.
std::vector<std::size_t> column_numbers(const std::vector<std::string>& names,
                                        const std::vector<std::string>& wanted, const char* key);

}  // namespace thalweg

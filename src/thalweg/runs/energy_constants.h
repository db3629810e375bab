// Constants of a user's energy, from settings and files.
#pragma once

#include <string>
#include <vector>

#include "thalweg/targets/expression.h"

namespace thalweg {

/// The constants of `settings`, each as "a=2.5", "y=[1, 2, 3]" or "A=[[1, 2], [3, 4]]", and of a
/// file, if one is named: a .toml file of numbers, lists and matrices (rows within a list), or a
/// table as load_table reads, whose columns become lists. Throws ConfigError for what is none of
/// these, for names that are no names, and for one that occurs twice; DataError for files that
/// cannot be read.
std::vector<NamedConstant> read_constants(const std::vector<std::string>& settings,
                                          const std::string& file);

}  // namespace thalweg

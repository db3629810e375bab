#include "thalweg/datasets/column_names.h"

#include <algorithm>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"

namespace thalweg {

std::size_t column_number(const std::vector<std::string>& names, const std::string& name,
                          const char* key) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    fail<ConfigError>("{}: unknown column '{}'{}", key, name, name_hint(name, names));
  return static_cast<std::size_t>(found - names.begin());
}

std::vector<std::size_t> column_numbers(const std::vector<std::string>& names,
                                        const std::vector<std::string>& wanted, const char* key) {
  std::vector<std::size_t> numbers;
  for (const std::string& name : wanted) {
    numbers.push_back(column_number(names, name, key));
    if (std::count(numbers.begin(), numbers.end(), numbers.back()) > 1)
      fail<ConfigError>("{}: column '{}' is named twice", key, name);
  }
  return numbers;
}

}  // namespace thalweg

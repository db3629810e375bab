// The enumerators of an enumeration and the names of types, as the compiler knows them: a count
// that cannot be forgotten when one is added.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace thalweg::testing {

/// How the compiler (GCC, Clang) writes a template argument.
template <auto kValue>
constexpr std::string_view name_of_value() {
  const std::string_view whole = __PRETTY_FUNCTION__;
  const std::size_t start = whole.find("kValue = ") + 9;
  return whole.substr(start, whole.find_first_of(";]", start) - start);
}
template <typename Type>
constexpr std::string_view name_of_type() {
  const std::string_view whole = __PRETTY_FUNCTION__;
  const std::size_t start = whole.find("Type = ") + 7;
  return whole.substr(start, whole.find_first_of(";]", start) - start);
}

/// All enumerators of `Enum` from 0 to 255 with their names. A value without a name is written as a
/// cast, "(Enum)7".
template <typename Enum>
std::map<Enum, std::string> enumerators() {
  std::map<Enum, std::string> result;
  const auto add = [&]<std::size_t kNumber>() {
    constexpr auto kValue = static_cast<Enum>(kNumber);
    if constexpr (name_of_value<kValue>().front() != '(')
      result.emplace(kValue, name_of_value<kValue>());
  };
  [&]<std::size_t... kNumbers>(std::index_sequence<kNumbers...>) {
    (add.template operator()<kNumbers>(), ...);
  }
  (std::make_index_sequence<256>());
  return result;
}

}  // namespace thalweg::testing

// What an energy's text says, as a tree, before its names are looked up.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace thalweg::detail {

enum class TreeKind : std::uint8_t {
  kNumber,    ///< `number`
  kName,      ///< `name`, with the indices in its brackets as children
  kSum,       ///< of any number of children
  kNegative,  ///< of one child, as are kNot and kFunction
  kNot,
  kFunction,  ///< `name`, of one argument
  kMultiply,  ///< of two children, as are those up to kOr
  kDivide,
  kPower,
  kLess,
  kLessEqual,
  kEqual,
  kNotEqual,
  kAnd,
  kOr,
  kMany,    ///< `name` (min, max or logsumexp) of any number of children
  kRange,   ///< `name` (sum, product, min, max or logsumexp) over `index`: first, last, body
  kChoice,  ///< condition, value where it holds, value elsewhere
};

struct Tree {
  TreeKind kind = TreeKind::kNumber;
  std::size_t place = 0;  ///< in the text, of what is to blame if it cannot be
  double number = 0.0;
  std::string name = {}, index = {};
  std::vector<Tree> children = {};
};

/// Throws ConfigError with the place of what was not understood.
Tree parse_expression(std::string_view text);

/// Throws ConfigError: "energy: character 5, after 'x * ': " and what is wrong.
[[noreturn]] void fail_in_expression(std::string_view text, std::size_t place,
                                     const std::string& what);
/// The place itself, as people read it: "character 5, after 'x * '".
std::string place_in_expression(std::string_view text, std::size_t place);

}  // namespace thalweg::detail

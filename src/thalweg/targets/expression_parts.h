// An energy's tree with its names looked up and its constants worked out.
//
// A part under `sum(i, ...)` has a value for each i. Its loops are a set of bits, bit d for the
// index of depth d, and its values are numbered by the indices of its loops, the deepest running
// fastest.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/engine/graph.h"
#include "thalweg/targets/expression.h"
#include "thalweg/targets/expression_tree.h"

namespace thalweg::detail {

using Loops = std::uint32_t;

/// Numbers for each combination of the indices in `loops`.
struct LoopValues {
  Loops loops = 0;
  std::vector<double> values;
};

enum class PartKind : std::uint8_t { kConstant, kColumns, kOperation };

struct Part {
  PartKind kind = PartKind::kOperation;
  TreeKind operation = TreeKind::kNumber;
  std::string name;  ///< of a function
  std::size_t place = 0;
  Loops loops = 0;                    ///< on which its value depends
  LoopValues constant;                ///< of a constant
  std::vector<std::int32_t> columns;  ///< numbers of columns, one for each index
  int depth = 0;                      ///< kRange: of its index
  std::int64_t count = 0;             ///< kRange: values of its index
  std::vector<Part> children;         ///< kRange: the body alone
};

/// A function of one number.
struct ScalarFunction {
  std::string name;
  Value (*build)(Value);
  double (*evaluate)(double);
};
const std::vector<ScalarFunction>& scalar_functions();

/// How often indices run, by depth.
using Extents = std::vector<std::int64_t>;

/// Combinations of the indices of `loops`.
std::int64_t size_of(Loops loops, const Extents& extents);
/// The same values, repeated over the indices that `to` has besides.
LoopValues expanded(const LoopValues& from, Loops to, const Extents& extents);
/// What an operation makes of its children's values; for kRange of its body's.
LoopValues applied(const Part& part, const std::vector<LoopValues>& children,
                   const Extents& extents);

/// A value at one point and the part in which the first NaN came up, or null.
struct PointValue {
  LoopValues value;
  const Part* undefined = nullptr;
  std::vector<double> arguments = {};  ///< of that part, where it gave NaN
};
PointValue evaluate_at(const Part& part, std::span<const double> point, Extents& extents);

/// Parts and columns of an energy. Throws ConfigError with the place of a name or an index that
/// does not fit.
struct ResolvedExpression {
  Part energy;
  std::vector<std::string> columns;
};
ResolvedExpression resolve_expression(std::string_view text,
                                      const std::vector<std::string>& variables,
                                      const std::vector<NamedConstant>& constants);

/// The energy of points x (features x 1) in x's graph.
Value build_expression(const Part& energy, Value x);

}  // namespace thalweg::detail

// Expressions in plain numbers: constants worked out, and the value at one point.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "thalweg/targets/expression_parts.h"

namespace thalweg::detail {
namespace {

bool has_nan(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); });
}

double log_sum_exp(std::span<const double> values) {
  const double highest = *std::max_element(values.begin(), values.end());
  if (!std::isfinite(highest)) return highest;
  double sum = 0.0;
  for (const double value : values) sum += std::exp(value - highest);
  return highest + std::log(sum);
}

double combined(const Part& part, std::span<const double> a) {
  const auto truth = [](bool holds) { return holds ? 1.0 : 0.0; };
  switch (part.operation) {
    case TreeKind::kSum:
      return std::accumulate(a.begin(), a.end(), 0.0);
    case TreeKind::kNegative:
      return -a[0];
    case TreeKind::kNot:
      return truth(a[0] == 0.0);
    case TreeKind::kMultiply:
      return a[0] * a[1];
    case TreeKind::kDivide:
      return a[0] / a[1];
    case TreeKind::kPower:
      return std::pow(a[0], a[1]);
    case TreeKind::kLess:
      return truth(a[0] < a[1]);
    case TreeKind::kLessEqual:
      return truth(a[0] <= a[1]);
    case TreeKind::kEqual:
      return truth(a[0] == a[1]);
    case TreeKind::kNotEqual:
      return truth(a[0] != a[1]);
    case TreeKind::kAnd:
      return truth(a[0] != 0.0 && a[1] != 0.0);
    case TreeKind::kOr:
      return truth(a[0] != 0.0 || a[1] != 0.0);
    case TreeKind::kChoice:
      return a[0] != 0.0 ? a[1] : a[2];
    case TreeKind::kFunction:
      for (const ScalarFunction& function : scalar_functions())
        if (function.name == part.name) return function.evaluate(a[0]);
      break;
    case TreeKind::kMany:
    case TreeKind::kRange:
      if (part.name == "sum") return std::accumulate(a.begin(), a.end(), 0.0);
      if (part.name == "product")
        return std::accumulate(a.begin(), a.end(), 1.0, std::multiplies<>());
      if (std::any_of(a.begin(), a.end(), [](double v) { return std::isnan(v); })) break;
      if (part.name == "min") return *std::min_element(a.begin(), a.end());
      if (part.name == "max") return *std::max_element(a.begin(), a.end());
      return log_sum_exp(a);
    case TreeKind::kNumber:
    case TreeKind::kName:
      break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

std::int64_t size_of(Loops loops, const Extents& extents) {
  std::int64_t size = 1;
  for (std::size_t depth = 0; depth < extents.size(); ++depth)
    if (loops >> depth & 1u) size *= extents[depth];
  return size;
}

LoopValues expanded(const LoopValues& from, Loops to, const Extents& extents) {
  if (from.loops == to) return from;
  LoopValues result{to, std::vector<double>(static_cast<std::size_t>(size_of(to, extents)))};
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    // The indices of `to` at i, the deepest first, give the place in `from`.
    std::size_t rest = i, place = 0, stride = 1;
    for (std::size_t depth = extents.size(); depth-- > 0;) {
      if (!(to >> depth & 1u)) continue;
      const auto extent = static_cast<std::size_t>(extents[depth]);
      if (from.loops >> depth & 1u) {
        place += rest % extent * stride;
        stride *= extent;
      }
      rest /= extent;
    }
    result.values[i] = from.values[place];
  }
  return result;
}

LoopValues applied(const Part& part, const std::vector<LoopValues>& children,
                   const Extents& extents) {
  const bool range = part.operation == TreeKind::kRange;
  Loops loops = range ? Loops{1} << part.depth : 0;
  for (const LoopValues& child : children) loops |= child.loops;
  std::vector<LoopValues> all;
  all.reserve(children.size());
  for (const LoopValues& child : children) all.push_back(expanded(child, loops, extents));
  LoopValues result;
  std::vector<double> arguments;
  if (range) {
    result.loops = loops & ~(Loops{1} << part.depth);
    const auto count = static_cast<std::size_t>(part.count);
    for (std::size_t begin = 0; begin < all[0].values.size(); begin += count)
      result.values.push_back(combined(part, std::span(all[0].values).subspan(begin, count)));
    return result;
  }
  result.loops = loops;
  arguments.resize(all.size());
  for (std::int64_t i = 0; i < size_of(loops, extents); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k)
      arguments[k] = all[k].values[static_cast<std::size_t>(i)];
    result.values.push_back(combined(part, arguments));
  }
  return result;
}

PointValue evaluate_at(const Part& part, std::span<const double> point, Extents& extents) {
  if (part.kind == PartKind::kConstant) return {part.constant};
  if (part.kind == PartKind::kColumns) {
    PointValue result{{part.loops, {}}};
    for (const std::int32_t column : part.columns)
      result.value.values.push_back(point[static_cast<std::size_t>(column)]);
    return result;
  }
  const bool range = part.operation == TreeKind::kRange;
  if (range) extents.push_back(part.count);
  std::vector<LoopValues> children;
  PointValue result;
  for (const Part& child : part.children) {
    PointValue value = evaluate_at(child, point, extents);
    // A branch that is not taken may be undefined.
    if (result.undefined == nullptr) {
      result.undefined = value.undefined;
      result.arguments = value.arguments;
    }
    children.push_back(std::move(value.value));
  }
  result.value = applied(part, children, extents);
  if (range) extents.pop_back();
  if (!has_nan(result.value.values)) {
    result.undefined = nullptr;
  } else if (result.undefined == nullptr) {
    result.undefined = &part;
    const auto at = static_cast<std::size_t>(std::find_if(result.value.values.begin(),
                                                          result.value.values.end(),
                                                          [](double v) { return std::isnan(v); }) -
                                             result.value.values.begin());
    for (const LoopValues& child : children)
      if (!range)
        result.arguments.push_back(expanded(child, result.value.loops, extents).values[at]);
  }
  return result;
}

}  // namespace thalweg::detail

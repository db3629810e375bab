// A row of the table of primitives: operands, the graph, and a plain loop in double.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg::testing {

using Values = std::vector<Value>;

/// One operand or result of one sample.
struct Matrix {
  explicit Matrix(Shape of) : shape(of), elements(static_cast<std::size_t>(of.size())) {}
  double& operator()(std::int64_t feature, std::int64_t item) {
    return elements[static_cast<std::size_t>(feature * shape.items + item)];
  }
  double operator()(std::int64_t feature, std::int64_t item) const {
    return elements[static_cast<std::size_t>(feature * shape.items + item)];
  }
  /// With extents of 1 broadcast.
  double wide(std::int64_t feature, std::int64_t item) const {
    return (*this)(shape.features == 1 ? 0 : feature, shape.items == 1 ? 0 : item);
  }
  Shape shape;
  std::vector<double> elements;
};

/// A matrix of what `element` gives for a feature and an item.
template <typename Element>
Matrix made(Shape shape, Element element) {
  Matrix result(shape);
  for (std::int64_t f = 0; f < shape.features; ++f)
    for (std::int64_t i = 0; i < shape.items; ++i) result(f, i) = element(f, i);
  return result;
}

/// Which sample of how many.
struct Sample {
  std::int64_t number, count;
};

/// Draws element number `index` of an operand, counted through all samples.
using Draw = double (*)(RandomSequence& random, std::int64_t index);
inline double normal(RandomSequence& random, std::int64_t) { return random.normal(); }
inline double positive(RandomSequence& random, std::int64_t) { return 0.5 + random.uniform(); }
/// Clear of 0 and 1, where quantiles are steep.
inline double probability(RandomSequence& random, std::int64_t) {
  return 0.3 + 0.4 * random.uniform();
}
/// Clear of 0 by more than the differences move it.
inline double signed_unit(RandomSequence& random, std::int64_t) {
  return (0.5 + random.uniform()) * (random.uniform() < 0.5 ? -1.0 : 1.0);
}
/// Keeps a sum of it and of a few normal numbers clear of 0.
inline double far_from_zero(RandomSequence& random, std::int64_t index) {
  return 50.0 * signed_unit(random, index);
}
inline double flag(RandomSequence& random, std::int64_t) {
  return random.uniform() < 0.5 ? 0.0 : 1.0;
}
/// A whole number and one between two: never close to each other.
inline double whole(RandomSequence& random, std::int64_t) {
  return std::floor(5.0 * random.uniform());
}
inline double between(RandomSequence& random, std::int64_t) {
  return std::floor(5.0 * random.uniform()) - 0.5;
}
/// 1009 numbers that follow each other differ by 0.05 at least.
inline double apart(RandomSequence&, std::int64_t index) {
  return 0.05 * static_cast<double>(index * 389 % 1009) - 25.0;
}

struct Operand {
  Shape shape;
  bool batched = true;
  Draw draw = normal;
  bool moves = true;  ///< false: the derivative by it is 0, or not defined
};

struct Row {
  std::string name;
  std::vector<Operand> operands;
  std::function<Value(Graph&, const Values&)> build;
  std::function<Matrix(const std::vector<Matrix>&, Sample)> truth;
  bool summed = false;  ///< the truth is to be summed over the samples
};

inline std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }

inline constexpr Shape kFull = {3, 257};

}  // namespace thalweg::testing

// What the functions that add nodes share: checks of operands, with messages that name the scope
// and the shapes. Internal to the engine.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/graph.h"

namespace thalweg::detail {

std::string describe(const Node& node);

template <typename... Args>
[[noreturn]] void shape_fail(const Graph& graph, fmt::format_string<Args...> format,
                             Args&&... args) {
  const std::string where = graph.scope();
  fail<ShapeError>("{}{}{}", where, where.empty() ? "" : ": ",
                   fmt::format(format, std::forward<Args>(args)...));
}

/// The graph of an operand; refuses an empty one.
Graph& graph_of(Value a, const char* operation);

/// Domain of an operation on `operands`; refuses a mixture of graphs or of domains.
Domain common_domain(const char* operation, std::initializer_list<Value> operands);

/// The extent that operands `a` and `b` of extents `x` and `y` are broadcast to.
std::int64_t broadcast_extent(const Graph& graph, const char* operation, const Node& a,
                              const Node& b, std::int64_t x, std::int64_t y);
Shape broadcast_shape(const char* operation, Value a, Value b);

/// The number of a value whose elements are all the same constant, or null.
const double* uniform_constant(Value a);

/// A shared value of one number.
Value filled(Graph& graph, Shape shape, double number);

/// A node of one operand, of its shape and domain.
Node derived(Primitive primitive, Value a);

}  // namespace thalweg::detail

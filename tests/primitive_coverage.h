// Which primitives and elementwise functions a table of tests leaves out.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "enumerators.h"
#include "thalweg/engine/graph.h"

namespace thalweg::testing {

/// The alternatives of Primitive and the enumerators of Unary and Binary make the list, so one that
/// is added is missing until a graph has it.
class PrimitiveCoverage {
 public:
  PrimitiveCoverage() {
    [&]<std::size_t... kIndices>(std::index_sequence<kIndices...>) {
      (missing_.emplace(name_of_type<std::variant_alternative_t<kIndices, Primitive>>()), ...);
    }
    (std::make_index_sequence<std::variant_size_v<Primitive>>());
    for (const auto& [function, name] : unaries_) missing_.insert(name);
    for (const auto& [function, name] : binaries_) missing_.insert(name);
  }

  void add(const Graph& graph) {
    for (NodeId id = 0; id < graph.size(); ++id)
      std::visit(
          [&]<typename P>(const P& attributes) {
            missing_.erase(std::string(name_of_type<P>()));
            if constexpr (std::is_same_v<P, primitive::UnaryFunction>)
              missing_.erase(unaries_.at(attributes.function));
            if constexpr (std::is_same_v<P, primitive::BinaryFunction>)
              missing_.erase(binaries_.at(attributes.function));
          },
          graph.node(id).primitive);
  }

  /// Full names of what no graph had.
  const std::set<std::string>& missing() const { return missing_; }

 private:
  std::map<Unary, std::string> unaries_ = enumerators<Unary>();
  std::map<Binary, std::string> binaries_ = enumerators<Binary>();
  std::set<std::string> missing_;
};

}  // namespace thalweg::testing

#include "thalweg/engine/graph.h"

#include <algorithm>
#include <cmath>

#include "thalweg/engine/operation_checks.h"

namespace thalweg {

using detail::describe;
using detail::filled;
using detail::shape_fail;

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 6) + (hash >> 2);
  return hash * 0xff51afd7ed558ccdULL;
}

std::uint64_t bits_of(ExactNumber number) { return number.bits(); }
template <typename Function>
std::uint64_t bits_of(const std::shared_ptr<const Function>& function) {
  return reinterpret_cast<std::uintptr_t>(function.get());
}
template <typename T>
requires std::is_arithmetic_v<T> || std::is_enum_v<T> std::uint64_t bits_of(T value) {
  return static_cast<std::uint64_t>(value);
}
template <typename T>
std::uint64_t bits_of(const SharedList<T>& list) {
  std::uint64_t hash = list->size();
  for (const T& element : *list) hash = mix(hash, bits_of(element));
  return hash;
}

/// Stands for any attribute, to count those of a primitive.
struct AnyAttribute {
  template <typename T>
  operator T() const;
};

/// Takes in every attribute of a primitive, whatever their names.
template <typename P>
std::uint64_t mix_attributes(std::uint64_t hash, const P& attributes) {
  if constexpr (std::is_empty_v<P>) {
    return hash;
  } else if constexpr (requires { P{AnyAttribute(), AnyAttribute()}; }) {
    static_assert(!requires { P{AnyAttribute(), AnyAttribute(), AnyAttribute()}; });
    const auto& [first, second] = attributes;
    return mix(mix(hash, bits_of(first)), bits_of(second));
  } else {
    const auto& [only] = attributes;
    return mix(hash, bits_of(only));
  }
}

std::uint64_t hash_of(const Node& node) {
  std::uint64_t hash = node.primitive.index();
  for (const NodeId input : node.inputs) hash = mix(hash, static_cast<std::uint64_t>(input) + 1);
  hash = mix(hash, static_cast<std::uint64_t>(node.shape.features));
  hash = mix(hash, static_cast<std::uint64_t>(node.shape.items));
  hash = mix(hash, static_cast<std::uint64_t>(node.domain + 1));
  return std::visit([&](const auto& attributes) { return mix_attributes(hash, attributes); },
                    node.primitive);
}

}  // namespace

std::string Graph::scope() const { return fmt::format("{}", fmt::join(scopes_, " / ")); }

Value Graph::add(Node node) {
  const std::uint64_t hash = hash_of(node);
  const auto range = table_.equal_range(hash);
  for (auto entry = range.first; entry != range.second; ++entry)
    if (nodes_[static_cast<std::size_t>(entry->second)] == node) return {this, entry->second};
  const auto id = static_cast<NodeId>(nodes_.size());
  nodes_.push_back(std::move(node));
  table_.emplace(hash, id);
  return {this, id};
}

Domain Graph::add_domain(std::int64_t default_count) {
  default_counts_.push_back(default_count);
  return domains() - 1;
}

Value Graph::input(Shape shape, Domain domain) {
  if (shape.features < 1 || shape.items < 1 || domain < 0 || domain >= domains())
    shape_fail(
        *this,
        "input: expected extents of at least 1 and a domain below {}, got {} x {} in domain {}",
        domains(), shape.features, shape.items, domain);
  const auto slot = static_cast<std::int64_t>(inputs_.size());
  const Value value = add({primitive::Input{slot}, shape, domain, {}});
  inputs_.push_back(value.id);
  return value;
}

Value Graph::parameter(ParameterId id) {
  const ParameterInfo& info = parameters_->info(id);
  return add({primitive::Parameter{id.index}, {info.rows, info.columns}, kShared, {}});
}

Value Graph::constant(double value) { return filled(*this, {1, 1}, value); }

Value Graph::constant(Shape shape, std::vector<double> values) {
  if (shape.features < 1 || shape.items < 1 ||
      static_cast<std::int64_t>(values.size()) != shape.size())
    shape_fail(*this, "constant: expected {} x {} values, got {}", shape.features, shape.items,
               values.size());
  if (std::all_of(values.begin(), values.end(),
                  [&](double value) { return value == values.front(); }) &&
      !std::signbit(values.front()))
    return filled(*this, shape, values.front());
  std::vector<ExactNumber> elements;
  elements.reserve(values.size());
  for (const double value : values) elements.push_back({value});
  return add({primitive::Constant{SharedList(std::move(elements))}, shape, kShared, {}});
}

Value Graph::count(Domain domain) { return add({primitive::Count{domain}, {}, kShared, {}}); }

Value Graph::uniform(Shape shape, Domain domain) {
  return add({primitive::Uniform{streams_++}, shape, domain, {}});
}

Value Graph::normal(Shape shape, Domain domain) {
  return add({primitive::Normal{streams_++}, shape, domain, {}});
}

void Graph::update_buffer(ParameterId buffer, Value value) {
  const ParameterInfo& info = parameters_->info(buffer);
  if (value.batched() || value.shape() != Shape{info.rows, info.columns})
    shape_fail(*this, "buffer '{}': expected a shared value of {} x {}, got {}", info.name,
               info.rows, info.columns, describe(value.node()));
  updates_.push_back({buffer, value});
}

}  // namespace thalweg

// Graphs put together at random, for tests of the compiler: what single primitives do not show,
// such as buffers that are reused too early, views of views, and sums over the batch used by later
// passes.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg::testing {

/// A graph of some forty kinds of step, on two domains, with its own parameters.
class RandomGraph {
 public:
  explicit RandomGraph(std::uint64_t seed) : random_(seed, Stream::kTarget), graph_(store_) {
    const Domain other = graph_.add_domain();
    for (const Shape shape : {Shape{3, 1}, Shape{2, 3}, Shape{4, 2}})
      values_.push_back(graph_.input(shape));
    values_.push_back(graph_.input({3, 2}, other));
    values_.push_back(graph_.normal({3, 1}, other));
    values_.push_back(graph_.uniform({2, 3}));
    for (const Shape shape : {Shape{3, 1}, Shape{2, 3}, Shape{4, 3}, Shape{3, 3}})
      values_.push_back(graph_.parameter(
          store_.add(fmt::format("p{}", values_.size()), shape.features, shape.items, 0.0)));
    for (std::size_t i = 0; i < store_.infos().size(); ++i) {
      RandomSequence numbers(seed, Stream::kInitialisation, i);
      for (double& value : store_.values(ParameterId{static_cast<std::int32_t>(i)}))
        value = 0.7 * numbers.normal();
    }
  }

  Graph& graph() { return graph_; }

  /// Adds `steps` values and gives four of them as outputs.
  std::vector<Value> build(int steps) {
    while (steps > 0)
      if (const auto value = step()) {
        values_.push_back(*value);
        --steps;
      }
    std::vector<Value> outputs = {values_.back()};
    for (int i = 0; i < 3; ++i) outputs.push_back(pick());
    return outputs;
  }

 private:
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(bound)));
  }
  bool coin() { return below(2) == 0; }
  Axis axis() { return coin() ? Axis::kFeatures : Axis::kItems; }

  /// Any value so far, the latest ones more often.
  Value pick() {
    const auto count = static_cast<std::int64_t>(values_.size());
    const std::int64_t index =
        coin() ? below(count) : count - 1 - below(std::min<std::int64_t>(count, 5));
    return values_[static_cast<std::size_t>(index)];
  }

  /// The value moved off its kinks and ties, which rounding would decide otherwise than libtorch.
  Value generic(Value a) {
    const auto numbers = [&] {
      std::vector<double> result(static_cast<std::size_t>(a.shape().size()));
      for (double& number : result) number = random_.normal();
      return graph_.constant(a.shape(), result);
    };
    return a * numbers() + numbers();
  }

  static bool same_domain(Value a, Value b) {
    return !a.batched() || !b.batched() || a.domain() == b.domain();
  }
  static bool fit(Value a, Value b) {
    const auto fits = [](std::int64_t x, std::int64_t y) { return x == y || x == 1 || y == 1; };
    return same_domain(a, b) && fits(a.features(), b.features()) && fits(a.items(), b.items());
  }

  std::vector<std::int32_t> indices(std::int64_t bound) {
    std::vector<std::int32_t> result(static_cast<std::size_t>(1 + below(5)));
    for (auto& index : result) index = static_cast<std::int32_t>(below(bound));
    return result;
  }

  /// One more value, of moderate size, or nothing where the operands drawn do not fit.
  std::optional<Value> step() {
    const Value a = pick(), b = pick();
    const Axis along = axis();
    const std::int64_t size = a.shape().extent(along);
    switch (below(26)) {
      case 0:
        return tanh(a);
      case 1:
        return sin(a);
      case 2:
        return sigmoid(a);
      case 3:
        return softplus(a);
      case 4:
        return tanh(relu(generic(a)));
      case 5:
        return tanh(exp(tanh(a)));
      case 6:
      case 7:
        if (fit(a, b)) return a + b;
        break;
      case 8:
        if (fit(a, b)) return tanh(a) * b;
        break;
      case 9:
        if (fit(a, b)) return a / (2.0 + square(b));
        break;
      case 10:
        if (fit(a, b) && fit(b, a)) return maximum(generic(a), generic(b));
        break;
      case 11:
        if (fit(a, b)) return select(less(generic(a), graph_.constant(0.0)), a, b);
        break;
      case 12:
        return sum(sin(a), along);
      case 13:
        return max(generic(a), along);
      case 14:
        return sin(cumulative_sum(a, coin(), coin()));
      case 15:
        if (a.batched()) return batch_mean(a, a.domain());
        break;
      case 16: {
        Shape shape = a.shape();
        if (shape.features == 1) shape.features = 1 + below(3);
        if (shape.items == 1) shape.items = 1 + below(3);
        return broadcast(a, shape);
      }
      case 17:
        return coin() ? transpose(a) : reshape(a, {a.items(), a.features()});
      case 18: {
        const std::int64_t start = below(size);
        return slice(a, start, 1 + below(size - start), along);
      }
      case 19:
        if (size < 5) {
          const std::int64_t start = below(3);
          return pad(a, start, size + start + below(2), along);
        }
        break;
      case 20: {
        const Axis across = along == Axis::kFeatures ? Axis::kItems : Axis::kFeatures;
        if (size < 5 && same_domain(a, b) && a.shape().extent(across) == b.shape().extent(across))
          return coin() ? concat({a, b}, along) : concat({a, b, a}, along);
        break;
      }
      case 21:
        if (coin()) return take(a, indices(size), along);
        if (size < 5) {
          std::vector<std::int32_t> to;
          for (std::int64_t i = 0; i < size; ++i) to.push_back(static_cast<std::int32_t>(below(4)));
          return tanh(scatter_add(a, to, 4, along));
        }
        break;
      case 22: {
        const bool transposed = coin();
        if (!a.batched() && (transposed ? a.features() : a.items()) == b.features())
          return sin(dense(a, b, {}, transposed));
        break;
      }
      case 23:
        if (same_domain(a, b) && a.items() == b.items()) {
          const Domain domain = a.batched() ? a.domain() : b.batched() ? b.domain() : 0;
          return outer_sum(a, b, domain) / graph_.count(domain);
        }
        break;
      case 24:
        if (!a.batched() && a.features() == a.items() && a.items() < 5) {
          const std::vector<std::vector<double>> identities = {
              {1},
              {1, 0, 0, 1},
              {1, 0, 0, 0, 1, 0, 0, 0, 1},
              {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1}};
          const Value identity =
              graph_.constant(a.shape(), identities[static_cast<std::size_t>(a.items() - 1)]);
          return inverse(3.0 * identity + 0.4 * tanh(a));
        }
        break;
      case 25:
        return coin() ? softmax(a, along) : stop_gradient(a) * a;
      default:
        break;
    }
    return std::nullopt;
  }

  ParameterStore store_;
  RandomSequence random_;
  Graph graph_;
  std::vector<Value> values_;
};

}  // namespace thalweg::testing

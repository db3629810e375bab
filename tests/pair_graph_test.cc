// Graphs with values along pairs of items, put together at random: computed in strips by lists,
// they are what the same graphs are whose pairs are slices put together, which take no loops.
// Widths and pairs are more than one block of a chain and one round of a loop hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/passes.h"

namespace thalweg::testing {
namespace {

using List = std::vector<std::int32_t>;

/// The graph of a seed, by lists or by slices.
class PairGraph {
 public:
  PairGraph(std::uint64_t seed, bool lists)
      : random_(seed, Stream::kTarget), lists_(lists), graph_(store_) {
    items_ = 4 + below(3);
    pairs_ = items_ * (items_ - 1);
    for (std::int32_t apart = 1; apart < items_; ++apart)
      for (std::int32_t i = 0; i < items_; ++i) {
        receivers_.push_back(i);
        senders_.push_back(i + apart);
      }
    if (below(3) == 0)  // blocks of lists are no runs
      for (std::size_t i = receivers_.size() - 1; i > 0; --i) {
        const auto j = static_cast<std::size_t>(below(static_cast<std::int64_t>(i) + 1));
        std::swap(receivers_[i], receivers_[j]);
        std::swap(senders_[i], senders_[j]);
      }
    leaves_ = {graph_.input({3, items_}), graph_.input({2, pairs_})};
    nodes_ = {leaves_[0]};
    edges_ = {leaves_[1], take_items(nodes_[0], receivers_)};
  }

  /// Values, slopes by inputs and parameters, tangents, and slopes of these.
  std::vector<Value> build(int steps) {
    while (steps > 0)
      if (step()) --steps;
    std::vector<Value> values = {nodes_.back(), scattered(edges_.back(), receivers_, items_),
                                 sum(pick(edges_), Axis::kItems)};
    if (below(2) == 0) values.push_back(pick(edges_));
    Value energy = graph_.constant(0.0);
    for (const Value& value : values) energy = energy + sum(sin(value));
    std::vector<Value> outputs = values;
    const auto append = [&](const std::vector<Value>& more) {
      outputs.insert(outputs.end(), more.begin(), more.end());
    };
    append(vjp({energy}, {}, leaves_));
    std::vector<Value> parameters;
    for (std::size_t i = 0; i < store_.infos().size(); ++i)
      parameters.push_back(graph_.parameter({static_cast<std::int32_t>(i)}));
    append(gradient(batch_mean(energy), parameters));
    const std::vector<Value> tangents = jvp({values[0]}, {leaves_[0]}, {sin(leaves_[0])});
    append(tangents);
    append(vjp({sum(square(tangents[0]))}, {}, {leaves_[0]}));
    return outputs;
  }

  std::vector<std::vector<double>> inputs(std::int64_t batch) const {
    std::vector<std::vector<double>> result;
    RandomSequence numbers(3, Stream::kEvaluation);
    for (const Value& leaf : leaves_) {
      result.emplace_back(static_cast<std::size_t>(batch * leaf.shape().size()));
      for (double& value : result.back()) value = numbers.normal();
    }
    return result;
  }
  const Graph& graph() const { return graph_; }

 private:
  std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(bound)));
  }
  const Value& pick(const std::vector<Value>& values) {
    const auto count = static_cast<std::int64_t>(values.size());
    return values[static_cast<std::size_t>(
        std::max<std::int64_t>(0, count - 1 - below(std::min<std::int64_t>(count, 4))))];
  }
  std::int64_t width() {
    const std::vector<std::int64_t> widths = {1, 2, 8, 9, 17, 40, pairs_};
    return widths[static_cast<std::size_t>(below(std::ssize(widths)))];
  }

  Value take_items(Value v, const List& list) const {
    if (lists_) return take(v, list, Axis::kItems);
    std::vector<Value> parts;
    for (const std::int32_t i : list) parts.push_back(slice(v, i, 1, Axis::kItems));
    return concat(parts, Axis::kItems);
  }
  Value scattered(Value v, const List& list, std::int64_t extent) const {
    if (lists_) return scatter_add(v, list, extent, Axis::kItems);
    std::vector<Value> sums(static_cast<std::size_t>(extent), 0.0 * slice(v, 0, 1, Axis::kItems));
    for (std::size_t k = 0; k < list.size(); ++k) {
      Value& total = sums[static_cast<std::size_t>(list[k])];
      total = total + slice(v, static_cast<std::int64_t>(k), 1, Axis::kItems);
    }
    return concat(sums, Axis::kItems);
  }
  Value parameter(std::int64_t rows, std::int64_t columns) {
    std::vector<double> values(static_cast<std::size_t>(rows * columns));
    for (double& value : values) value = random_.normal() / std::sqrt(static_cast<double>(columns));
    return graph_.parameter(
        store_.add("p" + std::to_string(store_.infos().size()), rows, columns, values));
  }
  Value on_edges(Value node) {
    return below(2) == 0 ? take_items(node, receivers_)
                         : take_items(concat({node, node}, Axis::kItems), senders_);
  }

  /// Adds one value, of moderate size, or nothing where what was drawn does not fit.
  bool step() {
    const Value e = pick(edges_), other = pick(edges_), node = pick(nodes_);
    const bool fit = e.features() == other.features() || other.features() == 1;
    switch (below(16)) {
      case 0:
        edges_.push_back(tanh(e));
        return true;
      case 1:
        edges_.push_back(e * sigmoid(e));
        return true;
      case 2:
        if (fit) edges_.push_back(sin(e) + tanh(other));
        return fit;
      case 3:
        if (fit) edges_.push_back(tanh(e) * cos(other));
        return fit;
      case 4:
        if (fit) edges_.push_back(e + other);
        return fit && edges_.size() < 40;
      case 5:
      case 6:
        edges_.push_back(tanh(dense(parameter(width(), e.features()), e)));
        return true;
      case 7:
        if (e.features() + other.features() > 60) return false;
        edges_.push_back(tanh(concat({e, on_edges(node), other})));
        return true;
      case 8: {
        List order;  // backwards, or any
        for (std::int64_t i = e.features(); i-- > 0;)
          order.push_back(static_cast<std::int32_t>(below(2) == 0 ? i : below(e.features())));
        edges_.push_back(sin(take(e, order, Axis::kFeatures)));
        return true;
      }
      case 9: {
        List order;
        for (std::int64_t i = e.features(); i-- > 1;) order.push_back(static_cast<std::int32_t>(i));
        if (order.empty()) return false;
        edges_.push_back(exp(-square(take(e, order, Axis::kFeatures))));
        return true;
      }
      case 10:
        if (e.features() == 1) return false;
        edges_.push_back(slice(e, 1, e.features() - 1, Axis::kFeatures));
        return true;
      case 11:
        edges_.push_back(e + parameter(e.features(), pairs_));
        return true;
      case 12:
        edges_.push_back(sin(sum(e, Axis::kFeatures)));
        return true;
      case 13:
        nodes_.push_back(tanh(scattered(e, receivers_, items_)));
        return true;
      case 14: {
        const Value sent = scattered(e, senders_, 2 * items_);
        nodes_.push_back(sin(slice(sent, 0, items_, Axis::kItems) +
                             0.5 * slice(sent, items_, items_, Axis::kItems)));
        return true;
      }
      default:
        edges_.push_back(on_edges(
            below(2) == 0 ? node : tanh(dense(parameter(width(), node.features()), node))));
        return true;
    }
  }

  RandomSequence random_;
  bool lists_;
  ParameterStore store_;
  Graph graph_;
  std::int64_t items_ = 0, pairs_ = 0;
  List receivers_, senders_;
  std::vector<Value> leaves_, nodes_, edges_;
};

/// Blocks of rows of a chain's instructions take turns: whatever one of them writes, none may touch
/// in another row.
void expect_rows_apart(const detail::Pass& pass, const detail::Loop& loop, std::size_t begin,
                       std::int64_t round) {
  const auto end = begin + static_cast<std::size_t>(pass.instructions[begin].chain);
  std::map<std::int64_t, std::int64_t> written;  // element of the tile -> row
  for (const bool writes : {true, false})
    for (std::size_t i = begin; i < end; ++i) {
      const detail::Instruction& instruction = pass.instructions[i];
      for (const detail::Access* operand : instruction.operands()) {
        if (operand->space != detail::Space::kTile || operand->root < 0) continue;
        if (writes != (operand == &instruction.out)) continue;
        std::int64_t offset = operand->offset;
        if (operand->table >= 0)
          offset += pass.tables[static_cast<std::size_t>(operand->table)]
                               [static_cast<std::size_t>(round % loop.rounds)];
        for (std::int64_t row = 0; row < instruction.extent.middle; ++row)
          for (std::int64_t k = 0; k < instruction.extent.inner; ++k) {
            const std::int64_t element = offset + row * operand->middle + k * operand->inner;
            const auto found = writes ? written.emplace(element, row).first : written.find(element);
            if (found == written.end()) continue;
            ASSERT_EQ(found->second, row) << "instruction " << i - begin << " of a chain";
          }
      }
    }
}

TEST(PairGraph, StripsAreWhatSlicesGive) {
  constexpr std::int64_t kBatch = 5;
  int long_chains = 0, rounds = 0;
  for (std::uint64_t seed = 0; seed < 150; ++seed)
    for (const std::int64_t lanes : {0, 64}) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", lanes " + std::to_string(lanes));
      const int steps = 5 + static_cast<int>(seed % 12);
      PairGraph strips(seed, true), slices(seed, false);
      const std::vector<Value> outputs = strips.build(steps),
                               expected_outputs = slices.build(steps);
      const auto inputs = strips.inputs(kBatch);
      const auto found = run_graph<double>(strips.graph(), outputs, inputs, {kBatch}, 1, lanes);
      const auto expected =
          run_graph<double>(slices.graph(), expected_outputs, inputs, {kBatch}, 1, 16);
      ASSERT_EQ(found.size(), expected.size());
      for (std::size_t i = 0; i < found.size(); ++i)
        for (std::size_t k = 0; k < found[i].size(); ++k)
          ASSERT_NEAR(found[i][k], expected[i][k], 1e-9 * (1.0 + std::abs(expected[i][k])))
              << "output " << i << ", " << k;
      for (const auto& level : detail::compile(strips.graph(), outputs, lanes).passes)
        for (const detail::Pass& pass : level)
          for (const detail::Loop& loop : pass.loops) {
            if (loop.rounds > 2) ++rounds;
            for (std::size_t at = loop.begin; at < loop.end; ++at)
              if (pass.instructions[at].chain > 1 &&
                  pass.instructions[at].extent.middle * pass.instructions[at].extent.inner > 4096) {
                ++long_chains;
                expect_rows_apart(pass, loop, at, static_cast<std::int64_t>(seed));
              }
          }
    }
  EXPECT_GT(long_chains, 100);
  EXPECT_GT(rounds, 100);
}

// Rows that are read backwards across those of two instructions of one buffer.
TEST(PairGraph, RowsMayBeReadBackwards) {
  List receivers, backwards;
  for (int k = 0; k < 12; ++k) receivers.push_back(k % 4);
  for (int i = 16; i >= 1; --i) backwards.push_back(i);
  const ParameterStore store;
  Graph graph(store);
  const Value x = graph.input({16, 4});
  const Value pairs = take(x, receivers, Axis::kItems);
  const Value both = concat({tanh(pairs), sin(pairs)});
  const Value y =
      scatter_add(exp(take(both, backwards, Axis::kFeatures)), receivers, 4, Axis::kItems);
  std::vector<double> numbers(3 * 64);
  RandomSequence random(7, Stream::kEvaluation);
  for (double& number : numbers) number = random.normal();
  const auto found = run_graph<double>(graph, {y}, {numbers}, {3}, 1, 64)[0];
  for (std::size_t sample = 0; sample < 3; ++sample)
    for (std::size_t item = 0; item < 4; ++item)
      for (std::size_t i = 0; i < 16; ++i) {
        const auto at = [&](std::size_t feature) {
          return numbers[sample * 64 + feature * 4 + item];
        };
        const double value = i == 0 ? std::sin(at(0)) : std::tanh(at(16 - i));
        ASSERT_NEAR(found[sample * 64 + i * 4 + item], 3.0 * std::exp(value), 1e-12)
            << sample << " " << item << " " << i;
      }
}

}  // namespace
}  // namespace thalweg::testing

// Values along index lists, computed in strips: against the same mathematics pair by pair.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "run_graph.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/passes.h"

namespace thalweg::testing {
namespace {

constexpr std::int64_t kItems = 7;

using List = std::vector<std::int32_t>;

/// All ordered pairs of items: by the distance of their numbers, so that blocks are runs, or in
/// disorder.
struct Pairs {
  List receivers, senders;
};
Pairs ring_pairs() {
  Pairs pairs;
  for (std::int32_t offset = 1; offset < kItems; ++offset)
    for (std::int32_t i = 0; i < kItems; ++i) {
      pairs.receivers.push_back(i);
      pairs.senders.push_back(i + offset);
    }
  return pairs;
}
Pairs shuffled_pairs() {
  const Pairs ring = ring_pairs();
  Pairs pairs;
  for (std::size_t k = 0; k < ring.receivers.size(); ++k) {
    const std::size_t from = k * 17 % ring.receivers.size();
    pairs.receivers.push_back(ring.receivers[from]);
    pairs.senders.push_back(ring.senders[from]);
  }
  return pairs;
}

/// Two rounds of messages between items, and what they end in.
class Messages {
 public:
  Messages(ParameterStore& store, std::int64_t hidden) : hidden_(hidden) {
    std::mt19937 random(5);
    const double scale = 0.6 * std::sqrt(5.0 / static_cast<double>(hidden));
    const auto weights = [&](const char* name, std::int64_t rows, std::int64_t columns) {
      std::vector<double> values(static_cast<std::size_t>(rows * columns));
      for (double& value : values) value = std::normal_distribution(0.0, scale)(random);
      return store.add(name, rows, columns, values);
    };
    receiver_ = weights("receiver", hidden, 2);
    sender_ = weights("sender", hidden, 2);
    distance_ = weights("distance", hidden, 1);
    bias_ = weights("bias", hidden, 1);
    second_ = weights("second", hidden, hidden);
    gate_ = weights("gate", 1, hidden);
    update_ = weights("update", 2, hidden);
  }

  /// By lists; `doubled` writes the items twice, so that the senders of a ring are runs.
  std::vector<Value> by_lists(Value x, Value h, const Pairs& pairs) const {
    return rounds(x, h, [&](Value y, Value g, std::vector<Value>& kept) {
      const auto twice = [](Value v) { return concat({v, v}, Axis::kItems); };
      const Value apart =
          take(y, pairs.receivers, Axis::kItems) - take(twice(y), pairs.senders, Axis::kItems);
      const Value square_distance = sum(square(apart), Axis::kFeatures);
      kept.push_back(square_distance);
      Graph& graph = *x.graph;
      const Value pre =
          take(dense(graph.parameter(receiver_), g), pairs.receivers, Axis::kItems) +
          take(twice(dense(graph.parameter(sender_), g)), pairs.senders, Axis::kItems) +
          dense(graph.parameter(distance_), square_distance, graph.parameter(bias_));
      const Value message = gated(pre);
      kept.push_back(sum(message, Axis::kItems));
      const Value pull = apart * sum(message, Axis::kFeatures);
      const Value sent = scatter_add(message, pairs.senders, 2 * kItems, Axis::kItems);
      return std::pair{scatter_add(message, pairs.receivers, kItems, Axis::kItems) +
                           slice(sent, 0, kItems, Axis::kItems) * 0.5 +
                           slice(sent, kItems, kItems, Axis::kItems) * 0.5,
                       scatter_add(pull, pairs.receivers, kItems, Axis::kItems)};
    });
  }

  /// The same by loops over pairs, in the order of `pairs`.
  std::vector<Value> by_pairs(Value x, Value h, const Pairs& pairs) const {
    return rounds(x, h, [&](Value y, Value g, std::vector<Value>& kept) {
      Graph& graph = *x.graph;
      const auto item = [](Value v, std::int64_t i) {
        return slice(v, i % kItems, 1, Axis::kItems);
      };
      const Value zero = graph.constant(0.0);
      std::vector<Value> received(kItems, broadcast(zero, {hidden_, 1}));
      std::vector<Value> sent = received;
      std::vector<Value> pulls(kItems, broadcast(zero, {2, 1}));
      std::vector<Value> distances;
      Value total = zero;
      for (std::size_t k = 0; k < pairs.receivers.size(); ++k) {
        const auto i = static_cast<std::size_t>(pairs.receivers[k]);
        const auto j = static_cast<std::size_t>(pairs.senders[k] % kItems);
        const Value apart = item(y, pairs.receivers[k]) - item(y, pairs.senders[k]);
        const Value square_distance = sum(square(apart), Axis::kFeatures);
        distances.push_back(square_distance);
        const Value message =
            gated(dense(graph.parameter(receiver_), item(g, pairs.receivers[k])) +
                  dense(graph.parameter(sender_), item(g, pairs.senders[k])) +
                  dense(graph.parameter(distance_), square_distance, graph.parameter(bias_)));
        total = total + message;
        received[i] = received[i] + message;
        sent[j] = sent[j] + message;
        pulls[i] = pulls[i] + apart * sum(message, Axis::kFeatures);
      }
      kept.push_back(concat(distances, Axis::kItems));
      kept.push_back(total);
      return std::pair{concat(received, Axis::kItems) + concat(sent, Axis::kItems) * 0.5,
                       concat(pulls, Axis::kItems)};
    });
  }

 private:
  Value gated(Value pre) const {
    Graph& graph = *pre.graph;
    const Value m = tanh(dense(graph.parameter(second_), pre * sigmoid(pre)));
    return m * sigmoid(dense(graph.parameter(gate_), m));
  }

  template <typename Round>
  std::vector<Value> rounds(Value x, Value h, Round round) const {
    std::vector<Value> kept;
    for (int count = 0; count < 2; ++count) {
      const auto [received, pull] = round(x, h, kept);
      h = h + dense(x.graph->parameter(update_), tanh(received));
      x = x + pull * 0.3;
    }
    kept.insert(kept.begin(), {x, h});
    return kept;
  }

  std::int64_t hidden_;
  ParameterId receiver_, sender_, distance_, bias_, second_, gate_, update_;
};

/// Values, gradients by parameters and inputs, tangents, and the gradient through a tangent.
std::vector<std::vector<double>> everything(bool lists, const Pairs& pairs, std::int64_t batch,
                                            std::int64_t lanes, std::int64_t hidden) {
  ParameterStore store;
  const Messages messages(store, hidden);
  Graph graph(store);
  const Value x = graph.input({2, kItems});
  const Value h = graph.input({2, kItems});
  const Value direction = graph.input({2, kItems});
  const std::vector<Value> values =
      lists ? messages.by_lists(x, h, pairs) : messages.by_pairs(x, h, pairs);
  std::vector<Value> parameters;
  for (std::size_t i = 0; i < store.infos().size(); ++i)
    parameters.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
  Value energy = sum(square(values[0])) + sum(sin(values[1]));
  for (std::size_t i = 2; i < values.size(); ++i) energy = energy + sum(tanh(values[i]));
  std::vector<Value> outputs = values;
  const auto append = [&](const std::vector<Value>& more) {
    outputs.insert(outputs.end(), more.begin(), more.end());
  };
  append(vjp({energy}, {}, {x, h}));
  append(gradient(batch_mean(energy), parameters));
  const std::vector<Value> tangents = jvp({values[0], values[1]}, {x}, {direction});
  append(tangents);
  append(gradient(batch_mean(sum(tangents[0] * tangents[0]) + sum(tangents[1])), parameters));
  std::mt19937 random(11);
  std::vector<std::vector<double>> inputs(3);
  for (auto& input : inputs)
    for (std::int64_t i = 0; i < batch * 2 * kItems; ++i)
      input.push_back(std::normal_distribution()(random));
  return run_graph<double>(graph, outputs, inputs, {batch}, 1, lanes);
}

void expect_near(const std::vector<std::vector<double>>& a,
                 const std::vector<std::vector<double>>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].size(), b[i].size());
    for (std::size_t k = 0; k < a[i].size(); ++k)
      ASSERT_NEAR(a[i][k], b[i][k], 1e-11 * (1.0 + std::abs(b[i][k])))
          << "output " << i << ", " << k;
  }
}

TEST(Strips, AreWhatPairsGive) {
  for (const bool ring : {true, false})
    for (const std::int64_t batch : {1, 37})
      for (const std::int64_t lanes : {16, 64}) {
        SCOPED_TRACE(std::string(ring ? "ring" : "shuffled") + ", batch " + std::to_string(batch) +
                     ", lanes " + std::to_string(lanes));
        const Pairs pairs = ring ? ring_pairs() : shuffled_pairs();
        expect_near(everything(true, pairs, batch, lanes, 5),
                    everything(false, pairs, batch, lanes, 5));
      }
}

// Values of more rows than one block of a chain: buffers within a chain lay over each other.
TEST(Strips, OfManyFeaturesAreWhatPairsGive) {
  for (const bool ring : {true, false}) {
    SCOPED_TRACE(ring ? "ring" : "shuffled");
    const Pairs pairs = ring ? ring_pairs() : shuffled_pairs();
    expect_near(everything(true, pairs, 3, 64, 40), everything(false, pairs, 3, 64, 40));
  }
}

/// Names no more than what the sums need: memory does not grow with the number of pairs.
TEST(Strips, NeedMemoryForItemsAlone) {
  const auto tile = [](std::int64_t items) {
    ParameterStore store;
    const ParameterId weights = store.add("weights", 64, 3, std::vector<double>(192, 0.1));
    const ParameterId second = store.add("second", 64, 64, std::vector<double>(4096, 0.01));
    Graph graph(store);
    const Value x = graph.input({3, items});
    List receivers, senders;
    for (std::int32_t offset = 1; offset < items; ++offset)
      for (std::int32_t i = 0; i < items; ++i) {
        receivers.push_back(i);
        senders.push_back(i + offset);
      }
    const Value apart = take(x, receivers, Axis::kItems) -
                        take(concat({x, x}, Axis::kItems), senders, Axis::kItems);
    const Value message =
        tanh(dense(graph.parameter(second), tanh(dense(graph.parameter(weights), apart))));
    const Value loss =
        batch_mean(sum(square(scatter_add(message, receivers, items, Axis::kItems))));
    const auto gradients = gradient(loss, {graph.parameter(weights), graph.parameter(second)});
    return Program<float>(graph, {loss, gradients[0], gradients[1]}, 16).tile_bytes();
  };
  // 30 items have 870 pairs, 15 have 210: four times as many.
  EXPECT_LT(tile(30), 1.7 * static_cast<double>(tile(15)));
  EXPECT_LT(tile(30), 64 * 16 * 4 * 30 * 12);
}

TEST(Strips, RunsOfAnIndexList) {
  using detail::runs_of;
  EXPECT_TRUE(runs_of({0, 1, 2, 5, 6, 7}, 3));
  EXPECT_FALSE(runs_of({0, 1, 2, 5, 6, 7}, 2));
  EXPECT_FALSE(runs_of({0, 1, 2, 5, 6, 7}, 6));
  EXPECT_TRUE(runs_of({4, 2, 0}, 1));
}

}  // namespace
}  // namespace thalweg::testing

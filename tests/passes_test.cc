// The passes of the compiler, each by itself and together: what is computed when, what costs no
// instruction, what is computed by one, and where it is kept.
#include "thalweg/engine/passes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "enumerators.h"
#include "random_graph.h"
#include "run_graph.h"
#include "small_graph.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::detail {
namespace {

using Names = std::vector<std::string>;
using Values = std::vector<Value>;
using Fixture = testing::SmallGraph;
using testing::run_graph;

constexpr std::int64_t kLanes = 16;

/// The operation of an instruction, an elementwise function by its own name: "kExp", "Load".
std::string name_of(const Instruction& instruction) {
  static const std::map<Unary, std::string> unaries = testing::enumerators<Unary>();
  static const std::map<Binary, std::string> binaries = testing::enumerators<Binary>();
  const std::string whole = std::visit(
      []<typename O>(const O& o) -> std::string {
        if constexpr (std::is_same_v<O, operation::UnaryFunction>)
          return unaries.at(o.function);
        else if constexpr (std::is_same_v<O, operation::BinaryFunction>)
          return binaries.at(o.function);
        else
          return std::string(testing::name_of_type<O>());
      },
      instruction.operation);
  return whole.substr(whole.rfind(':') + 1);
}

Names names_of(const std::vector<Instruction>& instructions) {
  Names names;
  for (const Instruction& instruction : instructions) names.push_back(name_of(instruction));
  return names;
}

/// The instructions of a program of one sweep, in order.
Names sweep_of(const Graph& graph, const Values& outputs) {
  const CompiledProgram program = compile(graph, outputs, kLanes);
  EXPECT_EQ(program.passes.front().size(), 1U);
  return names_of(program.passes.front().front().instructions);
}

// --- Schedule

TEST(Schedule, GivesStagesBeforeBetweenAndAfterSweeps) {
  Fixture f;
  const Value weight = exp(f.bias);                       // shared, before the batch
  const Value product = weight * f.x;                     // batched
  const Value mean = batch_mean(product);                 // waits for the whole batch
  const Value centred = product - mean;                   // batched again
  const Value spread = log(batch_mean(square(centred)));  // shared, after the batch
  const Schedule schedule = make_schedule(f.graph, {spread, centred});
  const auto level = [&](Value value) { return schedule.level[at(value.id)]; };
  EXPECT_EQ(level(weight), 0);
  EXPECT_EQ(level(product), 0);
  EXPECT_EQ(level(mean), 1);
  EXPECT_EQ(level(centred), 1);
  EXPECT_EQ(level(spread), 2);
  EXPECT_EQ(schedule.last_level, 2);
  const Value first_sum = batch_sum(product);
  const Value second_sum = batch_sum(square(centred));
  using Sweeps = decltype(schedule.sweeps);
  EXPECT_EQ(schedule.sweeps,
            (Sweeps{{{0, 0}, {first_sum.id}}, {{1, 0}, {second_sum.id, centred.id}}}));

  const CompiledProgram program = compile(f.graph, {spread, centred}, kLanes);
  ASSERT_EQ(program.stages.size(), 3U);
  EXPECT_EQ(names_of(program.stages[0].instructions), (Names{"kExp"}));
  EXPECT_EQ(names_of(program.stages[1].instructions), (Names{"kDivide"}));
  EXPECT_EQ(names_of(program.stages[2].instructions), (Names{"kDivide", "kLog"}));
  ASSERT_EQ(program.passes.size(), 3U);
  EXPECT_EQ(program.passes[0].size(), 1U);
  EXPECT_EQ(program.passes[1].size(), 1U);
  EXPECT_EQ(program.passes[2].size(), 0U);
  // The product is computed anew in the second sweep: sweeps keep nothing of each other.
  EXPECT_EQ(names_of(program.passes[0][0].instructions),
            (Names{"Load", "kMultiply", "AddLanePartials"}));
  EXPECT_EQ(names_of(program.passes[1][0].instructions),
            (Names{"Load", "kMultiply", "kSubtract", "Store", "kSquare", "AddLanePartials"}));
}

TEST(Schedule, OfAStandardisedBatchGivesItsNumbers) {
  Fixture f;
  const Value product = exp(f.bias) * f.x;
  const Value centred = product - batch_mean(product);
  const Value spread = batch_mean(square(centred));
  constexpr std::int64_t kCount = 37;
  RandomSequence random(1, Stream::kTarget);
  std::vector<double> rows(4 * kCount);
  for (double& row : rows) row = random.normal();
  const auto results = run_graph(f.graph, {spread, centred}, {rows, rows, rows}, {kCount}, 1, 16);
  const std::vector<double> bias = {0.1, -0.2, 0.3, 0.4};
  for (std::size_t i = 0; i < 4; ++i) {
    double mean = 0.0, variance = 0.0;
    for (std::size_t s = 0; s < kCount; ++s) mean += std::exp(bias[i]) * rows[4 * s + i] / kCount;
    for (std::size_t s = 0; s < kCount; ++s) {
      const double difference = std::exp(bias[i]) * rows[4 * s + i] - mean;
      EXPECT_NEAR(results[1][4 * s + i], difference, 1e-13);
      variance += difference * difference / kCount;
    }
    EXPECT_NEAR(results[0][i], variance, 1e-13);
  }
}

TEST(Schedule, MovesASumThatNothingWaitsForToASweepThatIsNeededAnyway) {
  Fixture f;
  const Value centred = f.x - batch_mean(f.x);
  const Value late = batch_sum(exp(f.x));  // could run in the first sweep
  const Schedule schedule = make_schedule(f.graph, {batch_sum(square(centred)), late});
  const auto& second = schedule.sweeps.at({1, 0});
  EXPECT_EQ(std::count(second.begin(), second.end(), late.id), 1);
  EXPECT_EQ(schedule.sweeps.at({0, 0}).size(), 1U);
  // Where another sum waits for it, it has to stay.
  const Value early = batch_sum(exp(f.x));
  const Schedule waiting = make_schedule(f.graph, {batch_sum(square(f.x - early))});
  EXPECT_EQ(waiting.sweeps.at({0, 0}), (std::vector<NodeId>{early.id}));
}

TEST(Schedule, KeepsDomainsApart) {
  Fixture f;
  const Domain other = f.graph.add_domain();
  const Value u = f.graph.input({4, 1}, other);
  const Value mean = batch_mean(u, other);
  const Value output = f.x * mean;
  const Schedule schedule = make_schedule(f.graph, {output});
  using Sweeps = decltype(schedule.sweeps);
  EXPECT_EQ(schedule.sweeps,
            (Sweeps{{{0, other}, {batch_sum(u, other).id}}, {{1, 0}, {output.id}}}));
  const std::vector<char> nodes = nodes_of_sweep(f.graph, 0, {output.id});
  EXPECT_EQ(nodes[at(f.x.id)], 1);
  EXPECT_EQ(nodes[at(u.id)], 0);
}

TEST(Schedule, DropsNodesThatNoOutputNeeds) {
  Fixture f;
  const Value wanted = exp(f.x);
  const Value dead = sin(tanh(f.x) + f.y);
  const Value dead_shared = exp(f.bias);
  const Value dead_sum = batch_sum(f.z);
  const Schedule schedule = make_schedule(f.graph, {wanted});
  for (const Value& value : {dead, dead_shared, dead_sum, f.y, f.bias})
    EXPECT_EQ(schedule.needed[at(value.id)], 0);
  EXPECT_EQ(std::count(schedule.needed.begin(), schedule.needed.end(), 1), 2);
  const CompiledProgram program = compile(f.graph, {wanted}, kLanes);
  ASSERT_EQ(program.stages.size(), 1U);
  EXPECT_EQ(names_of(program.stages[0].instructions), Names{});
  EXPECT_EQ(sweep_of(f.graph, {wanted}), (Names{"Load", "kExp", "Store"}));
}

TEST(Schedule, ComputesCommonNodesOnce) {
  Fixture f;
  EXPECT_EQ(sweep_of(f.graph, {exp(f.x) + exp(f.x) * f.y}),
            (Names{"Load", "Load", "kExp", "MultiplyAdd", "Store"}));
}

// --- Fusion

using Finish = operation::MatrixProduct::Finish;

/// The matrix products of the first sweep.
std::vector<operation::MatrixProduct> products_of(const Graph& graph, const Values& outputs) {
  std::vector<operation::MatrixProduct> products;
  const CompiledProgram program = compile(graph, outputs, kLanes);
  for (const Instruction& instruction : program.passes.front().front().instructions)
    if (const auto* product = std::get_if<operation::MatrixProduct>(&instruction.operation))
      products.push_back(*product);
  return products;
}

TEST(Fusion, TakesBiasAndReluIntoTheMatrixProduct) {
  Fixture f;
  const Values outputs = {relu(dense(f.square, f.x, f.bias))};
  EXPECT_EQ(sweep_of(f.graph, outputs), (Names{"Load", "MatrixProduct", "Store"}));
  const auto products = products_of(f.graph, outputs);
  EXPECT_TRUE(products.at(0).bias);
  EXPECT_EQ(products.at(0).finish, Finish::kRelu);
}

TEST(Fusion, TakesTheMaskOfReluIntoTheMatrixProduct) {
  Fixture f;
  const Values outputs = {binary(Binary::kMultiplyStep, dense(f.square, f.x), f.y)};
  EXPECT_EQ(sweep_of(f.graph, outputs), (Names{"Load", "Load", "MatrixProduct", "Store"}));
  const auto products = products_of(f.graph, outputs);
  EXPECT_FALSE(products.at(0).bias);
  EXPECT_EQ(products.at(0).finish, Finish::kMask);
}

TEST(Fusion, MultipliesAndAddsInOneInstruction) {
  Fixture f;
  const Names expected = {"Load", "Load", "Load", "MultiplyAdd", "Store"};
  EXPECT_EQ(sweep_of(f.graph, {f.x * f.y + f.z}), expected);
  EXPECT_EQ(sweep_of(f.graph, {f.z + f.x * f.y}), expected);
  EXPECT_EQ(sweep_of(f.graph, {f.x * f.bias + f.bias}), (Names{"Load", "MultiplyAdd", "Store"}));
}

TEST(Fusion, OfAChainTakesOneInstructionAStep) {
  Fixture f;
  Value value = f.x;
  for (int i = 0; i < 5; ++i) value = value * f.y + f.z;
  Names expected = {"Load", "Load", "Load"};
  expected.insert(expected.end(), 5, "MultiplyAdd");
  expected.push_back("Store");
  EXPECT_EQ(sweep_of(f.graph, {value}), expected);
}

TEST(Fusion, SumsProductsOverTheBatchInOneInstruction) {
  Fixture f;
  EXPECT_EQ(sweep_of(f.graph, {batch_sum(f.x * f.y)}),
            (Names{"Load", "Load", "AddProductPartials"}));
}

/// A training step of two layers: every product takes in what follows it.
TEST(Fusion, OfATrainingStepLeavesNoReluByItself) {
  Fixture f;
  const Value hidden = relu(dense(f.square, f.x, f.bias));
  const Value output = relu(dense(f.square, hidden, f.bias));
  const Value loss = batch_sum(sum(output * f.y));
  const Values gradients = gradient(loss, {f.square, f.bias});
  EXPECT_EQ(sweep_of(f.graph, {loss, gradients[0], gradients[1]}),
            (Names{"Load", "Load",
                   "MatrixProduct",                             // first layer with bias and relu
                   "MatrixProduct",                             // second layer with bias and relu
                   "kMultiply", "SumOuter", "AddLanePartials",  // the loss
                   "kMultiplyStep",                             // y where the output is positive
                   "AddOuterPartials", "AddLanePartials",       // for the second layer
                   "MatrixProduct",                             // backwards, times the relu's mask
                   "AddOuterPartials", "AddLanePartials"}));    // for the first layer
  const auto products = products_of(f.graph, {loss, gradients[0], gradients[1]});
  EXPECT_EQ(products.at(0).finish, Finish::kRelu);
  EXPECT_EQ(products.at(1).finish, Finish::kRelu);
  EXPECT_EQ(products.at(2).finish, Finish::kMask);
}

TEST(Fusion, LeavesAloneWhatIsUsedTwice) {
  Fixture f;
  const Value product = dense(f.square, f.x, f.bias);
  EXPECT_EQ(sweep_of(f.graph, {relu(product) * product}),
            (Names{"Load", "MatrixProduct", "kRelu", "kMultiply", "Store"}));
  const Value multiplied = f.x * f.y;
  EXPECT_EQ(sweep_of(f.graph, {multiplied + f.z, multiplied}),
            (Names{"Load", "Load", "Load", "kMultiply", "Store", "kAdd", "Store"}));
  EXPECT_EQ(sweep_of(f.graph, {relu(product), product}),
            (Names{"Load", "MatrixProduct", "Store", "kRelu", "Store"}));
}

TEST(Fusion, LeavesAloneWhatIsBroadcast) {
  Fixture f;
  const Value wide = f.graph.input({4, 3});
  EXPECT_EQ(sweep_of(f.graph, {wide + f.x * f.y}),
            (Names{"Load", "Load", "Load", "kMultiply", "kAdd", "Store"}));
  EXPECT_EQ(sweep_of(f.graph, {batch_sum(f.x * f.bias)}),
            (Names{"Load", "kMultiply", "AddLanePartials"}));
}

TEST(Fusion, IsPlannedByNode) {
  Fixture f;
  const Value product = f.x * f.y;
  const Value sum = product + f.z;
  const std::vector<char> nodes = nodes_of_sweep(f.graph, 0, {sum.id});
  const Fusion fusion = plan_fusion(f.graph, nodes, {sum.id}, {});
  EXPECT_EQ(fusion.absorbed, (std::map<NodeId, NodeId>{{sum.id, product.id}}));
  EXPECT_EQ(fusion.sources, (std::set<NodeId>{product.id}));
}

// --- Views

TEST(Views, CostNoInstruction) {
  ParameterStore store;
  Graph graph(store);
  const Value x = graph.input({6, 5});
  const Value row = slice(x, 2, 1);
  const Value column = slice(x, 3, 1, Axis::kItems);
  const std::vector<std::pair<std::string, Value>> views = {
      {"slice of features", slice(x, 1, 3)},
      {"slice of items", slice(x, 1, 3, Axis::kItems)},
      {"slice of a slice", slice(slice(x, 1, 4), 1, 2, Axis::kItems)},
      {"transpose", transpose(x)},
      {"every other feature", take(x, {0, 2, 4})},
      {"features reversed", take(x, {5, 4, 3, 2, 1, 0})},
      {"items reversed", take(x, {4, 3, 2, 1, 0}, Axis::kItems)},
      {"one feature often", take(x, {2, 2, 2})},
      {"broadcast features", broadcast(row, {4, 5})},
      {"broadcast items", broadcast(column, {6, 4})},
      {"reshape", reshape(x, {10, 3})},
      {"reshape of a row", reshape(row, {5, 1})},
      {"stop", stop_gradient(x)},
      {"views of views", reshape(transpose(slice(take(x, {5, 3, 1}), 0, 1)), {1, 5})},
  };
  for (const auto& [name, view] : views)
    EXPECT_EQ(sweep_of(graph, {exp(view)}), (Names{"Load", "kExp", "Store"})) << name;
}

TEST(Views, ThatStridesCannotExpressCostOneInstruction) {
  ParameterStore store;
  Graph graph(store);
  const Value x = graph.input({6, 5});
  EXPECT_EQ(sweep_of(graph, {exp(take(x, {3, 0, 5, 1, 2, 4}))}),
            (Names{"Load", "Gather", "kExp", "Store"}));
  EXPECT_EQ(sweep_of(graph, {exp(reshape(transpose(x), {6, 5}))}),
            (Names{"Load", "kCopy", "kExp", "Store"}));
}

TEST(Views, OfSharedValuesCostNoInstruction) {
  Fixture f;
  for (const Value& view : {slice(f.bias, 1, 2), slice(f.square, 1, 2), broadcast(f.bias, {4, 3}),
                            stop_gradient(f.bias), reshape(f.square, {2, 8})}) {
    const CompiledProgram program = compile(f.graph, {exp(view)}, kLanes);
    EXPECT_EQ(names_of(program.stages.front().instructions), (Names{"kExp"}));
  }
  // The product takes the strides of a transpose; an elementwise loop does not.
  EXPECT_EQ(sweep_of(f.graph, {dense(transpose(f.square), f.x)}),
            (Names{"Load", "MatrixProduct", "Store"}));
  EXPECT_EQ(names_of(compile(f.graph, {exp(transpose(f.square))}, kLanes).stages[0].instructions),
            (Names{"TransposeCopy", "kExp"}));
}

TEST(Views, AreStridesOnTheirOperand) {
  ParameterStore store;
  Graph graph(store);
  const Value x = graph.input({6, 5});
  const Location place{Space::kTile, 0, 0, 5 * kLanes, kLanes, 1};
  const auto view = [&](Value value) {
    return view_of(value.node(), x.node(), place, kLanes).value();
  };
  const Location part = view(slice(x, 2, 3, Axis::kItems));
  EXPECT_EQ(part.offset, 2 * kLanes);
  EXPECT_EQ(part.feature, 5 * kLanes);
  const Location reversed = view(take(x, {5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(reversed.offset, 25 * kLanes);
  EXPECT_EQ(reversed.feature, -5 * kLanes);
  const Location turned = view(transpose(x));
  EXPECT_EQ(turned.feature, kLanes);
  EXPECT_EQ(turned.item, 5 * kLanes);
  EXPECT_FALSE(view_of(take(x, {0, 1, 3}).node(), x.node(), place, kLanes).has_value());
  EXPECT_FALSE(may_be_view(exp(x).node()));
}

TEST(Concats, AreComputedInPlace) {
  Fixture f;
  const Value a = exp(f.x);
  const Value b = sin(f.y);
  const Value whole = concat({a, b});
  EXPECT_EQ(sweep_of(f.graph, {whole}), (Names{"Load", "Load", "kExp", "kSin", "Store"}));
  const std::vector<char> nodes = nodes_of_sweep(f.graph, 0, {whole.id});
  EXPECT_EQ(plan_concats(f.graph, nodes),
            (std::map<NodeId, PartPlace>{{a.id, {whole.id, 0}}, {b.id, {whole.id, 4}}}));
  // A view stays where it is, and a part that is used twice is copied the second time.
  EXPECT_EQ(sweep_of(f.graph, {concat({slice(f.x, 0, 2), b})}),
            (Names{"Load", "Load", "kSin", "kCopy", "Store"}));
  EXPECT_EQ(sweep_of(f.graph, {concat({a, a})}), (Names{"Load", "kExp", "kCopy", "Store"}));
}

// --- Buffers

/// When each buffer is in use, from the instructions alone.
std::vector<std::pair<int, int>> lifetimes(const LoweredSweep& sweep) {
  std::vector<std::pair<int, int>> result(sweep.buffers.size(), {-1, -1});
  for (std::size_t time = 0; time < sweep.instructions.size(); ++time)
    for (const Access* operand : sweep.instructions[time].operands()) {
      if (operand->space != Space::kTile || operand->root < 0) continue;
      auto& [first, last] = result[static_cast<std::size_t>(operand->root)];
      if (first < 0) first = static_cast<int>(time);
      last = static_cast<int>(time);
    }
  return result;
}

/// At every instruction each element of the tile belongs to one buffer in use at most.
void expect_disjoint(const LoweredSweep& sweep) {
  const Placement placement = place_buffers(sweep.buffers);
  const auto lives = lifetimes(sweep);
  ASSERT_EQ(placement.offsets.size(), sweep.buffers.size());
  for (int time = 0; time < static_cast<int>(sweep.instructions.size()); ++time) {
    std::vector<int> owner(static_cast<std::size_t>(placement.size), -1);
    for (std::size_t buffer = 0; buffer < lives.size(); ++buffer) {
      if (lives[buffer].first < 0 || time < lives[buffer].first || time > lives[buffer].second)
        continue;
      const std::int64_t begin = placement.offsets[buffer];
      ASSERT_GE(begin, 0);
      ASSERT_LE(begin + sweep.buffers[buffer].size, placement.size);
      for (std::int64_t i = begin; i < begin + sweep.buffers[buffer].size; ++i) {
        int& element = owner[static_cast<std::size_t>(i)];
        ASSERT_EQ(element, -1) << "buffers " << element << " and " << buffer << " share element "
                               << i << " at instruction " << time;
        element = static_cast<int>(buffer);
      }
    }
  }
}

TEST(Buffers, OfValuesInUseNeverShareMemory) {
  std::size_t sweeps = 0;
  for (int seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    testing::RandomGraph made(static_cast<std::uint64_t>(seed));
    Values outputs = made.build(6 + seed % 30);
    Values leaves;
    for (const NodeId id : made.graph().inputs()) leaves.push_back({&made.graph(), id});
    const Values gradients = vjp(outputs, {}, leaves);
    outputs.insert(outputs.end(), gradients.begin(), gradients.end());
    const LoweredProgram program =
        lower(made.graph(), outputs, make_schedule(made.graph(), outputs), kLanes);
    for (const auto& level : program.sweeps)
      for (const LoweredSweep& sweep : level) {
        ++sweeps;
        const auto lives = lifetimes(sweep);
        for (std::size_t i = 0; i < sweep.buffers.size(); ++i)
          EXPECT_EQ(lives[i], (std::pair{sweep.buffers[i].first, sweep.buffers[i].last}));
        expect_disjoint(sweep);
      }
  }
  EXPECT_GE(sweeps, 100U);  // a few graphs have shared values alone, some have several sweeps
}

/// Messages between four items, along a ring of pairs, and their gradient.
Values messages(Graph& graph, const std::vector<ParameterId>& parameters) {
  constexpr std::int64_t kItems = 4;
  std::vector<std::int32_t> receivers, senders;
  for (std::int32_t apart = 1; apart < kItems; ++apart)
    for (std::int32_t i = 0; i < kItems; ++i) {
      receivers.push_back(i);
      senders.push_back(i + apart);
    }
  const Value x = graph.input({2, kItems});
  Value h = x;
  for (const ParameterId id : parameters) {
    const Value there = dense(graph.parameter(id), h);
    const Value pair = take(there, receivers, Axis::kItems) *
                       sin(take(concat({there, there}, Axis::kItems), senders, Axis::kItems));
    const Value message = pair * sigmoid(pair) + tanh(pair);
    h = scatter_add(message, receivers, kItems, Axis::kItems);
  }
  return {h, vjp({sum(square(h))}, {}, {x})[0]};
}

// Blocks of rows of a chain's instructions take turns: nothing of one buffer may lie where another
// one of the chain is, even if the one is used no more when the other begins.
TEST(Buffers, OfAChainOfALoopLieApart) {
  ParameterStore store;
  std::vector<ParameterId> parameters;
  for (const std::int64_t inputs : {2, 64, 64})
    parameters.push_back(
        store.add("w" + std::to_string(parameters.size()), 64, inputs,
                  std::vector<double>(static_cast<std::size_t>(64 * inputs), 0.1)));
  Graph graph(store);
  const CompiledProgram program = compile(graph, messages(graph, parameters), kLanes);
  int chains = 0;
  for (const Pass& pass : program.passes.front()) {
    for (std::size_t begin = 0; begin < pass.instructions.size();) {
      const auto length = static_cast<std::size_t>(pass.instructions[begin].chain);
      if (length > 1) ++chains;
      // Element of the tile -> the buffer that the chain has there.
      std::map<std::int64_t, std::int32_t> owners;
      for (std::size_t i = begin; i < begin + length && length > 1; ++i) {
        const Instruction& instruction = pass.instructions[i];
        for (const Access* operand : instruction.operands()) {
          if (operand->space != Space::kTile || operand->root < 0) continue;
          for (std::int64_t row = 0; row < instruction.extent.middle; ++row)
            for (std::int64_t k = 0; k < instruction.extent.inner; ++k) {
              const std::int64_t element =
                  operand->offset + row * operand->middle + k * operand->inner;
              const std::int32_t owner = owners.emplace(element, operand->root).first->second;
              ASSERT_EQ(owner, operand->root) << "instruction " << i << ", row " << row;
            }
        }
      }
      begin += length;
    }
  }
  EXPECT_GT(chains, 3);
}

TEST(Buffers, OfOneInstructionAfterAnotherTouchWithoutOverlap) {
  // In use: [0, 1], [1, 2], [2, 3]; the third takes the place of the first, as far as it fits.
  EXPECT_EQ(place_buffers({{32, 0, 1}, {16, 1, 2}, {32, 2, 3}}).offsets,
            (std::vector<std::int64_t>{0, 32, 0}));
  EXPECT_EQ(place_buffers({{32, 0, 1}, {16, 1, 2}, {48, 2, 3}}).offsets,
            (std::vector<std::int64_t>{0, 32, 48}));
  // The smallest gap that fits: 16 goes where 16 was, not where 64 was.
  EXPECT_EQ(place_buffers({{64, 0, 1}, {16, 0, 3}, {16, 0, 1}, {16, 0, 3}, {16, 2, 3}}).offsets,
            (std::vector<std::int64_t>{0, 64, 80, 96, 80}));
  // Neighbours that are free together hold a larger one; what is never used takes no room.
  EXPECT_EQ(place_buffers({{16, 0, 0}, {16, 0, 0}, {32, 1, 1}, {16, -1, -1}}).size, 32);
}

TEST(Buffers, OfAChainAreTwo) {
  Fixture f;
  Value value = f.x;
  for (int i = 0; i < 200; ++i) value = sin(value);
  const CompiledProgram program = compile(f.graph, {value}, kLanes);
  ASSERT_EQ(program.passes.front().front().instructions.size(), 202U);
  EXPECT_LE(program.passes.front().front().tile_size, 2 * 4 * kLanes);
}

/// Going back needs each value once; besides them no more than the chain's two ends, the cotangent
/// before and after a step, and the cosine between them.
TEST(Buffers, OfAChainAndItsGradientAreOneAStepAndAFew) {
  Fixture f;
  constexpr int kSteps = 100;
  Value value = f.x;
  for (int i = 0; i < kSteps; ++i) value = sin(value);
  const CompiledProgram program = compile(f.graph, vjp({value}, {f.y}, {f.x}), kLanes);
  EXPECT_LE(program.passes.front().front().tile_size, (kSteps + 5) * 4 * kLanes);
}

// --- Groups of shared instructions

TEST(Groups, HoldWhatDoesNotDependOnEachOther) {
  Fixture f;
  const Value a = exp(f.bias), b = sin(f.bias);
  const Value c = a * b, d = cos(f.bias);
  const CompiledProgram program = compile(f.graph, {c + d}, kLanes);
  const SharedStage& stage = program.stages.front();
  EXPECT_EQ(names_of(stage.instructions), (Names{"kExp", "kSin", "kCos", "kMultiply", "kAdd"}));
  EXPECT_EQ(stage.group_ends, (std::vector<std::size_t>{3, 4, 5}));
}

}  // namespace
}  // namespace thalweg::detail

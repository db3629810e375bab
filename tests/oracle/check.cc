#include "check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "oracle.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/program.h"

namespace thalweg::oracle {
namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;
using Values = std::vector<Value>;

/// Cotangents of the outputs and tangents of the leaves, as graph values.
struct Directions {
  std::string name;
  Values cotangents, tangents;
};

/// The derivatives of the outputs by the leaves along some directions, as graph values. What stands
/// in one list of lists must agree: it is the same derivative, taken in different ways.
struct Derivatives {
  Values gradients, moved;             // c^T J, and J v
  std::vector<Values> single;          // c^T J by one leaf alone
  std::vector<Values> hessian, third;  // H v of c^T y, and its derivative along v
};

/// The same from torch, by its reverse mode alone.
struct Expected {
  Tensors values, gradients, moved, hessian, third;
};

double draw_normal(std::int64_t /*slot*/, RandomSequence& random) { return random.normal(); }

/// Numbers for the elements of each of `likes`: an input, or constants that all samples share.
Values directions_for(Graph& graph, const Values& likes, bool shared, RandomSequence& random) {
  Values result;
  for (const Value& like : likes) {
    if (like.batched() && !shared) {
      result.push_back(graph.input(like.shape(), like.domain()));
      continue;
    }
    std::vector<double> numbers(static_cast<std::size_t>(like.shape().size()));
    for (double& number : numbers) number = random.normal();
    result.push_back(graph.constant(like.shape(), numbers));
  }
  return result;
}

/// Gradient of sum(values * weights). A value that came out shared where `likes` is batched stands
/// for one of each sample, and counts that often.
Values weighted_gradient(Graph& graph, const Values& values, const Values& weights,
                         const Values& likes, const Values& wrt) {
  Values outputs, cotangents;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].domain() == likes[i].domain()) {
      outputs.push_back(values[i]);
      cotangents.push_back(weights[i]);
    } else {
      outputs.push_back(batch_sum(sum(values[i] * weights[i]), likes[i].domain()));
      cotangents.push_back(graph.constant(1.0));
    }
  }
  return vjp(outputs, cotangents, wrt);
}

Derivatives build(Graph& graph, const Values& outputs, const Values& leaves,
                  const Directions& along, int order) {
  const Values& c = along.cotangents;
  const Values& v = along.tangents;
  Derivatives result;
  if (order < 1) return result;
  result.gradients = vjp(outputs, c, leaves);
  result.moved = jvp(outputs, leaves, v);
  for (const Value& leaf : leaves) result.single.push_back(vjp(outputs, c, {leaf}));
  if (order < 2) return result;
  result.hessian = {jvp(result.gradients, leaves, v),
                    weighted_gradient(graph, result.gradients, v, leaves, leaves),
                    weighted_gradient(graph, result.moved, c, outputs, leaves)};
  if (order < 3) return result;
  const Values& product = result.hessian.front();
  result.third = {jvp(product, leaves, v), weighted_gradient(graph, product, v, leaves, leaves)};
  return result;
}

/// Gradient of sum(outputs * weights) that can be differentiated again; zeros where nothing depends
/// on a leaf.
Tensors torch_gradient(const Tensors& outputs, const Tensors& weights, const Tensors& leaves) {
  Tensors roots, seeds, result;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad()) {
      roots.push_back(outputs[i]);
      seeds.push_back(weights[i]);
    }
  if (!roots.empty())
    result = torch::autograd::grad(roots, leaves, seeds, /*retain_graph=*/true,
                                   /*create_graph=*/true, /*allow_unused=*/true);
  result.resize(leaves.size());
  for (std::size_t i = 0; i < leaves.size(); ++i)
    // torch stands zeros without memory for some derivatives that vanish.
    if (!result[i].defined() || result[i]._is_zerotensor())
      result[i] = at::zeros(leaves[i].sizes(), leaves[i].options());
  return result;
}

/// The numbers of `along` as tensors of the sizes of `likes`.
Tensors expanded(const Graph& graph, const Values& along, const Tensors& likes, const Feed& feed) {
  Tensors result = evaluate(graph, along, feed);
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = result[i].expand(likes[i].sizes()).detach();
  return result;
}

Expected torch_derivatives(const Graph& graph, const Values& outputs, const Directions& along,
                           const Feed& feed, const Tensors& leaves, int order) {
  Expected result;
  result.values = evaluate(graph, outputs, feed);
  if (order < 1) return result;
  Tensors c = expanded(graph, along.cotangents, result.values, feed);
  const Tensors v = expanded(graph, along.tangents, leaves, feed);
  for (Tensor& cotangent : c) cotangent = cotangent.clone().requires_grad_(true);
  result.gradients = torch_gradient(result.values, c, leaves);
  // The gradient is linear in the cotangents, so its derivative by them is the forward mode.
  result.moved = torch_gradient(result.gradients, v, c);
  if (order < 2) return result;
  result.hessian = torch_gradient(result.gradients, v, leaves);
  if (order < 3) return result;
  result.third = torch_gradient(result.hessian, v, leaves);
  return result;
}

void expect_close(const std::string& what, const Tensor& actual, const Tensor& expected,
                  double tolerance) {
  const Tensor a = actual.detach().expand(expected.sizes()).contiguous();
  const Tensor b = expected.detach().contiguous();
  const auto* x = a.data_ptr<double>();
  const auto* y = b.data_ptr<double>();
  std::int64_t wrong = 0, first = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    // Infinities may agree, NaN never does.
    const bool fits = x[i] == y[i] || std::abs(x[i] - y[i]) <= tolerance * (1.0 + std::abs(y[i]));
    if (!fits && wrong++ == 0) first = i;
  }
  if (wrong > 0)
    ADD_FAILURE() << what << ": " << wrong << " of " << a.numel() << " differ, the first at "
                  << first << ": got " << x[first] << ", expected " << y[first];
}

void expect_all_close(const std::string& what, const Tensors& actual, const Tensors& expected,
                      double tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    expect_close(what + " " + std::to_string(i), actual[i], expected[i], tolerance);
}

/// One way to compute the values of graph nodes.
struct Backend {
  std::string name;
  double tolerance;
  int order;
  std::function<Tensors(const Graph&, const Values&, const Feed&)> run;
};

template <typename T>
std::vector<T> numbers_of(const Tensor& tensor) {
  const Tensor plain = tensor.contiguous();
  const auto* data = plain.data_ptr<double>();
  return {data, data + plain.numel()};
}

/// The engine: compiles a program of the values and runs it.
template <typename T>
Tensors run_program(const Graph& graph, const Values& values, const Feed& feed, ThreadPool& pool) {
  // Lanes such that all batches but the smallest fill several tiles and leave the last one ragged.
  const std::int64_t lanes = feed.counts.front() > 64 ? 64 : 16;
  Executor<T> executor(std::make_shared<const Program<T>>(graph, values, lanes), pool);
  const auto& infos = graph.parameters().infos();
  std::vector<T> parameters(graph.parameters().flat().size());
  for (std::size_t i = 0; i < infos.size(); ++i)
    std::ranges::copy(numbers_of<T>(feed.parameters[i]), parameters.begin() + infos[i].offset);
  std::vector<std::vector<T>> inputs, results;
  for (const Tensor& input : feed.inputs) inputs.push_back(numbers_of<T>(input));
  std::vector<BatchInput<T>> slots;
  for (const auto& input : inputs) slots.push_back({input.data(), nullptr});
  for (const Value& value : values)
    results.emplace_back(
        value.batched()
            ? static_cast<std::size_t>(feed.counts[static_cast<std::size_t>(value.domain())] *
                                       value.shape().size())
            : 0);
  std::vector<T*> places;
  for (auto& result : results) places.push_back(result.data());
  // The second run must not see what the first one left in memory.
  for (int run = 0; run < 2; ++run)
    executor.run({parameters.data(), slots, feed.counts, feed.first_samples, feed.seed, places});

  Tensors tensors;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto shared =
        values[i].batched() ? std::span<const T>(results[i]) : executor.shared_output(i);
    const std::vector<double> numbers(shared.begin(), shared.end());
    tensors.push_back(
        torch::tensor(numbers, torch::kDouble)
            .reshape({values[i].batched() ? -1 : 1, values[i].features(), values[i].items()}));
    if (!values[i].batched()) tensors.back() = tensors.back().squeeze(0);
  }
  return tensors;
}

/// Runs the program on one thread and on two, and expects the same bits.
template <typename T>
Tensors run_engine(const Graph& graph, const Values& values, const Feed& feed) {
  static ThreadPool one(1), two(2);
  Tensors result = run_program<T>(graph, values, feed, one);
  const Tensors other = run_program<T>(graph, values, feed, two);
  for (std::size_t i = 0; i < result.size(); ++i)
    EXPECT_TRUE(numbers_of<double>(result[i]) == numbers_of<double>(other[i]))
        << "output " << i << " depends on the number of threads";
  return result;
}

std::vector<Backend> backends(const CheckOptions& options) {
  // Torch on the derivative graphs tells an error of a rule from one of the engine.
  std::vector<Backend> result = {{"rules", options.tolerance, 3, evaluate},
                                 {"engine", options.tolerance, 3, run_engine<double>}};
  if (options.float_tolerance > 0)
    result.push_back({"engine in float", options.float_tolerance, 1, run_engine<float>});
  return result;
}

Feed make_feed(const Graph& graph, std::size_t slots, std::int64_t samples,
               const CheckOptions& options) {
  Feed feed;
  feed.seed = options.seed;
  for (Domain domain = 0; domain < graph.domains(); ++domain) {
    feed.counts.push_back(samples + 2 * std::int64_t{domain});
    feed.first_samples.push_back(5 + 1000 * static_cast<std::uint64_t>(domain));
  }
  const auto draw = options.draw ? options.draw : draw_normal;
  for (std::size_t slot = 0; slot < graph.inputs().size(); ++slot) {
    RandomSequence random(options.seed, Stream::kTarget, slot);
    const Node& node = graph.node(graph.inputs()[slot]);
    const std::int64_t count = feed.counts[static_cast<std::size_t>(node.domain)];
    Tensor tensor =
        at::empty({count, node.shape.features, node.shape.items}, at::dtype(torch::kDouble));
    auto* out = tensor.data_ptr<double>();
    for (std::int64_t i = 0; i < tensor.numel(); ++i)
      out[i] = slot < slots ? draw(static_cast<std::int64_t>(slot), random) : random.normal();
    feed.inputs.push_back(tensor);
  }
  const ParameterStore& store = graph.parameters();
  for (std::size_t i = 0; i < store.infos().size(); ++i) {
    const ParameterInfo& info = store.infos()[i];
    const auto values = store.values(ParameterId{static_cast<std::int32_t>(i)});
    feed.parameters.push_back(
        torch::tensor(std::vector<double>(values.begin(), values.end()), torch::kDouble)
            .reshape({info.rows, info.columns}));
  }
  return feed;
}

/// The tensor of the feed that holds a leaf.
Tensor& tensor_of(Feed& feed, Value leaf) {
  const Node& node = leaf.node();
  return leaf.batched()
             ? feed.inputs[static_cast<std::size_t>(node.as<primitive::Input>().slot)]
             : feed.parameters[static_cast<std::size_t>(node.as<primitive::Parameter>().index)];
}

/// The feed with every leaf moved by `step` along its tangent.
Feed moved_feed(Feed feed, const Graph& graph, const Values& leaves, const Values& tangents,
                double step) {
  Tensors likes;
  for (const Value& leaf : leaves) likes.push_back(tensor_of(feed, leaf).detach());
  const Tensors v = expanded(graph, tangents, likes, feed);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    tensor_of(feed, leaves[i]) = likes[i] + step * v[i];
  return feed;
}

void check_backend(const Backend& backend, const Graph& graph, const Values& outputs,
                   const Values& leaves, const Directions& along, const Derivatives& derivatives,
                   const Expected& expected, const Feed& feed, bool smooth) {
  const auto expect = [&](const std::string& what, const Values& values, const Tensors& wanted) {
    if (!wanted.empty())
      expect_all_close(backend.name + ", " + what, backend.run(graph, values, feed), wanted,
                       backend.tolerance);
  };
  // Values and first derivatives as one program, as a training step has them.
  Values first = outputs;
  Tensors wanted = expected.values;
  if (!expected.gradients.empty()) {
    first.insert(first.end(), derivatives.gradients.begin(), derivatives.gradients.end());
    wanted.insert(wanted.end(), expected.gradients.begin(), expected.gradients.end());
  }
  expect("values and vjp", first, wanted);
  if (backend.order >= 1) expect("jvp", derivatives.moved, expected.moved);
  if (expected.gradients.size() > 1)
    for (std::size_t i = 0; i < leaves.size(); ++i)
      expect("vjp by one leaf", derivatives.single[i], {expected.gradients[i]});
  static constexpr std::array<const char*, 3> second_names = {"jvp of vjp", "vjp of vjp",
                                                              "vjp of jvp"};
  static constexpr std::array<const char*, 2> third_names = {"jvp of jvp of vjp",
                                                             "vjp of jvp of vjp"};
  if (backend.order >= 2)
    for (std::size_t i = 0; i < derivatives.hessian.size(); ++i)
      expect(second_names.at(i), derivatives.hessian[i], expected.hessian);
  if (backend.order >= 3)
    for (std::size_t i = 0; i < derivatives.third.size(); ++i)
      expect(third_names.at(i), derivatives.third[i], expected.third);
  if (smooth && backend.order >= 3 && !derivatives.third.empty()) {
    // Central differences of fourth order: error 4 h^4 f^(5) / 120, and rounding 1e-16 / h.
    constexpr double step_size = 5e-4;
    const auto across = [&](double step) {
      const auto at_step = [&](double signed_step) {
        return backend.run(graph, derivatives.hessian.front(),
                           moved_feed(feed, graph, leaves, along.tangents, signed_step));
      };
      Tensors result = at_step(step);
      const Tensors below = at_step(-step);
      for (std::size_t i = 0; i < result.size(); ++i) result[i] = result[i] - below[i];
      return result;
    };
    const Tensors near = across(step_size), far = across(2 * step_size);
    const Tensors third = backend.run(graph, derivatives.third.front(), feed);
    for (std::size_t i = 0; i < third.size(); ++i) {
      const Tensor difference = (8 * near[i] - far[i]) / (12 * step_size);
      expect_close(backend.name + ", third derivative by differences " + std::to_string(i),
                   third[i], difference.expand(expected.third[i].sizes()), 1e-5);
    }
  }
}

}  // namespace

void expect_matches_oracle(Graph& graph, const std::vector<Value>& outputs,
                           const CheckOptions& options) {
  const std::size_t slots = graph.inputs().size();
  Values leaves;
  for (const NodeId id : graph.inputs()) leaves.push_back({&graph, id});
  const auto& infos = graph.parameters().infos();
  for (std::size_t i = 0; i < infos.size(); ++i)
    if (infos[i].trainable)
      leaves.push_back(graph.parameter(ParameterId{static_cast<std::int32_t>(i)}));

  const auto is_batched = [](const Value& value) { return value.batched(); };
  const bool any_batched = std::any_of(leaves.begin(), leaves.end(), is_batched) ||
                           std::any_of(outputs.begin(), outputs.end(), is_batched);
  RandomSequence random(options.seed, Stream::kEvaluation);
  std::vector<Directions> directions;
  std::vector<Derivatives> derivatives;
  for (const bool shared : {false, true}) {
    if (shared && (!any_batched || options.order < 1)) continue;
    directions.push_back({shared ? "shared cotangents" : "cotangents of each sample",
                          directions_for(graph, outputs, shared, random),
                          directions_for(graph, leaves, shared, random)});
    derivatives.push_back(build(graph, outputs, leaves, directions.back(), options.order));
  }

  for (const std::int64_t samples : options.batches) {
    Feed feed = make_feed(graph, slots, samples, options);
    Tensors tensors;
    for (const Value& leaf : leaves) tensors.push_back(tensor_of(feed, leaf).requires_grad_(true));
    for (std::size_t i = 0; i < directions.size(); ++i) {
      SCOPED_TRACE(fmt::format("{} samples, {}", samples, directions[i].name));
      const Expected expected =
          torch_derivatives(graph, outputs, directions[i], feed, tensors, options.order);
      Feed plain = feed;
      for (Tensor& tensor : plain.inputs) tensor = tensor.detach();
      for (Tensor& tensor : plain.parameters) tensor = tensor.detach();
      for (const Backend& backend : backends(options))
        check_backend(backend, graph, outputs, leaves, directions[i], derivatives[i], expected,
                      plain, options.smooth);
    }
  }
}

void perturb(ParameterStore& store, double scale, std::uint64_t seed) {
  for (std::size_t i = 0; i < store.infos().size(); ++i) {
    if (!store.infos()[i].trainable) continue;
    RandomSequence random(seed, Stream::kInitialisation, i);
    for (double& value : store.values(ParameterId{static_cast<std::int32_t>(i)}))
      value += scale * random.normal();
  }
}

}  // namespace thalweg::oracle

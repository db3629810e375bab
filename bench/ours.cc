// Thalweg's side of the benchmark: the workloads of docs/benchmarks.md, one JSON line a call.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/markov_chains.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/training/trainer.h"
#include "thalweg/transforms/free_form.h"
#include "workloads.h"

namespace {

using thalweg::fail;

struct Arguments {
  std::string workload, task;
  int threads = 1, repeat = 20;
};

Arguments parse(int count, char** words) {
  Arguments arguments;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string key = words[i];
    const std::string value = words[i + 1];
    if (key == "--workload")
      arguments.workload = value;
    else if (key == "--task")
      arguments.task = value;
    else if (key == "--threads")
      arguments.threads = std::stoi(value);
    else if (key == "--repeat")
      arguments.repeat = std::stoi(value);
    else
      fail<thalweg::ConfigError>("unknown option '{}'", key);
  }
  return arguments;
}

std::vector<double> milliseconds(int repeat, const std::function<void()>& work) {
  std::vector<double> times;
  for (int i = 0; i < repeat; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

/// Rate of this library's own matrix product, 1024 x 1024 x 1024 in float, columns shared out over
/// threads.
double matrix_product_gflops(int threads, int repeat) {
  constexpr std::int64_t kSize = 1024;
  constexpr std::int64_t kColumns = 64;  // as in a tile
  std::vector<float> a(kSize * kSize, 0.5F);
  std::vector<float> b(kSize * kSize, 0.25F);
  std::vector<float> c(kSize * kSize);
  thalweg::ThreadPool pool(threads);
  const auto times = milliseconds(repeat, [&] {
    pool.parallel(kSize / kColumns, [&](std::int64_t block, int) {
      // Blocks of rows and depth as a dense layer of 256 has them.
      for (std::int64_t depth = 0; depth < kSize; depth += 256)
        thalweg::kernels::matrix_product<float>(
            kSize, kColumns, 256, a.data() + depth, kSize, 1,
            b.data() + block * kSize * kColumns + depth * kColumns, kColumns, nullptr, depth > 0,
            c.data() + block * kSize * kColumns, kColumns);
    });
  });
  return 2.0 * kSize * kSize * kSize / (times.front() * 1e6);
}

thalweg::ModelOptions model_options(const std::string& workload, const nlohmann::json& all) {
  const nlohmann::json& sizes = all.at(workload);
  thalweg::ModelOptions options;
  options.features = sizes.at("features");
  options.flow.kind = "real_nvp";
  options.flow.blocks = sizes.value("layers", 1);
  const std::int64_t hidden = sizes.value("hidden", 1);
  options.flow.hidden = {hidden, hidden};
  options.flow.permutation = "swap";
  options.flow.act_norm = true;
  if (workload == "W0" || workload == "W4" || workload == "W6") {
    const nlohmann::json& base = all.at("base");
    options.base.kind = "resampled";
    options.base.hidden = {base.at("hidden"), base.at("hidden")};
    options.base.truncation = base.at("truncation");
    options.base.average_rate = base.at("average_rate");
    options.base.proposals = base.at("proposals");
  }
  if (workload == "W2") {
    options.flow.permutation = "lu";
  } else if (workload == "W3") {
    options.flow.kind = "spline";
    options.flow.bins = sizes.at("bins");
    options.flow.network = "residual";
    options.flow.network_blocks = sizes.at("blocks");
    options.flow.hidden = {hidden};
    options.flow.permutation = "lu";
    options.flow.act_norm = false;
  } else if (workload == "W5") {
    options.flow.kind = "residual";
    options.flow.lipschitz = sizes.at("lipschitz");
  } else if (workload == "W6") {
    options.flow.act_norm = false;  // The base alone: one coupling is next to nothing beside it.
  } else if (workload == "W8") {
    options.stochastic.kinds = {"metropolis"};
    options.stochastic.every =
        sizes.at("layers").get<std::int64_t>() / sizes.at("stages").get<std::int64_t>();
    options.stochastic.moves.steps = sizes.at("moves");
    options.stochastic.moves.step_size = sizes.at("deviation");
  } else if (workload == "W14") {
    options.base.kind = "uniform";
    options.flow.kind = "smooth";
    options.flow.bumps = sizes.at("bumps");
    options.flow.activation = "silu";
    options.flow.act_norm = false;
  } else if (sizes.contains("particles")) {
    options.base.kind = "mean_free_normal";
    options.base.dimensions = options.features / sizes.at("particles").get<std::int64_t>();
    options.flow.kind = "free_form";
    options.flow.network = "equivariant";
    options.flow.network_blocks = sizes.at("layers");
    options.flow.blocks = 1;
    options.flow.hidden = {hidden};
    options.flow.act_norm = false;
  } else if (workload == "W9") {
    options.flow.activation = "tanh";
    options.flow.act_norm = false;
  }
  return options;
}

std::vector<double> normal_rows(std::int64_t rows, std::int64_t features) {
  std::vector<double> values(static_cast<std::size_t>(rows * features));
  thalweg::RandomSequence random(7, thalweg::Stream::kEvaluation);
  for (double& value : values) value = random.normal();
  return values;
}

void print(const Arguments& arguments, const std::vector<double>& times) {
  std::printf(
      "{\"workload\":\"%s\",\"task\":\"%s\",\"threads\":%d,\"median_ms\":%.6g,\"min_ms\":%.6g,"
      "\"repeats\":%zu}\n",
      arguments.workload.c_str(), arguments.task.c_str(), arguments.threads,
      times[times.size() / 2], times.front(), times.size());
}

/// In [0, 1], where W14's flow is.
void into_unit_interval(std::vector<double>& values) {
  for (double& value : values) value = 0.5 + 0.5 * std::tanh(value);
}

/// About half of the proposals are accepted then, as on the peer's side.
void set_last_acceptance_bias(thalweg::Model& model) {
  model.parameters().values(model.parameters().find("base.acceptance.2.bias"))[0] = 0.0;
}

/// Away from the identity, where the networks would have nothing to do.
void disturb(thalweg::Model& model) {
  thalweg::RandomSequence random(5, thalweg::Stream::kInitialisation);
  for (double& value : model.parameters().flat()) value += 0.05 * random.normal();
}

/// The free-form loss of rows `x` with probes `v` and its gradient by all parameters, by the graph
/// that a training step has.
template <typename T>
std::vector<double> loss_and_gradient(const thalweg::Model& model, thalweg::ThreadPool& pool,
                                      double reconstruction_weight, const std::vector<double>& x,
                                      const std::vector<double>& v) {
  const thalweg::Flow& flow = model.flow();
  thalweg::Graph graph(model.parameters(), thalweg::Phase::kTraining);
  const thalweg::Value rows = graph.input({flow.features(), 1});
  const thalweg::Value probes = graph.input({flow.features(), 1});
  const auto& layer = dynamic_cast<const thalweg::FreeForm&>(*flow.transforms().front());
  const auto estimate = layer.estimate(rows, {}, probes);
  const thalweg::Value loss = batch_mean(reconstruction_weight * estimate.reconstruction -
                                         estimate.log_det - flow.log_base(estimate.z, {}));
  std::vector<thalweg::Value> leaves;
  for (std::size_t i = 0; i < model.parameters().infos().size(); ++i)
    leaves.push_back(graph.parameter({static_cast<std::int32_t>(i)}));
  std::vector<thalweg::Value> outputs = {loss};
  for (const thalweg::Value& slope : gradient(loss, leaves)) outputs.push_back(slope);
  const auto program = std::make_shared<const thalweg::Program<T>>(graph, outputs);
  thalweg::Executor<T> executor(program, pool);
  const std::vector<T> parameters(model.parameters().flat().begin(),
                                  model.parameters().flat().end()),
      own_rows(x.begin(), x.end()), own_probes(v.begin(), v.end());
  const std::vector<thalweg::BatchInput<T>> inputs = {{own_rows.data(), nullptr},
                                                      {own_probes.data(), nullptr}};
  const std::vector<std::int64_t> counts = {static_cast<std::int64_t>(x.size()) / flow.features()};
  const std::vector<T*> pointers(outputs.size(), nullptr);
  executor.run(
      {.parameters = parameters.data(), .inputs = inputs, .counts = counts, .outputs = pointers});
  // In the layout of the store, which may have room between its tensors.
  std::vector<double> result(model.parameters().flat().size() + 1);
  result[0] = executor.shared_output(0)[0];
  for (std::size_t i = 1; i < outputs.size(); ++i)
    std::ranges::copy(executor.shared_output(i),
                      result.begin() + 1 + model.parameters().infos()[i - 1].offset);
  return result;
}

/// Rows of particles with a centre of mass of 0, and of a length if that is above 0.
std::vector<double> mean_free_rows(std::int64_t rows, std::int64_t features,
                                   std::int64_t dimensions, std::uint64_t seed, double length) {
  std::vector<double> values(static_cast<std::size_t>(rows * features));
  thalweg::RandomSequence random(seed, thalweg::Stream::kEvaluation);
  for (double& value : values) value = random.normal();
  const auto width = static_cast<std::size_t>(features), n = static_cast<std::size_t>(dimensions);
  for (std::size_t row = 0; row < values.size(); row += width) {
    const auto own = std::span(values).subspan(row, width);
    double square = 0.0;
    for (std::size_t d = 0; d < n; ++d) {
      double centre = 0.0;
      for (std::size_t i = d; i < width; i += n)
        centre += own[i] * static_cast<double>(n) / static_cast<double>(width);
      for (std::size_t i = d; i < width; i += n) own[i] -= centre;
      for (std::size_t i = d; i < width; i += n) square += own[i] * own[i];
    }
    if (length > 0.0)
      for (double& value : own) value *= length / std::sqrt(square);
  }
  return values;
}

/// Tensors by their names.
nlohmann::json named(const thalweg::Model& model, std::span<const double> flat) {
  nlohmann::json tensors;
  for (const thalweg::ParameterInfo& info : model.parameters().infos())
    tensors[info.name] =
        flat.subspan(static_cast<std::size_t>(info.offset), static_cast<std::size_t>(info.size()));
  return tensors;
}

/// Of W10 to W12, at their full sizes: the loss with its gradient for 40 rows, in double, and how
/// far it is from that in single precision, by the largest slope.
void add_particle_gradient(nlohmann::json& result, thalweg::Model& model, thalweg::ThreadPool& pool,
                           double reconstruction_weight) {
  constexpr std::int64_t kRows = 40;
  const std::int64_t features = model.flow().features();
  const std::int64_t dimensions = model.flow().base().mean_free_dimensions();
  const std::vector<double> x = mean_free_rows(kRows, features, dimensions, 7, 0.0);
  const std::vector<double> v = mean_free_rows(
      kRows, features, dimensions, 8, std::sqrt(static_cast<double>(features - dimensions)));
  const std::vector<double> found =
      loss_and_gradient<double>(model, pool, reconstruction_weight, x, v);
  const std::vector<double> coarse =
      loss_and_gradient<float>(model, pool, reconstruction_weight, x, v);
  double largest = 0.0, off = 0.0;
  for (std::size_t i = 1; i < found.size(); ++i) {
    largest = std::max(largest, std::abs(found[i]));
    off = std::max(off, std::abs(found[i] - coarse[i]));
  }
  result["tensors"] = named(model, model.parameters().flat());
  result["gradient"] = named(model, std::span(found).subspan(1));
  result["x"] = x;
  result["v"] = v;
  result["loss"] = found[0];
  result["single"] = off / largest;
}

/// What bench/peer_check.py compares: the number of parameters and, for W1, W13 and W14, all of
/// them with some points and the mean of their -log p; for W10 to W12 their loss and its gradient.
nlohmann::json to_check(const std::string& workload, thalweg::Model& model,
                        thalweg::ThreadPool& pool, const nlohmann::json& sizes) {
  nlohmann::json result = {{"parameters", model.parameters().trainable_count()}};
  if (workload == "W10" || workload == "W11" || workload == "W12") {
    disturb(model);
    add_particle_gradient(result, model, pool, sizes.at("reconstruction_weight"));
    return result;
  }
  if (workload != "W1" && workload != "W13" && workload != "W14") return result;
  disturb(model);
  result["tensors"] = named(model, model.parameters().flat());
  const std::int64_t rows = workload == "W1" ? 1024 : 4;
  std::vector<double> x = normal_rows(rows, model.flow().features());
  if (workload == "W14") into_unit_interval(x);
  thalweg::DensityEvaluator density(
      model, pool, workload == "W1" ? thalweg::Precision::kFloat : thalweg::Precision::kDouble);
  double sum = 0.0;
  for (const double value : density.log_prob(x)) sum += value;
  result["x"] = x;
  result["loss"] = -sum / static_cast<double>(rows);
  return result;
}

/// W9: steps of chains by SAILS, half of them by its local kernel.
std::vector<double> chain_times(thalweg::Model& model, thalweg::ThreadPool& pool,
                                const nlohmann::json& all, int repeat) {
  disturb(model);
  thalweg::ChainOptions options;
  options.chains = all.at("chains");
  options.burn_in = 0;
  options.step_size = all.at("W9").at("step_size");
  std::vector<thalweg::WeightedKernel> kernels(2);
  kernels[0].kernel = thalweg::make_chain_kernel("sails");
  kernels[1].kernel = thalweg::make_chain_kernel("independence");
  thalweg::MarkovChains chains(thalweg::LatentDensity(model, thalweg::ChainTarget::kSharpened),
                               std::move(kernels), options, pool);
  chains.start();
  const auto steps = [&] {
    for (int step = all.at("W9").at("steps"); step > 0; --step) chains.step();
  };
  milliseconds(5, steps);
  return milliseconds(repeat, steps);
}

int run(const Arguments& arguments) {
  if (arguments.task == "matmul") {
    std::printf("{\"task\":\"matmul\",\"threads\":%d,\"gflops\":%.4g,\"core\":\"%s\"}\n",
                arguments.threads, matrix_product_gflops(arguments.threads, arguments.repeat),
                thalweg::kernels::instruction_set());
    return 0;
  }
  thalweg::ThreadPool pool(arguments.threads);
  const nlohmann::json all = workload_sizes();
  if (!all.contains(arguments.workload))
    fail<thalweg::ConfigError>("unknown workload '{}'", arguments.workload);
  const bool paths = arguments.workload == "W8";
  const std::shared_ptr<const thalweg::Target> well = thalweg::make_target("double_well");
  thalweg::Model model(model_options(arguments.workload, all), 1, paths ? well : nullptr);
  const std::int64_t features = model.flow().features();
  if (arguments.task == "check") {
    std::puts(to_check(arguments.workload, model, pool, all.at(arguments.workload)).dump().c_str());
    return 0;
  }
  if (arguments.task == "chains") {
    print(arguments, chain_times(model, pool, all, arguments.repeat));
    return 0;
  }
  if (arguments.task == "step") {
    const bool reverse = arguments.workload == "W4" || arguments.workload == "W7";
    const std::int64_t batch = all.at(arguments.workload).at("batch");
    std::vector<double> x = normal_rows(batch, features);
    if (paths)  // points of the right well
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.3 * x[i] + (i % 2 == 0 ? 1.7 : 0.0);
    std::vector<double> forces;
    thalweg::TrainingData data;
    thalweg::TrainingOptions options;
    if (reverse) {
      if (model.resampled() != nullptr) set_last_acceptance_bias(model);
      data.target = thalweg::make_target("two_rings");
      options.objective = "reverse_kl";
      options.precision = "double";
    } else {
      data.rows = x;
      if (model.flow().base().mean_free_dimensions() > 0) {
        options.objective = "free_form";
        options.reconstruction_weight = all.at(arguments.workload).at("reconstruction_weight");
      }
      if (arguments.workload == "W14") {
        forces = x;
        data.forces = forces;
        into_unit_interval(x);
        options.objective = "force_matching";
        options.force_weight = all.at(arguments.workload).at("force_weight");
      }
      if (paths) {
        data.target = well;
        options.objective = "mixed";
      }
    }
    options.batch_size = batch;
    options.learning_rate = 1e-5;  // the same batch again and again must not run away
    options.iterations = 1'000'000'000;
    thalweg::Trainer trainer(model, data, options, pool);
    milliseconds(std::min(20, arguments.repeat), [&] { trainer.step(); });
    print(arguments, milliseconds(arguments.repeat, [&] { trainer.step(); }));
    return 0;
  }
  const std::int64_t points = all.at(arguments.workload).value("points", all.at("points"));
  const std::vector<double> x = normal_rows(points, features);
  thalweg::initialise_from_data(
      model.flow(), model.parameters(),
      std::span(x).first(static_cast<std::size_t>(std::min<std::int64_t>(4096, points) * features)),
      {}, pool);
  if (model.resampled() != nullptr) {
    set_last_acceptance_bias(model);
    thalweg::estimate_normaliser(model, 1 << 14, 3, pool);
  }
  if (arguments.task == "log_prob") {
    thalweg::DensityEvaluator density(model, pool);
    density.log_prob(x);
    print(arguments, milliseconds(arguments.repeat, [&] { density.log_prob(x); }));
  } else if (arguments.task == "sample" || arguments.task == "sample_lockstep") {
    thalweg::FlowSampler sampler(model, pool, 11);
    sampler.next(points);
    print(arguments, milliseconds(arguments.repeat, [&] { sampler.next(points); }));
  } else {
    fail<thalweg::ConfigError>("unknown task '{}'", arguments.task);
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(parse(count, words));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_ours: %s\n", error.what());
    return 1;
  }
}

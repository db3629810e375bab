// Thalweg's side of the benchmark: the workloads of docs/benchmarks.md, one JSON line a call.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/markov_chains.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/training/trainer.h"

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

thalweg::ModelOptions model_options(const std::string& workload) {
  thalweg::ModelOptions options;
  options.flow.kind = "real_nvp";
  options.flow.blocks = 16;
  options.flow.act_norm = true;
  if (workload == "W2") {
    options.features = 60;
    options.flow.hidden = {64, 64};
    options.flow.permutation = "lu";
  } else if (workload == "W0" || workload == "W1") {
    options.features = 2;
    options.flow.hidden = {32, 32};
    options.flow.permutation = "swap";
    if (workload == "W0") options.base.kind = "resampled";
  } else if (workload == "W3") {
    options.features = 6;
    options.flow.kind = "spline";
    options.flow.blocks = 10;
    options.flow.bins = 8;
    options.flow.network = "residual";
    options.flow.hidden = {256};
    options.flow.permutation = "lu";
    options.flow.act_norm = false;
  } else if (workload == "W4" || workload == "W7") {
    options.flow.blocks = 8;
    options.flow.hidden = {32, 32};
    if (workload == "W4") options.base.kind = "resampled";
  } else if (workload == "W8") {
    options.flow.blocks = 6;
    options.flow.hidden = {64, 64};
    options.stochastic.kinds = {"metropolis"};
    options.stochastic.every = 2;
    options.stochastic.moves.steps = 20;
    options.stochastic.moves.step_size = 0.25;
  } else if (workload == "W9") {
    options.flow.blocks = 8;
    options.flow.hidden = {16, 16};
    options.flow.activation = "tanh";
    options.flow.act_norm = false;
  } else if (workload == "W5") {
    options.flow.kind = "residual";
    options.flow.hidden = {32, 32};
  } else if (workload == "W6") {
    // The base alone: one coupling is next to nothing beside it.
    options.flow.blocks = 1;
    options.flow.hidden = {1};
    options.flow.act_norm = false;
    options.base.kind = "resampled";
  } else {
    fail<thalweg::ConfigError>("unknown workload '{}'", workload);
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

/// About half of the proposals are accepted then, as on the peer's side.
void set_last_acceptance_bias(thalweg::Model& model) {
  model.parameters().values(model.parameters().find("base.acceptance.2.bias"))[0] = 0.0;
}

/// W9: 20 steps of 1000 chains by SAILS, half of them by its local kernel.
std::vector<double> chain_times(thalweg::Model& model, thalweg::ThreadPool& pool, int repeat) {
  // Away from the identity, where the network would have nothing to do.
  thalweg::RandomSequence random(5, thalweg::Stream::kInitialisation);
  for (double& value : model.parameters().flat()) value += 0.05 * random.normal();
  thalweg::ChainOptions options;
  options.burn_in = 0;
  options.step_size = 0.3;
  std::vector<thalweg::WeightedKernel> kernels(2);
  kernels[0].kernel = thalweg::make_chain_kernel("sails");
  kernels[1].kernel = thalweg::make_chain_kernel("independence");
  thalweg::MarkovChains chains(thalweg::LatentDensity(model, thalweg::ChainTarget::kSharpened),
                               model.parameters(), std::move(kernels), options, pool);
  chains.start();
  const auto steps = [&] {
    for (int step = 0; step < 20; ++step) chains.step();
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
  const bool paths = arguments.workload == "W8";
  const std::shared_ptr<const thalweg::Target> well = thalweg::make_target("double_well");
  thalweg::Model model(model_options(arguments.workload), 1, paths ? well : nullptr);
  const std::int64_t features = model.flow().features();
  if (arguments.task == "chains") {
    print(arguments, chain_times(model, pool, arguments.repeat));
    return 0;
  }
  if (arguments.task == "step") {
    const bool reverse = arguments.workload == "W4" || arguments.workload == "W7";
    const std::int64_t batch = paths ? 128
                               : arguments.workload == "W2" || arguments.workload == "W3" || reverse
                                   ? 512
                                   : 1024;
    std::vector<double> x = normal_rows(batch, features);
    if (paths)  // points of the right well
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = 0.3 * x[i] + (i % 2 == 0 ? 1.7 : 0.0);
    thalweg::TrainingData data;
    thalweg::TrainingOptions options;
    if (reverse) {
      if (model.resampled() != nullptr) set_last_acceptance_bias(model);
      data.target = thalweg::make_target("two_rings");
      options.objective = "reverse_kl";
      options.precision = "double";
    } else {
      data.rows = x;
      if (paths) {
        data.target = well;
        options.objective = "mixed";
      }
    }
    options.batch_size = batch;
    options.learning_rate = 1e-5;  // the same batch again and again must not run away
    options.iterations = 1'000'000'000;
    thalweg::Trainer trainer(model, data, options, pool);
    milliseconds(20, [&] { trainer.step(); });
    print(arguments, milliseconds(arguments.repeat, [&] { trainer.step(); }));
    return 0;
  }
  constexpr std::int64_t kPoints = 100'000;
  const std::vector<double> x = normal_rows(kPoints, features);
  thalweg::initialise_from_data(model.flow(), model.parameters(),
                                std::span(x).first(static_cast<std::size_t>(4096 * features)));
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
    sampler.next(kPoints);
    print(arguments, milliseconds(arguments.repeat, [&] { sampler.next(kPoints); }));
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

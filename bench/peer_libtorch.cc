// The peer of the benchmark: the same models and the same work as bench_ours, in eager libtorch.
//
// One JSON line goes to standard output; bench/compare.py reads it.
#include <dlfcn.h>
#include <fmt/format.h>
#include <malloc.h>
#include <torch/torch.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <numbers>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "peer_layers.h"

namespace {

using peer::Flow;
using peer::kSizes;
using peer::log_standard_normal;
using peer::ResampledBase;
using torch::Tensor;

const std::int64_t kPoints = kSizes.at("points");

// A workload: the flow, its base and the sizes of a training step and of a chunk of points.
struct Model {
  explicit Model(const std::string& name)
      : sizes(kSizes.at(name)),
        flow(sizes.at("layers"), sizes.at("features"), sizes.at("hidden"), name == "W2"),
        base(flow.features()),
        resampled(name == "W0" || name == "W4"),
        batch(sizes.at("batch")) {}

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all = flow.parameters();
    if (resampled) {
      for (const Tensor& parameter : base.parameters()) all.push_back(parameter);
    }
    return all;
  }

  const nlohmann::json& sizes;
  Flow flow;
  ResampledBase base;
  bool resampled;
  std::int64_t batch;
};

peer::ResidualFlow residual_flow() {
  return peer::ResidualFlow(kSizes.at("W5").at("layers"), kSizes.at("W5").at("hidden"), 2);
}

// A fixed batch on a bent surface, so that the model has something to learn.
Tensor synthetic_data(std::int64_t count, std::int64_t features) {
  const Tensor noise = torch::randn({count, features});
  return noise + 0.5 * torch::sin(2.0 * noise.roll(1, 1));
}

// Milliseconds of each of `repeats` runs, sorted, after a few runs to warm up.
std::vector<double> measure(int repeats, const std::function<void()>& run) {
  for (int i = 0; i < std::max(1, repeats / 8); ++i) run();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    times.push_back(elapsed.count());
  }
  std::sort(times.begin(), times.end());
  return times;
}

// How far to_latent(to_data(z)) is from z: a benchmark of a wrong model would be worth nothing.
void check_round_trip(Model& model) {
  const c10::InferenceMode guard;
  const Tensor z = torch::randn({256, model.flow.features()});
  const Tensor back =
      model.flow.to_latent(model.flow.to_data(z, model.flow.inverse_weights())).first;
  const double error = (back - z).abs().max().item<double>();
  if (!(error < 1e-2)) throw std::runtime_error(fmt::format("round trip is off by {}", error));
}

using Loss = std::function<Tensor()>;

// Milliseconds of a training step, sorted.
std::vector<double> step_times(int repeats, std::vector<Tensor> parameters, const Loss& loss) {
  torch::optim::Adam optimizer(std::move(parameters), torch::optim::AdamOptions(1e-5));
  double value = 0.0;
  const std::vector<double> times = measure(repeats, [&] {
    // Dropping the gradients is cheaper than Optimizer::zero_grad, which fills them with zeros.
    for (Tensor& parameter : optimizer.param_groups().front().params())
      parameter.mutable_grad().reset();
    const Tensor mean = loss();
    mean.backward();
    optimizer.step();
    value = mean.item<double>();
  });
  if (!std::isfinite(value)) throw std::runtime_error("the loss is not finite");
  return times;
}

std::vector<double> likelihood_steps(const std::string& workload, int repeats) {
  if (workload == "W3") {
    peer::SplineFlow flow;
    const Tensor data = torch::randn({kSizes.at("W3").at("batch"), flow.features()});
    return step_times(repeats, flow.parameters(), [&] {
      const auto [z, log_det] = flow.to_latent(data);
      return -(log_standard_normal(z) + log_det).mean();
    });
  }
  if (workload == "W5") {
    peer::ResidualFlow flow = residual_flow();
    const Tensor data = synthetic_data(kSizes.at("W5").at("batch"), peer::ResidualFlow::kFeatures);
    return step_times(repeats, flow.parameters(), [&] {
      const auto [z, log_det] = flow.to_latent(data);
      return -(log_standard_normal(z) + log_det).mean();
    });
  }
  Model model(workload);
  const Tensor data = synthetic_data(model.batch, model.flow.features());
  const std::vector<double> times = step_times(repeats, model.parameters(), [&] {
    const auto [z, log_det] = model.flow.to_latent(data);
    const Tensor log_base =
        model.resampled ? model.base.training_log_prob(z) : log_standard_normal(z);
    return -(log_base + log_det).mean();
  });
  check_round_trip(model);
  return times;
}

// W4 and W7: the reverse KL of two rings from a resampled base, with the covariance estimator, and
// from a normal one.
std::vector<double> reverse_kl_steps(const std::string& workload, int repeats) {
  torch::set_default_dtype(caffe2::TypeMeta::Make<double>());
  Model model(workload);
  return step_times(repeats, model.parameters(), [&] {
    Tensor z = torch::randn({model.batch, model.flow.features()});
    if (model.resampled) {
      const torch::NoGradGuard guard;
      z = model.base.sample(model.batch, model.batch);
    }
    Tensor log_det;
    const Tensor x = model.flow.to_data(z, {}, &log_det);
    const Tensor radius = x.square().sum(1, true).sqrt();
    const Tensor near = -0.5 * ((radius - 1.0) / 0.1).square();
    const Tensor far = -0.5 * ((radius - 2.0) / 0.1).square();
    const Tensor rest = -(log_det + torch::logsumexp(torch::cat({near, far}, 1), 1, true));
    if (!model.resampled) return (log_standard_normal(z) + rest).mean();
    const Tensor log_base = model.base.training_log_prob(z);
    const Tensor integrand = (log_base + rest).detach();
    const Tensor score = (integrand - integrand.mean()) * log_base;
    return rest.mean() + score.sum() / static_cast<double>(model.batch - 1);
  });
}

Tensor double_well(const Tensor& x) {
  const Tensor first = x.narrow(1, 0, 1), squared = first.square();
  return -0.5 * first - 6.0 * squared + squared.square() + 0.5 * x.narrow(1, 1, 1).square();
}

// Metropolis moves by the energy between that of a normal and the double
// well's. Which moves are accepted has no derivative, so the chain keeps no graph.
std::pair<Tensor, Tensor> metropolis(const Tensor& start, double lambda) {
  static const int moves = kSizes.at("W8").at("moves");
  static const double deviation = kSizes.at("W8").at("deviation");
  const auto energy = [&](const Tensor& y) {
    if (lambda == 0.0) return 0.5 * y.square().sum(1, true);
    if (lambda == 1.0) return double_well(y);
    return (0.5 * (1.0 - lambda)) * y.square().sum(1, true) + lambda * double_well(y);
  };
  Tensor shift;
  {
    const torch::NoGradGuard guard;
    Tensor y = start, current = energy(y);
    for (int step = 0; step < moves; ++step) {
      const Tensor next = y + deviation * torch::randn_like(y);
      const Tensor proposed = energy(next);
      const Tensor accept = torch::rand_like(current).log_() < current - proposed;
      y = torch::where(accept, next, y);
      current = torch::where(accept, proposed, current);
    }
    shift = y - start;
  }
  const Tensor end = start + shift;
  return {end, energy(end) - energy(start)};
}

// W8: half the path likelihood of data, half the path divergence from the double well.
struct PathFlow {
  PathFlow() {
    const nlohmann::json& sizes = kSizes.at("W8");
    const std::int64_t stages = sizes.at("stages"), layers = sizes.at("layers");
    for (std::int64_t i = 0; i < stages; ++i) {
      blocks.emplace_back(layers / stages, 2, sizes.at("hidden"), false);
      for (const Tensor& parameter : blocks.back().parameters()) parameters.push_back(parameter);
      lambdas.push_back(static_cast<double>(i) / static_cast<double>(stages - 1));
    }
  }

  std::vector<Flow> blocks;
  std::vector<double> lambdas;
  std::vector<Tensor> parameters;
};

std::vector<double> path_steps(int repeats) {
  const std::int64_t batch = kSizes.at("W8").at("batch");
  auto [blocks, lambdas, parameters] = PathFlow();
  Tensor data = 0.3 * torch::randn({batch, 2});
  data.narrow(1, 0, 1).add_(1.7);
  return step_times(repeats, parameters, [&] {
    Tensor x = data, log_weight = torch::zeros({batch, 1});
    for (std::size_t i = blocks.size(); i-- > 0;) {
      const auto [moved, log_ratio] = metropolis(x, lambdas[i]);
      const auto [mapped, log_det] = blocks[i].to_latent(moved);
      x = mapped;
      log_weight = log_weight + log_ratio + log_det;
    }
    const Tensor likelihood = (log_standard_normal(x) + log_weight).mean();
    Tensor z = torch::randn({batch, 2}), path = log_standard_normal(z);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      Tensor log_det;
      const auto [moved, log_ratio] = metropolis(blocks[i].to_data(z, {}, &log_det), lambdas[i]);
      z = moved;
      path = path - log_det - log_ratio;
    }
    return 0.5 * ((path + double_well(z)).mean() - likelihood);
  });
}

// W9: the real NVP of SAILS' table, couplings with tanh networks, from z to x.
struct TanhFlow {
  TanhFlow() {
    const std::int64_t layers = kSizes.at("W9").at("layers"), hidden = kSizes.at("W9").at("hidden");
    for (std::int64_t i = 0; i < layers; ++i) {
      conditioners.push_back(torch::nn::Sequential(
          torch::nn::Linear(1, hidden), torch::nn::Tanh(), torch::nn::Linear(hidden, hidden),
          torch::nn::Tanh(), torch::nn::Linear(hidden, 2)));
      for (Tensor& parameter : conditioners.back()->parameters()) parameter.requires_grad_(false);
    }
  }

  std::pair<Tensor, Tensor> to_data(Tensor z) {
    std::vector<Tensor> log_scales;
    for (auto& conditioner : conditioners) {
      const std::vector<Tensor> halves = z.chunk(2, 1);
      const std::vector<Tensor> maps = conditioner->forward(halves[0]).chunk(2, 1);
      z = torch::cat({torch::addcmul(maps[1], halves[1], maps[0].exp()), halves[0]}, 1);
      log_scales.push_back(maps[0]);
    }
    return {z, torch::cat(log_scales, 1).sum(1, true)};
  }

  std::vector<torch::nn::Sequential> conditioners;
};

// A place of the chains: in two dimensions the whole Jacobian is cheap, from two backward passes
// through the one evaluation of the flow, and its inverse is written down.
struct Place {
  Tensor z, log_det, log_density, first, second, determinant, score;

  Place(TanhFlow& flow, const Tensor& at) : z(at.detach().requires_grad_(true)) {
    const auto [x, logarithm] = flow.to_data(z);
    const Tensor density = log_standard_normal(z) - logarithm;
    const auto gradient = [&](const Tensor& of, bool keep) {
      return torch::autograd::grad({of.sum()}, {z}, {}, keep)[0];
    };
    first = gradient(x.slice(1, 0, 1), true);
    second = gradient(x.slice(1, 1, 2), true);
    const Tensor slope = gradient(density, false);
    z = z.detach();
    log_det = logarithm.detach();
    log_density = density.detach();
    determinant =
        first.slice(1, 0, 1) * second.slice(1, 1, 2) - first.slice(1, 1, 2) * second.slice(1, 0, 1);
    // J^-T slope
    score = torch::cat({second.slice(1, 1, 2) * slope.slice(1, 0, 1) -
                            second.slice(1, 0, 1) * slope.slice(1, 1, 2),
                        first.slice(1, 0, 1) * slope.slice(1, 1, 2) -
                            first.slice(1, 1, 2) * slope.slice(1, 0, 1)},
                       1) /
            determinant;
  }

  // J^-1 v and J v.
  Tensor pull_back(const Tensor& v) const {
    return torch::cat(
               {second.slice(1, 1, 2) * v.slice(1, 0, 1) - first.slice(1, 1, 2) * v.slice(1, 1, 2),
                first.slice(1, 0, 1) * v.slice(1, 1, 2) - second.slice(1, 0, 1) * v.slice(1, 0, 1)},
               1) /
           determinant;
  }
  Tensor push_forward(const Tensor& v) const {
    return torch::cat({(first * v).sum(1, true), (second * v).sum(1, true)}, 1);
  }

  void take(const Tensor& accepted, const Place& other) {
    for (const auto member : {&Place::z, &Place::log_det, &Place::log_density, &Place::first,
                              &Place::second, &Place::determinant, &Place::score})
      this->*member = torch::where(accepted, other.*member, this->*member);
  }
};

// Steps of many chains, half of them by the local kernel, which is exact.
std::vector<double> chain_times(int repeats) {
  const std::int64_t chains = kSizes.at("chains");
  const int steps = kSizes.at("W9").at("steps");
  const double step_size = kSizes.at("W9").at("step_size");
  torch::set_default_dtype(caffe2::TypeMeta::Make<double>());
  TanhFlow flow;
  Place place(flow, torch::randn({chains, 2}));
  const std::vector<double> times = measure(repeats, [&] {
    for (int step = 0; step < steps; ++step) {
      const Tensor noise = torch::randn({chains, 2});
      const Tensor move =
          place.pull_back(0.5 * step_size * step_size * place.score + step_size * noise);
      const Tensor local = torch::rand({chains, 1}) < 0.5;
      const Place other(flow, torch::where(local, place.z + move, torch::randn({chains, 2})));
      const Tensor back =
          other.push_forward(place.z - other.z) / step_size - 0.5 * step_size * other.score;
      const Tensor ratio =
          torch::where(local,
                       other.log_det - place.log_det +
                           0.5 * (noise.square().sum(1, true) - back.square().sum(1, true)),
                       log_standard_normal(place.z) - log_standard_normal(other.z));
      const Tensor odds = ratio + other.log_density - place.log_density;
      place.take(torch::rand({chains, 1}).log() < odds, other);
    }
  });
  if (!torch::isfinite(place.z).all().item<bool>())
    throw std::runtime_error("the chains are not finite");
  return times;
}

Tensor log_prob(Model& model, const Tensor& data, std::int64_t chunk) {
  const c10::InferenceMode guard;
  std::vector<Tensor> parts;
  for (const Tensor& part : data.split(chunk)) {
    const auto [z, log_det] = model.flow.to_latent(part);
    parts.push_back((model.resampled ? model.base.log_prob(z) : log_standard_normal(z)) + log_det);
  }
  return torch::cat(parts);
}

Tensor sample(Model& model, std::int64_t count, std::int64_t chunk) {
  const c10::InferenceMode guard;
  const std::vector<Tensor> inverses = model.flow.inverse_weights();
  std::vector<Tensor> parts;
  if (model.resampled) {
    for (const Tensor& part : model.base.sample(count, chunk).split(chunk)) {
      parts.push_back(model.flow.to_data(part, inverses));
    }
  } else {
    for (std::int64_t done = 0; done < count; done += chunk) {
      const Tensor z = torch::randn({std::min(chunk, count - done), model.flow.features()});
      parts.push_back(model.flow.to_data(z, inverses));
    }
  }
  return torch::cat(parts);
}

void require_finite(const Tensor& values, const char* what) {
  if (!torch::isfinite(values).all().item<bool>()) {
    throw std::runtime_error(fmt::format("the {} is not finite", what));
  }
}

// Looked up at run time: with another BLAS these names do not exist.
template <typename Function>
Function* openblas(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

void use_threads(int threads) {
  at::set_num_threads(threads);
  if (auto* set_threads = openblas<void(int)>("openblas_set_num_threads")) set_threads(threads);
}

std::int64_t parameter_count(const std::string& workload) {
  std::vector<Tensor> parameters;
  if (workload == "W3") {
    parameters = peer::SplineFlow().parameters();
  } else if (workload == "W5") {
    parameters = residual_flow().parameters();
  } else if (workload == "W6") {
    parameters = ResampledBase(kSizes.at("W6").at("features")).parameters();
  } else if (workload == "W8") {
    parameters = PathFlow().parameters;
  } else if (workload == "W9") {
    for (auto& conditioner : TanhFlow().conditioners)
      for (const Tensor& parameter : conditioner->parameters()) parameters.push_back(parameter);
  } else {
    parameters = Model(workload).parameters();
  }
  std::int64_t count = 0;
  for (const Tensor& parameter : parameters) count += parameter.numel();
  return count;
}

int run(int argc, char** argv) {
  std::string workload = "W1";
  std::string task = "step";
  int threads = 1;
  int repeats = 20;
  std::int64_t chunk = 0;
  CLI::App app("The benchmark's peer in eager libtorch");
  app.add_option("--workload", workload)
      ->check(CLI::IsMember({"W0", "W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9"}));
  app.add_option("--task", task)
      ->check(CLI::IsMember(
          {"step", "log_prob", "sample", "sample_lockstep", "chains", "matmul", "check"}));
  app.add_option("--threads", threads)->check(CLI::PositiveNumber);
  app.add_option("--repeat", repeats)->check(CLI::PositiveNumber);
  app.add_option("--chunk", chunk, "Points at a time in log_prob and sample (0: the best found)");
  CLI11_PARSE(app, argc, argv);

  // Freed tensors stay in the heap: without this the peer loses a fifth of W0 to page faults.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  use_threads(threads);
  torch::manual_seed(1);
  if (task == "check") {
    fmt::print("{{\"parameters\":{}}}\n", parameter_count(workload));
    return 0;
  }
  if (chunk <= 0) chunk = threads > 1 ? 16384 : workload == "W2" ? 1024 : 4096;

  std::vector<double> times;
  std::string more;
  if (task == "matmul") {
    constexpr std::int64_t kSize = 1024;
    const c10::InferenceMode guard;
    const Tensor a = torch::randn({kSize, kSize});
    const Tensor b = torch::randn({kSize, kSize});
    Tensor product = torch::empty({kSize, kSize});
    times = measure(repeats, [&] { torch::mm_out(product, a, b); });
    auto* core_name = openblas<const char*()>("openblas_get_corename");
    more = fmt::format(",\"gflops\":{:.1f},\"blas\":\"{}\"",
                       2e-6 * static_cast<double>(kSize * kSize * kSize) / times.front(),
                       core_name != nullptr ? core_name() : "not OpenBLAS");
    workload = "matmul";
  } else if (task == "chains") {
    times = chain_times(repeats);
  } else if (task == "step") {
    times = workload == "W8"                       ? path_steps(repeats)
            : workload == "W4" || workload == "W7" ? reverse_kl_steps(workload, repeats)
                                                   : likelihood_steps(workload, repeats);
  } else if (workload == "W6") {
    const c10::InferenceMode guard;
    ResampledBase base(kSizes.at("W6").at("features"));
    Tensor values;
    times = measure(repeats, [&] {
      values =
          task == "sample" ? base.sample(kPoints, chunk) : base.sample_in_lockstep(kPoints, chunk);
    });
    require_finite(values, "sample");
  } else {
    Model model(workload);
    Tensor values;
    if (task == "log_prob") {
      const Tensor data = synthetic_data(kPoints, model.flow.features());
      times = measure(repeats, [&] { values = log_prob(model, data, chunk); });
    } else {
      times = measure(repeats, [&] { values = sample(model, kPoints, chunk); });
    }
    require_finite(values, "result");
    check_round_trip(model);
  }
  fmt::print(
      "{{\"workload\":\"{}\",\"task\":\"{}\",\"threads\":{},\"median_ms\":{:.4f},\"min_ms\":{:.4f},"
      "\"repeats\":{}{}}}\n",
      workload, task, threads, times[times.size() / 2], times.front(), repeats, more);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_peer: {}\n", error.what());
    return 1;
  }
}

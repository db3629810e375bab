// The peer of the benchmark: the same models and the same work as bench_ours, in eager libtorch.
//
// Every layer is parametrised in the direction of the density (data x to latent z), the cheaper way
// for a training step. One JSON line goes to standard output; bench/compare.py reads it.
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

namespace {

using torch::Tensor;
using torch::indexing::Slice;

constexpr std::int64_t kLayers = 16;
constexpr std::int64_t kPoints = 100000;
constexpr std::int64_t kProposals = 1024;
constexpr int kTruncation = 100;
constexpr double kZDecay = 0.95;

// Three dense layers with relu between them.
struct MlpImpl : torch::nn::Module {
  MlpImpl(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs)
      : first(register_module("first", torch::nn::Linear(inputs, hidden))),
        second(register_module("second", torch::nn::Linear(hidden, hidden))),
        third(register_module("third", torch::nn::Linear(hidden, outputs))) {}

  Tensor forward(const Tensor& input) {
    return third->forward(second->forward(first->forward(input).relu_()).relu_());
  }

  torch::nn::Linear first, second, third;
};
TORCH_MODULE(Mlp);

// z = x exp(log_scale) + shift, one scale and shift a feature.
struct ActNormImpl : torch::nn::Module {
  explicit ActNormImpl(std::int64_t features)
      : log_scale(register_parameter("log_scale", torch::zeros({features}))),
        shift(register_parameter("shift", torch::zeros({features}))) {}

  Tensor log_scale, shift;
};
TORCH_MODULE(ActNorm);

// z = x W^T with W = L U: L unit lower triangular, U upper triangular with its own diagonal.
struct LuLinearImpl : torch::nn::Module {
  explicit LuLinearImpl(std::int64_t features)
      : lower(register_parameter("lower", 0.01 * torch::randn({features, features}))),
        upper(register_parameter("upper", 0.01 * torch::randn({features, features}))),
        diagonal(register_parameter("diagonal", torch::ones({features}))),
        identity(register_buffer("identity", torch::eye(features))) {}

  Tensor weight() {
    return torch::mm(torch::tril(lower, -1) + identity,
                     torch::triu(upper, 1) + torch::diag(diagonal));
  }

  Tensor lower, upper, diagonal, identity;
};
TORCH_MODULE(LuLinear);

// A flow to a standard normal: kLayers x [LU linear if wanted, affine coupling, ActNorm].
// `to_latent` and `to_data` are inverse to each other.
class Flow : public torch::nn::Module {
 public:
  Flow(std::int64_t features, std::int64_t hidden, bool with_lu)
      : features_(features), half_(features / 2) {
    for (std::int64_t i = 0; i < kLayers; ++i) {
      const std::string index = std::to_string(i);
      conditioners_.push_back(
          register_module("conditioner" + index, Mlp(half_, hidden, 2 * half_)));
      norms_.push_back(register_module("norm" + index, ActNorm(features)));
      if (with_lu) linears_.push_back(register_module("linear" + index, LuLinear(features)));
    }
  }

  std::int64_t features() const { return features_; }

  // x [batch, features] to z [batch, features] and log|det dz/dx| [batch, 1].
  std::pair<Tensor, Tensor> to_latent(Tensor x) {
    std::vector<Tensor> log_scales;
    std::vector<Tensor> shared;
    for (std::size_t i = 0; i < conditioners_.size(); ++i) {
      if (!linears_.empty()) {
        x = torch::mm(x, linears_[i]->weight().t());
        shared.push_back(linears_[i]->diagonal.abs().log());
        x = normalise(i, x);
      }
      const std::vector<Tensor> halves = x.chunk(2, 1);
      const std::vector<Tensor> maps = conditioners_[i]->forward(halves[0]).chunk(2, 1);
      // The halves change places after each layer, so the first half always conditions the second.
      x = torch::cat({torch::addcmul(maps[1], halves[1], maps[0].exp()), halves[0]}, 1);
      if (linears_.empty()) x = normalise(i, x);
      log_scales.push_back(maps[0]);
      shared.push_back(norms_[i]->log_scale);
    }
    return {x, torch::cat(log_scales, 1).sum(1, true) + torch::cat(shared).sum()};
  }

  // z [batch, features] to x [batch, features]. `inverses` is from `inverse_weights`.
  Tensor to_data(Tensor z, const std::vector<Tensor>& inverses) {
    for (std::size_t i = conditioners_.size(); i-- > 0;) {
      if (linears_.empty()) z = denormalise(i, z);
      const std::vector<Tensor> halves = z.chunk(2, 1);
      const std::vector<Tensor> maps = conditioners_[i]->forward(halves[1]).chunk(2, 1);
      z = torch::cat({halves[1], (halves[0] - maps[1]).mul_(maps[0].neg().exp_())}, 1);
      if (!linears_.empty()) z = torch::mm(denormalise(i, z), inverses[i]);
    }
    return z;
  }

  // The transposed inverse of every LU layer's weight: computed once for a call that samples.
  std::vector<Tensor> inverse_weights() {
    std::vector<Tensor> inverses;
    for (LuLinear& linear : linears_) {
      inverses.push_back(torch::linalg_inv(linear->weight()).t().contiguous());
    }
    return inverses;
  }

 private:
  Tensor normalise(std::size_t i, const Tensor& x) {
    return torch::addcmul(norms_[i]->shift, x, norms_[i]->log_scale.exp());
  }
  Tensor denormalise(std::size_t i, const Tensor& z) {
    return (z - norms_[i]->shift).mul_(norms_[i]->log_scale.neg().exp_());
  }

  std::int64_t features_, half_;
  std::vector<Mlp> conditioners_;
  std::vector<ActNorm> norms_;
  std::vector<LuLinear> linears_;
};

Tensor log_standard_normal(const Tensor& z) {
  const double constant = -0.5 * static_cast<double>(z.size(1)) * std::log(2.0 * std::numbers::pi);
  return z.square().sum(1, true).mul(-0.5).add(constant);
}

// Learned accept and reject sampling on a standard normal proposal, truncated after kTruncation
// trials.
class ResampledBase : public torch::nn::Module {
 public:
  explicit ResampledBase(std::int64_t features)
      : features_(features),
        net_(register_module("net", Mlp(features, 256, 1))),
        z_average_(register_buffer("z_average", torch::full({}, 0.5))) {
    // A mean acceptance of one half, so that sampling means the same work on both sides.
    const torch::NoGradGuard guard;
    net_->third->bias.zero_();
  }

  Tensor acceptance(const Tensor& z) { return torch::sigmoid(net_->forward(z)); }

  // log p(z) [batch, 1] with the moving average of Z as it stands.
  Tensor log_prob(const Tensor& z) { return combine(z, acceptance(z), z_average_); }

  // log p(z) [batch, 1] while training: Z takes its gradient from fresh proposals.
  Tensor training_log_prob(const Tensor& z) {
    const Tensor all = acceptance(torch::cat({z, torch::randn({kProposals, features_})}));
    const Tensor z_batch = all.index({Slice(z.size(0))}).mean();
    const Tensor detached = z_batch.detach();
    z_average_.mul_(kZDecay).add_(detached, 1.0 - kZDecay);
    return combine(z, all.index({Slice(0, z.size(0))}), z_batch - detached + z_average_);
  }

  // `count` draws [count, features]; proposals run through the net `chunk` at a time.
  Tensor sample(std::int64_t count, std::int64_t chunk) {
    Tensor samples = torch::empty({count, features_});
    Tensor pending = torch::arange(count);
    for (int trial = 1; trial <= kTruncation && pending.numel() > 0; ++trial) {
      const Tensor proposal = torch::randn({pending.numel(), features_});
      if (trial == kTruncation) {
        samples.index_copy_(0, pending, proposal);
        break;
      }
      std::vector<Tensor> rates;
      for (const Tensor& part : proposal.split(chunk)) rates.push_back(acceptance(part));
      const Tensor accepted = torch::rand({pending.numel()}) < torch::cat(rates).squeeze(1);
      const Tensor taken = accepted.nonzero().squeeze(1);
      samples.index_copy_(0, pending.index_select(0, taken), proposal.index_select(0, taken));
      pending = pending.masked_select(accepted.logical_not());
    }
    return samples;
  }

 private:
  static Tensor combine(const Tensor& z, const Tensor& acceptance, const Tensor& z_mean) {
    const Tensor alpha = (1.0 - z_mean).pow(kTruncation - 1);
    return log_standard_normal(z) + (alpha + (1.0 - alpha) / z_mean * acceptance).log();
  }

  std::int64_t features_;
  Mlp net_;
  Tensor z_average_;
};

// A workload: the flow, its base and the sizes of a training step and of a chunk of points.
struct Model {
  explicit Model(const std::string& name)
      : flow(name == "W2" ? 60 : 2, name == "W2" ? 64 : 32, name == "W2"),
        base(flow.features()),
        resampled(name == "W0"),
        batch(name == "W2" ? 512 : 1024) {}

  std::vector<Tensor> parameters() {
    std::vector<Tensor> all = flow.parameters();
    if (resampled) {
      for (const Tensor& parameter : base.parameters()) all.push_back(parameter);
    }
    return all;
  }

  Flow flow;
  ResampledBase base;
  bool resampled;
  std::int64_t batch;
};

// A fixed batch on a bent surface, so that the model has something to learn.
Tensor synthetic_data(std::int64_t count, std::int64_t features) {
  const Tensor noise = torch::randn({count, features});
  return noise + 0.5 * torch::sin(2.0 * noise.roll(1, 1));
}

double training_step(Model& model, torch::optim::Adam& optimizer, const Tensor& data) {
  // Dropping the gradients is cheaper than Optimizer::zero_grad, which fills them with zeros.
  for (Tensor& parameter : optimizer.param_groups().front().params())
    parameter.mutable_grad().reset();
  const auto [z, log_det] = model.flow.to_latent(data);
  const Tensor log_base =
      model.resampled ? model.base.training_log_prob(z) : log_standard_normal(z);
  const Tensor loss = -(log_base + log_det).mean();
  loss.backward();
  optimizer.step();
  return loss.item<double>();
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

// Milliseconds of each of `repeats` runs, sorted, after a few runs to warm up.
std::vector<double> measure(int repeats, const std::function<void()>& run) {
  for (int i = 0; i < std::min(repeats, 5); ++i) run();
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

// How far to_latent(to_data(z)) is from z: a benchmark of a wrong model would be worth nothing.
void check_round_trip(Model& model) {
  const c10::InferenceMode guard;
  const Tensor z = torch::randn({256, model.flow.features()});
  const Tensor back =
      model.flow.to_latent(model.flow.to_data(z, model.flow.inverse_weights())).first;
  const double error = (back - z).abs().max().item<double>();
  if (!(error < 1e-2)) throw std::runtime_error(fmt::format("round trip is off by {}", error));
}

int run(int argc, char** argv) {
  std::string workload = "W1";
  std::string task = "step";
  int threads = 1;
  int repeats = 20;
  std::int64_t chunk = 0;
  CLI::App app("The benchmark's peer in eager libtorch");
  app.add_option("--workload", workload)->check(CLI::IsMember({"W0", "W1", "W2"}));
  app.add_option("--task", task)->check(CLI::IsMember({"step", "log_prob", "sample", "matmul"}));
  app.add_option("--threads", threads)->check(CLI::PositiveNumber);
  app.add_option("--repeat", repeats)->check(CLI::PositiveNumber);
  app.add_option("--chunk", chunk, "Points at a time in log_prob and sample (0: the best found)");
  CLI11_PARSE(app, argc, argv);

  // Freed tensors stay in the heap: without this the peer loses a fifth of W0 to page faults.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2'000'000'000);
  use_threads(threads);
  torch::manual_seed(1);
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
  } else {
    Model model(workload);
    if (task == "step") {
      const Tensor data = synthetic_data(model.batch, model.flow.features());
      torch::optim::Adam optimizer(model.parameters(), torch::optim::AdamOptions(1e-4));
      double loss = 0.0;
      times = measure(repeats, [&] { loss = training_step(model, optimizer, data); });
      if (!std::isfinite(loss)) throw std::runtime_error("the loss is not finite");
    } else if (task == "log_prob") {
      const Tensor data = synthetic_data(kPoints, model.flow.features());
      Tensor values;
      times = measure(repeats, [&] { values = log_prob(model, data, chunk); });
      require_finite(values, "log density");
    } else {
      Tensor values;
      times = measure(repeats, [&] { values = sample(model, kPoints, chunk); });
      require_finite(values, "sample");
    }
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

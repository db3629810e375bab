// Layers, flows and base of the benchmark's peer, in eager libtorch.
//
// Every layer is parametrised in the direction of the density (data x to latent z), the cheaper way
// for a training step.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "workloads.h"

namespace peer {

using torch::Tensor;
using torch::indexing::Slice;

inline const nlohmann::json kSizes = workload_sizes();
inline const std::int64_t kProposals = kSizes.at("base").at("proposals");
inline const int kTruncation = kSizes.at("base").at("truncation");
inline const double kAverageRate = kSizes.at("base").at("average_rate");

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

// A flow to a standard normal: `layers` x [LU linear if wanted, affine coupling, ActNorm].
// `to_latent` and `to_data` are inverse to each other.
class Flow : public torch::nn::Module {
 public:
  Flow(std::int64_t layers, std::int64_t features, std::int64_t hidden, bool with_lu)
      : features_(features), half_(features / 2) {
    for (std::int64_t i = 0; i < layers; ++i) {
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

  // z [batch, features] to x [batch, features]. `inverses` is from `inverse_weights`; log|det
  // dx/dz| [batch, 1] goes to `log_det` if it is given.
  Tensor to_data(Tensor z, const std::vector<Tensor>& inverses, Tensor* log_det = nullptr) {
    std::vector<Tensor> log_scales;
    for (std::size_t i = conditioners_.size(); i-- > 0;) {
      if (linears_.empty()) z = denormalise(i, z);
      const std::vector<Tensor> halves = z.chunk(2, 1);
      const std::vector<Tensor> maps = conditioners_[i]->forward(halves[1]).chunk(2, 1);
      z = torch::cat({halves[1], (halves[0] - maps[1]) * maps[0].neg().exp_()}, 1);
      if (!linears_.empty()) z = torch::mm(denormalise(i, z), inverses[i]);
      if (log_det != nullptr) log_scales.push_back(maps[0]);
    }
    if (log_det != nullptr) {
      std::vector<Tensor> shared;
      for (const ActNorm& norm : norms_) shared.push_back(norm->log_scale);
      *log_det = -(torch::cat(log_scales, 1).sum(1, true) + torch::cat(shared).sum());
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
    return (z - norms_[i]->shift) * norms_[i]->log_scale.neg().exp_();
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
        net_(register_module("net", Mlp(features, kSizes.at("base").at("hidden"), 1))),
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
    z_average_.mul_(1.0 - kAverageRate).add_(detached, kAverageRate);
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

  // The same with the whole batch proposed again in every trial until its last sample is accepted.
  Tensor sample_in_lockstep(std::int64_t count, std::int64_t chunk) {
    Tensor samples = torch::empty({count, features_});
    Tensor open = torch::ones({count, 1}, torch::kBool);
    for (int trial = 1; trial <= kTruncation && open.any().item<bool>(); ++trial) {
      const Tensor proposal = torch::randn({count, features_});
      std::vector<Tensor> rates;
      for (const Tensor& part : proposal.split(chunk)) rates.push_back(acceptance(part));
      Tensor taken = open.logical_and(torch::rand({count, 1}) < torch::cat(rates));
      if (trial == kTruncation) taken = open;
      samples = torch::where(taken, proposal, samples);
      open = open.logical_and(taken.logical_not());
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

// Dense layer, blocks of x + dense(relu(dense(relu(x)))), dense layer.
struct ResidualNetImpl : torch::nn::Module {
  ResidualNetImpl(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs, int blocks)
      : input(register_module("input", torch::nn::Linear(inputs, hidden))),
        output(register_module("output", torch::nn::Linear(hidden, outputs))) {
    for (int i = 0; i < 2 * blocks; ++i)
      inner.push_back(
          register_module("inner" + std::to_string(i), torch::nn::Linear(hidden, hidden)));
  }

  Tensor forward(const Tensor& x) {
    Tensor h = input->forward(x);
    for (std::size_t block = 0; block < inner.size(); block += 2)
      h = h + inner[block + 1]->forward(inner[block]->forward(torch::relu(h)).relu_());
    return output->forward(h);
  }

  torch::nn::Linear input, output;
  std::vector<torch::nn::Linear> inner;
};
TORCH_MODULE(ResidualNet);

// W3: several x [LU linear, rational-quadratic spline coupling], towards the latent space.
class SplineFlow : public torch::nn::Module {
 public:
  SplineFlow() {
    const std::int64_t layers = kSizes.at("W3").at("layers");
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string index = std::to_string(i);
      linears_.push_back(register_module("linear" + index, LuLinear(features_)));
      conditioners_.push_back(
          register_module("conditioner" + index,
                          ResidualNet(half_, kSizes.at("W3").at("hidden"), half_ * (3 * bins_ - 1),
                                      kSizes.at("W3").at("blocks"))));
      const torch::NoGradGuard guard;
      conditioners_.back()->output->weight.mul_(0.1);
    }
  }

  std::pair<Tensor, Tensor> to_latent(Tensor x) {
    Tensor log_det = torch::zeros({x.size(0), 1});
    for (std::size_t i = 0; i < conditioners_.size(); ++i) {
      x = torch::mm(x, linears_[i]->weight().t());
      const std::vector<Tensor> halves = x.chunk(2, 1);
      const Tensor raw = conditioners_[i]->forward(halves[0]).reshape({-1, half_, 3 * bins_ - 1});
      const auto [moved, slopes] = spline(halves[1], raw);
      x = torch::cat({halves[0], moved}, 1);
      log_det = log_det + slopes.sum(1, true) + linears_[i]->diagonal.abs().log().sum();
    }
    return {x, log_det};
  }

  std::int64_t features() const { return features_; }

 private:
  static constexpr double kBound = 5.0, kSmallest = 1e-3;

  // Left knots and extents of the bins, [batch, features, bins].
  std::pair<Tensor, Tensor> knots(const Tensor& raw) const {
    const Tensor extents =
        2.0 * kBound *
        (torch::softmax(raw, -1) * (1.0 - kSmallest * static_cast<double>(bins_)) + kSmallest);
    return {torch::cumsum(extents, -1) - extents - kBound, extents};
  }

  std::pair<Tensor, Tensor> spline(const Tensor& x, const Tensor& raw) const {
    const auto [left_x, width] = knots(raw.narrow(2, 0, bins_));
    const auto [left_y, height] = knots(raw.narrow(2, bins_, bins_));
    const double shift = std::log(std::expm1(1.0 - kSmallest));
    const Tensor slope = torch::softplus(raw.narrow(2, 2 * bins_, bins_ - 1) + shift) + kSmallest;
    const Tensor padded = torch::constant_pad_nd(slope, {1, 1}, 1.0);
    const Tensor inside = x.abs() <= kBound;
    const Tensor limited = x.clamp(-kBound, kBound);
    const Tensor bin = (limited.unsqueeze(2) >= left_x).sum(2, true).sub_(1).clamp_(0, bins_ - 1);
    const auto pick = [&](const Tensor& values) { return values.gather(2, bin).squeeze(2); };
    const Tensor w = pick(width), h = pick(height), d0 = pick(padded), steep = h / w;
    const Tensor d1 = padded.gather(2, bin + 1).squeeze(2);
    const Tensor place = (limited - pick(left_x)) / w, rest = 1.0 - place, both = place * rest;
    const Tensor bottom = steep + (d0 + d1 - 2.0 * steep) * both;
    const Tensor y = pick(left_y) + h * (steep * place.square() + d0 * both) / bottom;
    const Tensor top = d1 * place.square() + 2.0 * steep * both + d0 * rest.square();
    const Tensor log_slope = 2.0 * (steep.log() - bottom.log()) + top.log();
    return {torch::where(inside, y, x), torch::where(inside, log_slope, torch::zeros({1}))};
  }

  const std::int64_t features_ = kSizes.at("W3").at("features"), half_ = features_ / 2,
                     bins_ = kSizes.at("W3").at("bins");
  std::vector<LuLinear> linears_;
  std::vector<ResidualNet> conditioners_;
};

// W5: residual layers z = x + g(x) towards the latent space, each followed by ActNorm, two
// features. g's Lipschitz constant is bounded by power iteration; log-determinants are exact.
class ResidualFlow : public torch::nn::Module {
 public:
  ResidualFlow(std::int64_t layers, std::int64_t hidden, std::int64_t depth) {
    for (std::int64_t i = 0; i < layers; ++i) {
      std::vector<Dense> dense;
      for (std::int64_t j = 0; j <= depth; ++j) {
        const std::string name = std::to_string(i) + "_" + std::to_string(j);
        const std::int64_t inputs = j == 0 ? kFeatures : hidden;
        const std::int64_t outputs = j == depth ? kFeatures : hidden;
        Dense layer;
        layer.weight =
            register_parameter("weight" + name, torch::randn({outputs, inputs}) /
                                                    std::sqrt(static_cast<double>(inputs)));
        layer.bias = register_parameter("bias" + name, torch::zeros({outputs}));
        layer.direction = register_buffer("direction" + name, torch::randn({inputs}));
        if (j < depth)
          layer.beta =
              register_parameter("beta" + name, torch::full({1}, std::log(std::expm1(0.5))));
        dense.push_back(layer);
      }
      layers_.push_back(std::move(dense));
      norms_.push_back(register_module("norm" + std::to_string(i), ActNorm(kFeatures)));
    }
  }

  // x [batch, 2] to z and log|det dz/dx| [batch]; runs power iterations.
  std::pair<Tensor, Tensor> to_latent(Tensor x) {
    Tensor log_det = torch::zeros({x.size(0)});
    x.requires_grad_();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Tensor h = x;
      for (std::size_t j = 0; j < layers_[i].size(); ++j) {
        Dense& layer = layers_[i][j];
        h = torch::addmm(layer.bias, h, bounded_weight(layer).t());
        if (j + 1 < layers_[i].size())
          h = h * torch::sigmoid(h * torch::softplus(layer.beta)) / 1.1;  // LipSwish
      }
      std::vector<Tensor> rows;
      for (std::int64_t row = 0; row < kFeatures; ++row)
        rows.push_back(torch::autograd::grad({h.select(1, row).sum()}, {x}, {}, true, true)[0]);
      const Tensor determinant = (1.0 + rows[0].select(1, 0)) * (1.0 + rows[1].select(1, 1)) -
                                 rows[0].select(1, 1) * rows[1].select(1, 0);
      log_det = log_det + determinant.log() + norms_[i]->log_scale.sum();
      x = torch::addcmul(norms_[i]->shift, x + h, norms_[i]->log_scale.exp());
    }
    return {x, log_det.unsqueeze(1)};
  }

  static constexpr std::int64_t kFeatures = 2;

 private:
  struct Dense {
    Tensor weight, bias, direction, beta;
  };

  static Tensor bounded_weight(Dense& layer) {
    static const int iterations = kSizes.at("W5").at("power_iterations");
    static const double lipschitz = kSizes.at("W5").at("lipschitz");
    Tensor left;
    {
      const torch::NoGradGuard guard;
      for (int i = 0; i < iterations; ++i) {
        left =
            torch::nn::functional::normalize(torch::mv(layer.weight, layer.direction),
                                             torch::nn::functional::NormalizeFuncOptions().dim(0));
        layer.direction.copy_(
            torch::nn::functional::normalize(torch::mv(layer.weight.t(), left),
                                             torch::nn::functional::NormalizeFuncOptions().dim(0)));
      }
    }
    const Tensor sigma = torch::dot(left, torch::mv(layer.weight, layer.direction));
    return layer.weight / torch::clamp_min(sigma / lipschitz, 1.0);
  }

  std::vector<std::vector<Dense>> layers_;
  std::vector<ActNorm> norms_;
};

}  // namespace peer

#include "thalweg/stochastic/energy.h"

#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/nn/network.h"

namespace thalweg {
namespace {

class TargetEnergy final : public Energy {
 public:
  TargetEnergy(std::shared_ptr<const Target> target,
               std::vector<std::shared_ptr<const Transform>> data_side)
      : Energy(target->features()), target_(std::move(target)), data_side_(std::move(data_side)) {
    for (const auto& transform : data_side_) {
      if (transform->features() != features())
        fail<ShapeError>("energy of {}: expected transforms of {} features, got {} of '{}'",
                         target_->name(), features(), transform->features(), transform->name());
      if (transform->stochastic() || transform->context_features() > 0)
        fail<ConfigError>(
            "energy of {}: expected deterministic transforms without a context, got '{}'",
            target_->name(), transform->name());
    }
  }

 protected:
  Value build(Value y) const override {
    Value log_det = y.graph->constant(0.0);
    for (const auto& transform : data_side_) {
      const Mapped mapped = transform->forward(y);
      y = mapped.value;
      log_det = log_det + mapped.log_det;
    }
    return -(target_->log_density(y) + log_det);
  }

 private:
  std::shared_ptr<const Target> target_;
  std::vector<std::shared_ptr<const Transform>> data_side_;
};

class BaseEnergy final : public Energy {
 public:
  explicit BaseEnergy(std::shared_ptr<const Base> base)
      : Energy(base->features()), base_(std::move(base)) {
    if (base_->context_features() > 0 || base_->rejects())
      fail<ConfigError>(
          "energy of the base '{}': expected one without a condition or a rejection step: use "
          "base.kind normal, trainable_normal or mixture, or another stochastic.energy",
          base_->name());
  }

 protected:
  Value build(Value y) const override { return -base_->log_prob(y); }

 private:
  std::shared_ptr<const Base> base_;
};

class InterpolatedEnergy final : public Energy {
 public:
  InterpolatedEnergy(std::shared_ptr<const Energy> prior, std::shared_ptr<const Energy> target,
                     double lambda)
      : Energy(prior->features()),
        prior_(std::move(prior)),
        target_(std::move(target)),
        lambda_(lambda) {
    if (!(lambda >= 0.0 && lambda <= 1.0))
      fail<ConfigError>("stochastic.lambda: expected a number in [0, 1], got {}", lambda);
    if (target_->features() != features())
      fail<ShapeError>("interpolated energy: expected a target of {} features, got {}", features(),
                       target_->features());
  }

  /// lambda becomes the sigmoid of a parameter.
  void learn_lambda(ParameterStore& parameters, const std::string& name) {
    if (!(lambda_ > 0.0 && lambda_ < 1.0))
      fail<ConfigError>("{}: expected a trainable lambda to start in (0, 1), got {}", name,
                        lambda_);
    parameter_ = parameters.add(name + ".lambda", 1, 1, std::log(lambda_) - std::log1p(-lambda_));
  }

 protected:
  Value build(Value y) const override {
    if (parameter_.index >= 0) {
      const Value lambda = sigmoid(y.graph->parameter(parameter_));
      return (1.0 - lambda) * (*prior_)(y) + lambda * (*target_)(y);
    }
    // An energy of weight 0 is left out, as its infinities would not be.
    if (lambda_ == 0.0) return (*prior_)(y);
    if (lambda_ == 1.0) return (*target_)(y);
    return (1.0 - lambda_) * (*prior_)(y) + lambda_ * (*target_)(y);
  }

 private:
  std::shared_ptr<const Energy> prior_, target_;
  double lambda_;
  ParameterId parameter_;
};

class LearnedEnergy final : public Energy {
 public:
  LearnedEnergy(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                std::int64_t features)
      : Energy(features),
        network_(parameters, name, random, features, 1,
                 {.hidden = {64, 64}, .activation = Activation::kTanh, .zero_output = true}) {}

 protected:
  Value build(Value y) const override {
    return 0.5 * sum(square(y), Axis::kFeatures) + network_(y);
  }

 private:
  Mlp network_;
};

}  // namespace

Value Energy::operator()(Value y) const {
  if (!y.valid()) fail<ShapeError>("energy: the value is empty: pass a value of a graph");
  if (y.shape() != Shape{features_, 1})
    fail<ShapeError>("{}: energy: expected a value of {} x 1, got {} x {}", y.graph->scope(),
                     features_, y.features(), y.items());
  return build(y);
}

std::shared_ptr<const Energy> target_energy(
    std::shared_ptr<const Target> target, std::vector<std::shared_ptr<const Transform>> data_side) {
  return std::make_shared<TargetEnergy>(std::move(target), std::move(data_side));
}

std::shared_ptr<const Energy> base_energy(std::shared_ptr<const Base> base) {
  return std::make_shared<BaseEnergy>(std::move(base));
}

std::shared_ptr<const Energy> interpolated_energy(std::shared_ptr<const Energy> prior,
                                                  std::shared_ptr<const Energy> target,
                                                  double lambda) {
  return std::make_shared<InterpolatedEnergy>(std::move(prior), std::move(target), lambda);
}

std::shared_ptr<const Energy> interpolated_energy(ParameterStore& parameters,
                                                  const std::string& name,
                                                  std::shared_ptr<const Energy> prior,
                                                  std::shared_ptr<const Energy> target,
                                                  double lambda) {
  auto energy = std::make_shared<InterpolatedEnergy>(std::move(prior), std::move(target), lambda);
  energy->learn_lambda(parameters, name);
  return energy;
}

std::shared_ptr<const Energy> learned_energy(ParameterStore& parameters, const std::string& name,
                                             RandomSequence& random, std::int64_t features) {
  return std::make_shared<LearnedEnergy>(parameters, name, random, features);
}

}  // namespace thalweg

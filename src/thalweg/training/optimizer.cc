#include "thalweg/training/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/engine/kernels/kernels.h"

namespace thalweg {
namespace {

const std::array<std::string, 3> kKinds = {"adam", "adamw", "adamax"};
constexpr std::int64_t kBlock = 16384;      // elements of a block at most
constexpr std::int64_t kTask = 2 * kBlock;  // elements below which sharing out does not pay

/// Sum of squares in double; several partial sums, so that it runs on vectors.
template <typename T>
double square_sum(const T* values, std::int64_t count) {
  constexpr std::int64_t kParts = 8;
  std::array<double, kParts> parts{};
  std::int64_t i = 0;
  for (; i + kParts <= count; i += kParts)
    for (std::int64_t part = 0; part < kParts; ++part) {
      const auto value = static_cast<double>(values[i + part]);
      parts[static_cast<std::size_t>(part)] += value * value;
    }
  for (; i < count; ++i) {
    const auto value = static_cast<double>(values[i]);
    parts[0] += value * value;
  }
  double sum = 0.0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

template <typename T>
Optimizer<T>::Optimizer(const ParameterStore& parameters, const std::vector<ParameterId>& trainable,
                        const OptimizerOptions& options)
    : options_(options) {
  if (std::find(kKinds.begin(), kKinds.end(), options.kind) == kKinds.end())
    fail<ConfigError>("training.optimizer: unknown '{}'{}", options.kind,
                      name_hint(options.kind, kKinds));
  if (!(options.weight_decay >= 0.0 && std::isfinite(options.weight_decay)))
    fail<ConfigError>("training.weight_decay: expected at least 0, got {}", options.weight_decay);
  if (!(options.beta1 >= 0.0 && options.beta1 < 1.0))
    fail<ConfigError>("training.beta1: expected a number in [0, 1), got {}", options.beta1);
  if (!(options.beta2 >= 0.0 && options.beta2 < 1.0))
    fail<ConfigError>("training.beta2: expected a number in [0, 1), got {}", options.beta2);
  if (!(options.epsilon > 0.0 && std::isfinite(options.epsilon)))
    fail<ConfigError>("training.epsilon: expected a positive number, got {}", options.epsilon);
  first_moment_.assign(parameters.flat().size(), T(0));
  second_moment_.assign(parameters.flat().size(), T(0));
  std::int64_t in_task = 0;
  for (std::size_t tensor = 0; tensor < trainable.size(); ++tensor) {
    const ParameterInfo& info = parameters.info(trainable[tensor]);
    for (std::int64_t begin = 0; begin < info.size(); begin += kBlock) {
      const std::int64_t count = std::min(kBlock, info.size() - begin);
      blocks_.push_back({tensor, begin, count, info.offset + begin});
      in_task += count;
      if (in_task >= kTask) {
        task_ends_.push_back(blocks_.size());
        in_task = 0;
      }
    }
  }
  if (in_task > 0) task_ends_.push_back(blocks_.size());
  block_sums_.resize(blocks_.size());
}

template <typename T>
template <typename Function>
void Optimizer<T>::for_blocks(ThreadPool& pool, const Function& function) const {
  const auto task = [&](std::int64_t index, int) {
    const auto position = static_cast<std::size_t>(index);
    for (std::size_t block = position == 0 ? 0 : task_ends_[position - 1];
         block < task_ends_[position]; ++block)
      function(block);
  };
  pool.parallel(static_cast<std::int64_t>(task_ends_.size()), std::ref(task));
}

template <typename T>
double Optimizer<T>::gradient_norm(std::span<const std::span<const T>> gradients,
                                   ThreadPool& pool) {
  for_blocks(pool, [&](std::size_t index) {
    const Block& block = blocks_[index];
    block_sums_[index] = square_sum(gradients[block.tensor].data() + block.begin, block.count);
  });
  double sum = 0.0;
  for (const double part : block_sums_) sum += part;
  return std::sqrt(sum);
}

template <typename T>
void Optimizer<T>::step(double learning_rate, double scale,
                        std::span<const std::span<const T>> gradients, T* parameters,
                        ThreadPool& pool) {
  ++steps_;
  const auto count = static_cast<double>(steps_);
  const bool decoupled = options_.kind == "adamw";
  kernels::AdamStep step{};
  step.rate = learning_rate;
  step.beta1 = options_.beta1;
  step.beta2 = options_.beta2;
  step.epsilon = options_.epsilon;
  step.correction1 = 1.0 - std::pow(options_.beta1, count);
  step.correction2 = 1.0 - std::pow(options_.beta2, count);
  step.scale = scale;
  step.l2 = decoupled ? 0.0 : options_.weight_decay;
  step.decay = decoupled ? learning_rate * options_.weight_decay : 0.0;
  step.adamax = options_.kind == "adamax";
  for_blocks(pool, [&](std::size_t index) {
    const Block& block = blocks_[index];
    kernels::adam<T>(block.count, step, gradients[block.tensor].data() + block.begin,
                     first_moment_.data() + block.offset, second_moment_.data() + block.offset,
                     parameters + block.offset);
  });
}

template <typename T>
void Optimizer<T>::restore(std::int64_t steps, std::span<const double> first_moment,
                           std::span<const double> second_moment) {
  if (first_moment.size() != first_moment_.size() || second_moment.size() != second_moment_.size())
    fail<ShapeError>("optimizer: expected moments of {} values, got {} and {}",
                     first_moment_.size(), first_moment.size(), second_moment.size());
  steps_ = steps;
  std::copy(first_moment.begin(), first_moment.end(), first_moment_.begin());
  std::copy(second_moment.begin(), second_moment.end(), second_moment_.begin());
}

template class Optimizer<float>;
template class Optimizer<double>;

}  // namespace thalweg

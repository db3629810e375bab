// Gradient descent with adaptive rates on the flat parameter array.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/parameters.h"

namespace thalweg {

struct OptimizerOptions {
  std::string kind = "adam";  ///< adam, adamw or adamax
  /// At least 0. adam, adamax: added to the gradient, times the parameter (an L2 penalty); adamw:
  /// taken off the parameter, times the learning rate (Loshchilov and Hutter 2019).
  double weight_decay = 0.0;
  double beta1 = 0.9, beta2 = 0.999;  ///< in [0, 1)
  double epsilon = 1e-8;              ///< positive
};

/// Adam, AdamW and Adamax (Kingma and Ba 2015) over the trainable tensors of a store, whose layout
/// the flat arrays have. Results do not depend on the number of threads.
template <typename T>
class Optimizer {
 public:
  /// Throws ConfigError that names the key.
  Optimizer(const ParameterStore& parameters, const std::vector<ParameterId>& trainable,
            const OptimizerOptions& options);

  /// Euclidean norm over all gradients, one a trainable tensor; not finite if an element is not.
  double gradient_norm(std::span<const std::span<const T>> gradients, ThreadPool& pool);
  /// One step with gradients times `scale`.
  void step(double learning_rate, double scale, std::span<const std::span<const T>> gradients,
            T* parameters, ThreadPool& pool);

  /// State: number of steps made and the moments in the layout of the store.
  std::int64_t steps() const { return steps_; }
  const std::vector<T>& first_moment() const { return first_moment_; }
  const std::vector<T>& second_moment() const { return second_moment_; }
  /// Throws ShapeError for moments of another length.
  void restore(std::int64_t steps, std::span<const double> first_moment,
               std::span<const double> second_moment);

 private:
  /// A piece of one tensor.
  struct Block {
    std::size_t tensor;
    std::int64_t begin, count, offset;
  };
  template <typename Function>
  void for_blocks(ThreadPool& pool, const Function& function) const;

  OptimizerOptions options_;
  std::vector<Block> blocks_;
  std::vector<std::size_t> task_ends_;  // one task takes the blocks up to its end
  std::vector<double> block_sums_;
  std::vector<T> first_moment_, second_moment_;
  std::int64_t steps_ = 0;
};

extern template class Optimizer<float>;
extern template class Optimizer<double>;

}  // namespace thalweg

// Energies that stochastic layers move by, in the coordinates inside of a model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/bases/base.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/targets/target.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// An energy u(y) in kT of `features()` x 1 vectors: its density is exp(-u), up to a constant.
/// Const functions are thread safe (one graph belongs to one thread).
class Energy {
 public:
  virtual ~Energy() = default;
  /// u, 1 x 1 a sample. Throws ShapeError if `y` is not features() x 1.
  Value operator()(Value y) const;
  std::int64_t features() const { return features_; }

 protected:
  explicit Energy(std::int64_t features) : features_(features) {}
  virtual Value build(Value y) const = 0;

 private:
  std::int64_t features_;
};

/// -log p*(T(y)) - log|det dT/dy|: a target's energy in the coordinates before the transforms T,
/// applied in their order, which must be deterministic and take no context. Throws ConfigError for
/// others, ShapeError for other features than the target's.
std::shared_ptr<const Energy> target_energy(
    std::shared_ptr<const Target> target,
    std::vector<std::shared_ptr<const Transform>> data_side = {});

/// -log p(y) of a base. Throws ConfigError for a base with a context, and, since its average of Z
/// would move with each use, for one with a rejection step.
std::shared_ptr<const Energy> base_energy(std::shared_ptr<const Base> base);

/// (1 - lambda) prior + lambda target (Wu, Koehler, Noe 2020, eq. 17). Throws ConfigError unless
/// lambda is in [0, 1], ShapeError if features differ.
std::shared_ptr<const Energy> interpolated_energy(std::shared_ptr<const Energy> prior,
                                                  std::shared_ptr<const Energy> target,
                                                  double lambda);

/// The same with a trainable lambda = sigmoid(parameter `name`.lambda), which starts at `lambda` in
/// (0, 1).
std::shared_ptr<const Energy> interpolated_energy(ParameterStore& parameters,
                                                  const std::string& name,
                                                  std::shared_ptr<const Energy> prior,
                                                  std::shared_ptr<const Energy> target,
                                                  double lambda);

/// |y|^2 / 2 plus a network of 64 and 64 tanh units to one output, which starts at 0: learnt with
/// the flow, through the moves that it drives.
std::shared_ptr<const Energy> learned_energy(ParameterStore& parameters, const std::string& name,
                                             RandomSequence& random, std::int64_t features);

}  // namespace thalweg

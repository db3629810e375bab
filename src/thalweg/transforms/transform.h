// Transforms: invertible maps with a log-determinant. Forward is latent z to data x.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// A mapped value and log|det d output / d input|, 1 x 1 a sample (shared where it is the same for
/// all samples).
struct Mapped {
  Value value;
  Value log_det;
  /// Of maps that may look for a value in vain, or miss it by the error of an integration: 1 x 1,
  /// above 0 where they did, so that value and log_det are makeshifts. Empty where that cannot be.
  Value unsolved = {};
  /// The same of the value alone: costs no derivative where nobody takes log_det.
  Value unsolved_value = {};

  /// What comes of this map and then `next`, which maps its value: log-determinants add up, and
  /// what either did not find is not found.
  Mapped then(const Mapped& next) const;
};

/// Base of all transforms of `features()` x 1 vectors. The public functions check shapes; a new
/// transform implements the two protected ones, which build the graph. Const functions are thread
/// safe (one graph belongs to one thread).
class Transform {
 public:
  virtual ~Transform() = default;
  /// z to x with log|det dx/dz|. Throws ShapeError if z or the context do not have the expected
  /// shape.
  Mapped forward(Value z, Value context = {}) const;
  /// x to z with log|det dz/dx|. Throws as forward.
  Mapped inverse(Value x, Value context = {}) const;
  std::int64_t features() const { return features_; }
  /// 0 if the transform takes no context.
  std::int64_t context_features() const { return context_features_; }
  const std::string& name() const { return name_; }

  /// Whether the maps draw random numbers, so that log_det is one draw of an estimate: the mean of
  /// exp(log_det) times the latent density is then the density of x, for inverse.
  virtual bool stochastic() const { return false; }

  /// Whether derivatives of log_det of inverse() by x are exact in training graphs, for objectives
  /// that compare forces.
  virtual bool exact_slopes() const { return true; }

  /// Whether initialise() wants data before the first training step.
  virtual bool wants_data() const { return false; }
  /// Sets parameters from data at this layer's x side: `x` holds rows x features() finite values,
  /// row-major, `context` rows x context_features() (empty for none). Does nothing unless
  /// wants_data(). Throws DataError for other sizes.
  virtual void initialise(ParameterStore& parameters, std::span<const double> x,
                          std::span<const double> context = {}) const;

 protected:
  Transform(std::string name, std::int64_t features, std::int64_t context_features = 0);
  virtual Mapped build_forward(Value z, Value context) const = 0;
  virtual Mapped build_inverse(Value x, Value context) const = 0;

 private:
  void check(const char* direction, Value value, Value context) const;
  std::string name_;
  std::int64_t features_, context_features_;
};

}  // namespace thalweg

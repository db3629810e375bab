// Flow: a base and transforms with an exact density.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/bases/base.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/transforms/internal_coordinates.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// x = T_n(... T_1(z)), z from the base: transforms are listed from the latent side to the data
/// side. log p(x) = log p(z) + sum of log|det dz/dx|. Const functions are thread safe (one graph
/// belongs to one thread).
class Flow {
 public:
  /// `coordinates`: x are internal coordinates of a molecule by these. Throws ShapeError if a
  /// transform's features, or a context's size, or coordinates, disagree with the base's.
  Flow(std::shared_ptr<const Base> base, std::vector<std::shared_ptr<const Transform>> transforms,
       std::shared_ptr<const InternalCoordinates> coordinates = {});

  /// As the end of a range of layers: all of them.
  static constexpr std::size_t kAll = static_cast<std::size_t>(-1);

  /// Log density in nats, 1 x 1 a sample, of x as the first `layers` transforms make it; with
  /// stochastic layers one draw of an estimate whose mean is a lower bound on it, and the mean of
  /// whose exponential is the density. Throws ShapeError.
  Value log_prob(Value x, Value context = {}, std::size_t layers = kAll) const;
  /// The map by the transforms first, first + 1, ... before `last`, with log|det| of its Jacobian:
  /// z to x for all of them. Throws ShapeError for a range beyond the flow.
  Mapped forward(Value z, Value context = {}, std::size_t first = 0, std::size_t last = kAll) const;
  /// The way back through the same transforms: x to z for all of them.
  Mapped inverse(Value x, Value context = {}, std::size_t first = 0, std::size_t last = kAll) const;
  /// Of a molecule: log density at positions of its atoms, 3 atoms x 1 in nm, with respect to what
  /// InternalCoordinates says; it depends on no place and no orientation. Its vjp by the positions
  /// is the force in kT/nm that a Boltzmann density would have there. Throws ConfigError for other
  /// flows, ShapeError.
  Value log_prob_at_positions(Value positions, Value context = {}) const;
  /// log p(z) of the base.
  Value log_base(Value z, Value context = {}) const;
  /// One draw of the base, or of what it draws its proposals from, for each sample of `domain`.
  Value draw(Graph& graph, Domain domain, Value context = {}) const;

  /// Whether some layer is stochastic, so that log_prob is an estimate.
  bool stochastic() const;
  /// Whether derivatives of log_prob by x are those of one density: not of random moves, nor where
  /// some layer has none that are exact (see Transform::exact_slopes).
  bool exact_slopes() const;
  std::int64_t features() const { return base_->features(); }
  std::int64_t context_features() const { return context_features_; }
  /// Of a molecule, how its positions become x; null for other flows.
  const InternalCoordinates* coordinates() const { return coordinates_.get(); }
  /// Numbers of a force: one a position of a molecule, else one a feature.
  std::int64_t force_features() const {
    return coordinates_ ? coordinates_->positions() : features();
  }
  const Base& base() const { return *base_; }
  const std::vector<std::shared_ptr<const Transform>>& transforms() const { return transforms_; }

 private:
  std::size_t checked_end(std::size_t first, std::size_t last) const;
  std::shared_ptr<const Base> base_;
  std::vector<std::shared_ptr<const Transform>> transforms_;
  std::shared_ptr<const InternalCoordinates> coordinates_;
  std::int64_t context_features_ = 0;
};

/// Initialises those of the first `layers` transforms that want data (ActNorm), from the data side
/// to the latent side, each on what the ones after it make of `x`: rows x features, row-major, at
/// least one row, with `context` rows x context_features. Runs in double. Throws NumericalError if
/// values stop being finite.
void initialise_from_data(const Flow& flow, ParameterStore& parameters, std::span<const double> x,
                          std::span<const double> context, ThreadPool& pool,
                          std::size_t layers = Flow::kAll);

}  // namespace thalweg

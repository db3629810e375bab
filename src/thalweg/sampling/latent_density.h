// Densities in the latent space of a flow that Markov chains sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "thalweg/flows/model.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// What a chain samples, as a density in the latent variable z. f is the flow's map from z to y,
/// the columns as the model knows them (standardised and without bounds), with Jacobian J.
enum class ChainTarget : std::uint8_t {
  kModel,      ///< q_Z(z): in the data's space the flow's own density
  kSharpened,  ///< proportional to q_Z(z) / |J(z)|: in y proportional to q_Y / |J|, which is not
               ///< the flow's own density but a sharper one, with other masses of the modes
               ///< (Coeurdoux, Dobigeon, Chainais 2023, eq. 9)
  kEnergy,     ///< the density that the run was trained for: p*(x(z)) |dx/dz|
};

/// A line about what a chain samples and what it does not.
std::string statement(ChainTarget target);

/// A place of a chain, with what the kernels ask about it; 1 x 1 but for vectors.
struct ChainPoint {
  Value z;            ///< features x 1
  Value y;            ///< f(z), features x 1
  Value log_base;     ///< log q_Z(z)
  Value log_det;      ///< log|J(z)|
  Value log_density;  ///< of the target, unnormalised, in z
  Value gradient;     ///< d log_density / dz, where it is wanted
  Value score;        ///< d log q_Y / dy at y, where it is wanted
  Value jacobian;     ///< columns of J below each other, where that is wanted
};

/// What is wanted of a ChainPoint besides its densities.
struct PointWishes {
  bool gradient = false, score = false, jacobian = false;
};

/// One target over the latent space of one flow. Const functions are thread safe (one graph belongs
/// to one thread).
class LatentDensity {
 public:
  /// kEnergy wants an `energy`. Throws ConfigError for a missing energy or one of another number of
  /// features, and unless for kEnergy for a flow with stochastic layers, whose own density is not
  /// known. `model` must outlive it.
  LatentDensity(const Model& model, ChainTarget target,
                std::shared_ptr<const Target> energy = nullptr);
  /// Of a flow without a model, whose transforms all belong to f; throws in the same way.
  LatentDensity(const Flow& flow, const ParameterStore& parameters, ChainTarget target,
                std::shared_ptr<const Target> energy = nullptr);

  /// Whether the flow has stochastic layers: then at() draws a path from z each time, log_det is
  /// the log ratio of its probabilities, backward over forward, and chains move among paths, whose
  /// ends have the target's density (Wu, Koehler, Noe 2020, section 4.1). Derivatives make no
  /// sense.
  bool paths() const { return flow_->stochastic(); }

  /// Everything about z that is wanted.
  ChainPoint at(Value z, Value context, const PointWishes& wishes) const;
  /// d log_density / dz.
  Value gradient(Value z, Value context) const;
  /// f^-1(y).
  Value to_latent(Value y, Value context) const;
  /// J(z)^-1 times a vector of y's space.
  Value pull_back(const ChainPoint& point, Value tangent, Value context) const;
  /// J(z) times a vector of the latent space.
  Value push_forward(const ChainPoint& point, Value tangent, Value context) const;
  /// Whether the Jacobian itself is cheaper than the evaluations of f that products with it and
  /// with its inverse take: points had better have it, then.
  bool prefers_jacobian() const { return flow_->features() <= 2; }
  /// Above 0, 1 x 1, where the map from z, or as far as the target takes it its log-determinant, is
  /// a makeshift (see Mapped::unsolved); empty where that cannot be.
  Value unsolved(Value z, Value context) const;
  /// x, in the units of the data.
  Value to_data(Value y) const;

  /// Standard normal numbers along all directions in which chains move, features x 1: those that
  /// keep the centre of mass where the base does, with the gradients of this class.
  Value noise(Graph& graph, Value context) const;

  /// One draw for each sample of domain 0, and the log density of such draws: of the base, or
  /// where it has a rejection step of what it draws its proposals from.
  Value draw(Graph& graph, Value context) const;
  Value log_draw(Value z, Value context) const;

  ChainTarget target() const { return target_; }
  const ParameterStore& parameters() const { return *parameters_; }
  /// `context`, rows x context_features() in the units of the data, as the layers take it. Throws
  /// DataError for rows that name no class of a class-conditional base.
  std::vector<double> layers_context(std::span<const double> context) const;
  std::int64_t features() const { return flow_->features(); }
  std::int64_t context_features() const { return flow_->context_features(); }

 private:
  Value allowed(Value direction, Value context) const;
  Value log_density(Value y, Value log_base, Value log_det) const;

  const Model* model_ = nullptr;  // null for a flow of its own
  const Flow* flow_;
  const ParameterStore* parameters_;
  std::size_t layers_;  // transforms of f
  ChainTarget target_;
  std::shared_ptr<const Target> energy_;
};

}  // namespace thalweg

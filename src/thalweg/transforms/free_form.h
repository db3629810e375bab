// Free-form layer (Draxler, Sorrenson et al. 2024): any encoder and any decoder of equal dimension.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "thalweg/bases/base.h"
#include "thalweg/nn/network.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

struct FreeFormOptions {
  /// z = x + encoder(x) and x = z + decoder(z), so that networks that start at 0 start as the
  /// identity.
  bool global_skip = true;
};

/// Whose Jacobian the log-determinant of the way from x to z is taken from.
enum class FreeFormDensity : std::uint8_t {
  kExact,    ///< the decoder's at z with g(z) = x: a density
  kDecoder,  ///< the decoder's at f(x), as published (eq. 22): right where g(f(x)) = x
  kEncoder,  ///< the encoder's at x
};

/// An encoder f, x to z, and a decoder g, z to x, both with a context if there is one. The decoder
/// is the model: forward() is g with log|det J_g(z)|, by as many forward derivatives as there are
/// features and elimination in double.
///
/// inverse() is that of g, not f: it looks for z with g(z) = x from f(x) on, by steps z + f(x) -
/// f(g(z)), by Newton steps where there are at most 16 features, of which none is taken that leads
/// away from x, and ends with a plain Newton step, or two of few features, by which first
/// derivatives are exact, and of few features those up to the third. Where |g(z) - x| stays above
/// 1e-4 (1 + |x|), `unsolved` is 1; if the search came not even near, z = f(x) stands in, as
/// published (at the nearest point the decoder would be singular). A decoder that is not injective
/// has other z for the same x, which are not looked for.
///
/// Trained by the objective free_form: no density depends on the encoder.
class FreeForm : public Transform {
 public:
  /// No: of many features the last step has first derivatives alone, where forces want more.
  bool exact_slopes() const override { return false; }
  /// Throws ConfigError unless both networks have as many outputs as inputs, of equal number, and
  /// take the same context.
  FreeForm(const std::string& name, std::unique_ptr<const Network> encoder,
           std::unique_ptr<const Network> decoder, const FreeFormOptions& options = {});

  /// f(x), features x 1. Throws ShapeError, as decode().
  Value encode(Value x, Value context = {}) const;
  /// g(z), features x 1.
  Value decode(Value z, Value context = {}) const;
  /// The inverse by one of three densities; all but kExact take z = f(x).
  Mapped inverse_by(FreeFormDensity density, Value x, Value context = {}) const;

  /// What the loss of a sample is made of.
  struct Estimate {
    Value z;               ///< f(x)
    Value log_det;         ///< 1 x 1: its gradient estimates that of log|det J_f(x)|, its value is
                           ///< the trace of J_f J_g, which is no log-determinant
    Value reconstruction;  ///< |g(f(x)) - x|^2, summed over the features, 1 x 1
  };
  /// Algorithm 1 there. `probes` is features x K, with E[v v^T] = I for each of its columns v, over
  /// which the estimate is a mean. Of v . J_f (stop(J_g) v), J_g v goes through the encoder by a
  /// forward derivative, so that no reverse derivative is taken of another.
  Estimate estimate(Value x, Value context, Value probes) const;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  struct Place;
  Place solve(Value x, Value context) const;
  FreeFormOptions options_;
  std::unique_ptr<const Network> encoder_, decoder_;
};

/// `count` random directions for each sample of `domain`, features x count: orthogonal to each
/// other and of length sqrt(features), so that E[v v^T] = I. With a base that has its density on a
/// subspace they are of that, with the root of its dimension as length, and E[v v^T] is the
/// projection to it. `context` is the base's. Throws ConfigError unless 1 <= count <= its least
/// dimension.
Value orthogonal_probes(Graph& graph, Domain domain, const Base& base, Value context,
                        std::int64_t count);

}  // namespace thalweg

// Kernels of Markov chains in the latent space of a flow: how a chain proposes to move.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "thalweg/sampling/latent_density.h"

namespace thalweg {

/// A proposed place, and what its kernel wants to remember of the proposal.
struct ProposedMove {
  Value z;
  Value carried;
};

/// Builds the proposals of one kernel for one chain, which all chains make at once, and the
/// logarithm of the ratio of their densities g: with it, a move from z to z' is accepted with
/// probability min(1, p(z') g(z | z') / (p(z) g(z' | z))), p the target's density. Const functions
/// are thread safe (one graph belongs to one thread).
class ChainKernel {
 public:
  virtual ~ChainKernel() = default;
  /// `step_size` is positive, 1 x 1; random numbers are drawn in the graph.
  virtual ProposedMove propose(const LatentDensity& density, const ChainPoint& from,
                               Value step_size, Value context) const = 0;
  /// log g(from | to) - log g(to | from), where `to` is at move.z.
  virtual Value log_proposal_ratio(const LatentDensity& density, const ChainPoint& from,
                                   const ChainPoint& to, const ProposedMove& move, Value step_size,
                                   Value context) const = 0;
  /// Whether this kernel may serve a target: those that are derived for one leave no other one
  /// invariant as cheaply, or at all.
  virtual bool serves(ChainTarget target) const = 0;
  virtual bool needs_gradient() const { return false; }
  virtual bool needs_score() const { return false; }
  /// Share of accepted moves that serves best; 0 for a kernel without a step size.
  virtual double wanted_acceptance() const { return 0.0; }
  const std::string& name() const { return name_; }

 protected:
  explicit ChainKernel(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

/// By name:
///
/// - "independence": z' from the base, or from the proposals of a base with a rejection step. On
///   kSharpened the global kernel of SAILS (eq. 15 of Coeurdoux, Dobigeon, Chainais 2023), on
///   kEnergy neural MCMC, of paths where the flow has stochastic layers.
/// - "mala": z' = z + e^2/2 grad + e xi in latent space (Roberts and Tweedie 1996).
/// - "hmc": `leapfrog_steps` steps in latent space, unit mass, the step size times a uniform number
///   in [0.8, 1.2] (Neal 2011).
/// - "sails": for kSharpened, the local kernel, exact: z' = z + J^-1(z) (e^2/2 s + e xi) with s the
///   score d log q_Y / dy, whose density is that of eq. 53 there,
///   log g(z' | z) = log|J(z)| - |J(z) (z' - z) - e^2/2 s(z)|^2 / (2 e^2) + constant.
/// - "sails_published": for kSharpened, Algorithm 1 there: z' = f^-1(f(z) + e xi) + e^2/2 J^-1(z)
/// s,
///   accepted as if eq. 53 were its density, which is not so: what it samples is near the target
///   for small steps alone.
///
/// Throws ConfigError for another name, or fewer than 1 leapfrog step.
std::unique_ptr<const ChainKernel> make_chain_kernel(std::string_view name,
                                                     std::int64_t leapfrog_steps = 8);

}  // namespace thalweg

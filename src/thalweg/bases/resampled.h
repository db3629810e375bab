// Resampled base: learned accept/reject sampling (Bauer and Mnih 2019; Stimper, Schoelkopf,
// Hernandez-Lobato 2022, sections 2.2, 3.1 and A.1).
#pragma once

#include <memory>
#include <string>

#include "thalweg/bases/classes.h"
#include "thalweg/nn/angle_embedding.h"
#include "thalweg/nn/network.h"

namespace thalweg {

struct ResampledBaseOptions {
  /// Draw number `truncation` (counted from 1) is accepted in any case; 0: never stop rejecting.
  std::int64_t truncation = 100;
  double average_rate =
      0.05;  ///< weight of a step's estimate in the moving average of Z, in (0, 1]
  std::int64_t training_proposals = 1024;  ///< proposals that estimate Z in a training step
  /// Classes of the context on which proposal or acceptance depend: Z is then one number a class,
  /// each estimated from its share of the proposals.
  ClassTable classes = {};
  /// Which features are angles, of which the acceptance network sees cosine and sine; empty: none.
  std::vector<bool> circular = {};
};

/// With a proposal density pi and an acceptance a = sigmoid(network):
/// p(z) = pi(z) (alpha + (1 - alpha) a(z) / Z), Z = integral of pi a, alpha = (1 - Z)^(T - 1), and
/// alpha = 0 without truncation (eq. 6 of the latter paper).
///
/// Z in a training graph: log_prob adds a batch domain whose default count is
/// `training_proposals`, estimates Z there from fresh proposals, and moves the average kept in
/// the buffer "z_average" (eqs. 12 and 13). The value used is that average; its gradient is the
/// estimate's. All that a training graph builds of one base shares that domain and its Z.
///
/// Z in an evaluation graph: the buffer "normaliser" if it is positive, else the average; log_prob
/// is NaN while neither is. Set it after training: run acceptance_of_proposal() over many samples,
/// average in double, and store the mean with its standard error. Both buffers start at 0 and
/// are not trainable. A Z outside of [1e-12, 1 - 1e-6] counts as the nearer end.
class ResampledBase : public Base {
 public:
  /// Shares the proposal, whose parameters are its own, and takes the acceptance network, of
  /// proposal->features() inputs, and one more for each angle, and 1 output. With classes, the
  /// proposal may have their context, and the network one feature a class (its indicator): at least
  /// one of them must. Throws ConfigError if they do not fit, for options out of range, and for any
  /// other context, since Z would be a function of it.
  ResampledBase(ParameterStore& parameters, const std::string& name,
                std::shared_ptr<const Base> proposal, std::unique_ptr<Network> acceptance,
                const ResampledBaseOptions& options = {});

  std::int64_t truncation() const override { return options_.truncation; }
  bool rejects() const override { return true; }
  bool reparameterised() const override { return false; }
  const Base& proposal() const override { return *proposal_; }

  /// The acceptance of one fresh proposal for each sample of `domain`, 1 x 1: its mean is Z.
  Value acceptance_of_proposal(Graph& graph, Domain domain = 0, Value context = {}) const;
  const ClassTable& classes() const { return options_.classes; }
  /// Values of Z: classes x 1, 1 x 1 without classes, as are the next two.
  ParameterId z_average() const { return z_average_; }
  ParameterId normaliser() const { return normaliser_; }
  /// Standard error of `normaliser`, kept for reports.
  ParameterId normaliser_error() const { return normaliser_error_; }

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;
  Value build_acceptance(Value z, Value context) const override;
  Value build_acceptance_rate(Graph& graph, Value context) const override;

 private:
  Value proposal_context(Value context) const;
  Value logit(Value z, Value context) const;
  Value training_normaliser(Graph& graph) const;
  Value evaluation_normaliser(Graph& graph) const;

  std::shared_ptr<const Base> proposal_;
  std::unique_ptr<Network> acceptance_;
  ResampledBaseOptions options_;
  AngleEmbedding seen_;
  ParameterId z_average_, normaliser_, normaliser_error_;
};

}  // namespace thalweg

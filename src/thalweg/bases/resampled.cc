#include "thalweg/bases/resampled.h"

#include <limits>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kSmallestNormaliser = 1e-12;
constexpr double kLargestNormaliser = 1.0 - 1e-6;

std::int64_t features_of(const std::string& name, const std::shared_ptr<const Base>& proposal) {
  if (!proposal) fail<ConfigError>("{}: expected a proposal, got none", name);
  return proposal->features();
}

}  // namespace

ResampledBase::ResampledBase(ParameterStore& parameters, const std::string& name,
                             std::shared_ptr<const Base> proposal,
                             std::unique_ptr<Network> acceptance,
                             const ResampledBaseOptions& options)
    : Base(name, features_of(name, proposal)),
      proposal_(std::move(proposal)),
      acceptance_(std::move(acceptance)),
      options_(options) {
  if (!acceptance_) fail<ConfigError>("{}: expected an acceptance network, got none", name);
  if (acceptance_->inputs() != features() || acceptance_->outputs() != 1)
    fail<ConfigError>("{}: expected an acceptance network from {} inputs to 1 output, got {} to {}",
                      name, features(), acceptance_->inputs(), acceptance_->outputs());
  if (acceptance_->context_features() != 0 || proposal_->context_features() != 0)
    fail<ConfigError>(
        "{}: a proposal or acceptance with a context is not supported: Z would depend on it", name);
  if (proposal_->truncation() != 0)
    fail<ConfigError>("{}: a proposal must be sampled without rejection", name);
  if (options_.truncation < 0)
    fail<ConfigError>("{}: expected a truncation of at least 0, got {}", name, options_.truncation);
  if (!(options_.average_rate > 0.0 && options_.average_rate <= 1.0))
    fail<ConfigError>("{}: expected an average rate in (0, 1], got {}", name,
                      options_.average_rate);
  if (options_.training_proposals < 1)
    fail<ConfigError>("{}: expected at least 1 training proposal, got {}", name,
                      options_.training_proposals);
  z_average_ = parameters.add(name + ".z_average", 1, 1, 0.0, false);
  normaliser_ = parameters.add(name + ".normaliser", 1, 1, 0.0, false);
  normaliser_error_ = parameters.add(name + ".normaliser_error", 1, 1, 0.0, false);
}

Value ResampledBase::training_normaliser(Graph& graph) const {
  for (const BufferUpdate& update : graph.buffer_updates())
    if (update.buffer.index == z_average_.index) return update.value;
  const Domain domain = graph.add_domain(options_.training_proposals);
  Value proposals = proposal_->draw(graph, domain);
  if (!proposal_->reparameterised()) proposals = stop_gradient(proposals);
  Value accepted = sigmoid((*acceptance_)(proposals));
  if (!proposal_->reparameterised()) {
    // A factor of 1 whose derivative is that of the density: it replaces the derivative of the
    // draws.
    const Value log_density = proposal_->log_prob(proposals);
    accepted = accepted * exp(log_density - stop_gradient(log_density));
  }
  const Value estimate = batch_mean(accepted, domain);
  const Value average = graph.parameter(z_average_);
  const Value moved = average + options_.average_rate * (estimate - average);
  const Value next = stop_gradient(select(less(graph.constant(0.0), average), moved, estimate));
  const Value normaliser = (estimate - stop_gradient(estimate)) + next;
  graph.update_buffer(z_average_, normaliser);
  return normaliser;
}

Value ResampledBase::evaluation_normaliser(Graph& graph) const {
  const Value zero = graph.constant(0.0);
  const Value average = graph.parameter(z_average_);
  const Value final_value = graph.parameter(normaliser_);
  const Value unset = graph.constant(std::numeric_limits<double>::quiet_NaN());
  return select(less(zero, final_value), final_value, select(less(zero, average), average, unset));
}

Value ResampledBase::acceptance_rate(Graph& graph) const {
  return graph.phase() == Phase::kTraining ? training_normaliser(graph)
                                           : evaluation_normaliser(graph);
}

Value ResampledBase::build_log_prob(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const Value log_proposal = proposal_->log_prob(z);
  if (options_.truncation == 1) return log_proposal;
  const Value normaliser = clamp(acceptance_rate(graph), kSmallestNormaliser, kLargestNormaliser);
  const Value log_ratio = log_sigmoid((*acceptance_)(z)) - log(normaliser);
  if (options_.truncation == 0) return log_proposal + log_ratio;
  const Value log_forced =
      log1p(-normaliser) * static_cast<double>(options_.truncation - 1);  // log alpha
  const Value log_free = log(-expm1(log_forced));
  return log_proposal + log_sum_exp(concat({log_free + log_ratio, log_forced}), Axis::kFeatures);
}

Value ResampledBase::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  return proposal_->draw(graph, domain);
}

Value ResampledBase::build_acceptance(Value z, Value /*context*/) const {
  return sigmoid((*acceptance_)(z));
}

Value ResampledBase::acceptance_of_proposal(Graph& graph, Domain domain) const {
  return acceptance(draw(graph, domain));
}

}  // namespace thalweg

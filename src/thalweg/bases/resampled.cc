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
    : Base(name, features_of(name, proposal), options.classes.context_features()),
      proposal_(std::move(proposal)),
      acceptance_(std::move(acceptance)),
      options_(options),
      seen_(features(), options.circular) {
  if (!options_.circular.empty() && std::ssize(options_.circular) != features())
    fail<ConfigError>("{}: expected {} flags for circular features, got {}", name, features(),
                      options_.circular.size());
  if (!acceptance_) fail<ConfigError>("{}: expected an acceptance network, got none", name);
  if (acceptance_->inputs() != seen_.outputs() || acceptance_->outputs() != 1)
    fail<ConfigError>("{}: expected an acceptance network from {} inputs to 1 output, got {} to {}",
                      name, seen_.outputs(), acceptance_->inputs(), acceptance_->outputs());
  const auto fits = [](std::int64_t got, std::int64_t wanted) { return got == 0 || got == wanted; };
  const ClassTable& known = options_.classes;
  const bool conditional = proposal_->context_features() + acceptance_->context_features() > 0;
  if (!fits(proposal_->context_features(), known.context_features()) ||
      !fits(acceptance_->context_features(), known.count()) || conditional == known.empty())
    fail<ConfigError>(
        "{}: a proposal or acceptance with a context needs the classes that the context may name, "
        "since Z depends on it: got {} classes of {} context features, a proposal with {} and an "
        "acceptance with {}",
        name, known.count(), known.context_features(), proposal_->context_features(),
        acceptance_->context_features());
  if (proposal_->rejects())
    fail<ConfigError>("{}: a proposal must be sampled without rejection", name);
  if (options_.truncation < 0)
    fail<ConfigError>("{}: expected a truncation of at least 0, got {}", name, options_.truncation);
  if (!(options_.average_rate > 0.0 && options_.average_rate <= 1.0))
    fail<ConfigError>("{}: expected an average rate in (0, 1], got {}", name,
                      options_.average_rate);
  if (options_.training_proposals < 1)
    fail<ConfigError>("{}: expected at least 1 training proposal, got {}", name,
                      options_.training_proposals);
  const std::int64_t numbers = known.empty() ? 1 : known.count();
  z_average_ = parameters.add(name + ".z_average", numbers, 1, 0.0, false);
  normaliser_ = parameters.add(name + ".normaliser", numbers, 1, 0.0, false);
  normaliser_error_ = parameters.add(name + ".normaliser_error", numbers, 1, 0.0, false);
}

Value ResampledBase::training_normaliser(Graph& graph) const {
  for (const BufferUpdate& update : graph.buffer_updates())
    if (update.buffer.index == z_average_.index) return update.value;
  const Domain domain = graph.add_domain(options_.training_proposals);
  const ClassTable& known = options_.classes;
  Value chosen, context;  // of each proposal, with equal chances
  if (!known.empty()) {
    std::vector<double> edges;
    for (std::int64_t number = 0; number <= known.count(); ++number)
      edges.push_back(static_cast<double>(number) / static_cast<double>(known.count()));
    const Value number = graph.uniform({1, 1}, domain);
    chosen =
        less_equal(graph.constant({known.count(), 1}, {edges.begin(), edges.end() - 1}), number) *
        less(number, graph.constant({known.count(), 1}, {edges.begin() + 1, edges.end()}));
    context = dense(known.contexts(graph), chosen);
  }
  Value proposals = proposal_->draw(graph, domain, proposal_context(context));
  if (!proposal_->reparameterised()) proposals = stop_gradient(proposals);
  const bool by_class = acceptance_->context_features() > 0;
  Value accepted = sigmoid((*acceptance_)(seen_(proposals), by_class ? chosen : Value{}));
  if (!proposal_->reparameterised()) {
    // A factor of 1 whose derivative is that of the density: it replaces the derivative of the
    // draws.
    const Value log_density = proposal_->log_prob(proposals, proposal_context(context));
    accepted = accepted * exp(log_density - stop_gradient(log_density));
  }
  const Value zero = graph.constant(0.0);
  const Value average = graph.parameter(z_average_);
  const Value draws = known.empty() ? graph.count(domain) : batch_sum(chosen, domain);
  const Value total = batch_sum(known.empty() ? accepted : accepted * chosen, domain);
  const Value estimate = total / maximum(draws, graph.constant(1.0));
  const Value moved = average + options_.average_rate * (estimate - average);
  // A class without a draw keeps its average; before its first it has that of all draws.
  const Value before = known.empty() ? average
                                     : select(less(zero, average), average,
                                              sum(total, Axis::kFeatures) / graph.count(domain));
  const Value next = stop_gradient(
      select(less(zero, draws), select(less(zero, average), moved, estimate), before));
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

Value ResampledBase::proposal_context(Value context) const {
  return proposal_->context_features() > 0 ? context : Value{};
}

Value ResampledBase::build_acceptance_rate(Graph& graph, Value context) const {
  const Value normaliser =
      graph.phase() == Phase::kTraining ? training_normaliser(graph) : evaluation_normaliser(graph);
  if (options_.classes.empty()) return normaliser;
  return dense(transpose(normaliser), options_.classes.one_hot(context));
}

Value ResampledBase::build_log_prob(Value z, Value context) const {
  Graph& graph = *z.graph;
  const Value log_proposal = proposal_->log_prob(z, proposal_context(context));
  if (options_.truncation == 1) return log_proposal;
  const Value normaliser =
      clamp(acceptance_rate(graph, context), kSmallestNormaliser, kLargestNormaliser);
  const Value log_ratio = log_sigmoid(logit(z, context)) - log(normaliser);
  if (options_.truncation == 0) return log_proposal + log_ratio;
  const Value log_forced =
      log1p(-normaliser) * static_cast<double>(options_.truncation - 1);  // log alpha
  const Value log_free = log(-expm1(log_forced));
  return log_proposal + log_sum_exp(concat({log_free + log_ratio, log_forced}), Axis::kFeatures);
}

Value ResampledBase::build_draw(Graph& graph, Domain domain, Value context) const {
  return proposal_->draw(graph, domain, proposal_context(context));
}

Value ResampledBase::build_acceptance(Value z, Value context) const {
  return sigmoid(logit(z, context));
}

Value ResampledBase::logit(Value z, Value context) const {
  const bool by_class = acceptance_->context_features() > 0;
  return (*acceptance_)(seen_(z), by_class ? options_.classes.one_hot(context) : Value{});
}

Value ResampledBase::acceptance_of_proposal(Graph& graph, Domain domain, Value context) const {
  return acceptance(draw(graph, domain, context), context);
}

}  // namespace thalweg

#include "thalweg/flows/flow_base.h"

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/flows/latent_overflow.h"

namespace thalweg {
namespace {

std::int64_t features_of(const std::string& name, const std::shared_ptr<const Flow>& flow) {
  if (!flow) fail<ConfigError>("{}: expected a flow, got none", name);
  return flow->features();
}

}  // namespace

FlowBase::FlowBase(std::string name, std::shared_ptr<const Flow> flow)
    : Base(name, features_of(name, flow), flow->context_features()), flow_(std::move(flow)) {
  if (flow_->base().rejects())
    fail<ConfigError>("{}: the flow's base must be sampled without rejection", name);
}

Value FlowBase::build_log_prob(Value z, Value context) const {
  Graph& graph = *z.graph;
  const Value log_prob = flow_->log_prob(z, context);
  if (graph.phase() == Phase::kTraining) return log_prob;
  const Value undefined = 1.0 - less_equal(log_prob, graph.constant(INFINITY));
  return select(latent_overflow(*flow_, z, context) * undefined, graph.constant(-INFINITY),
                log_prob);
}

Value FlowBase::build_draw(Graph& graph, Domain domain, Value context) const {
  const Base& base = flow_->base();
  const Value draw = base.draw(graph, domain, base.context_features() > 0 ? context : Value{});
  return flow_->forward(draw, context).value;
}

}  // namespace thalweg

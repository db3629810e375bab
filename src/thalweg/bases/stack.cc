#include "thalweg/bases/stack.h"

#include <algorithm>
#include <cmath>

#include "thalweg/bases/choice.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::int64_t features_of(const std::string& name,
                         const std::vector<std::shared_ptr<const Base>>& members) {
  if (members.empty()) fail<ConfigError>("{}: expected at least 1 member, got none", name);
  return members.front()->features();
}

}  // namespace

Stack::Stack(ParameterStore& parameters, const std::string& name,
             std::vector<std::shared_ptr<const Base>> members)
    : Base(name, features_of(name, members)), members_(std::move(members)) {
  for (const auto& member : members_)
    if (member->rejects() || member->context_features() > 0 || member->features() != features())
      fail<ConfigError>(
          "{}: expected members of {} features whose draws are never rejected and take no context; "
          "'{}' is not one",
          name, features(), member->name());
  logits_ =
      parameters.add(name + ".logits", 1, static_cast<std::int64_t>(members_.size()), 0.0, false);
}

void Stack::set_weights(ParameterStore& parameters, std::span<const double> weights) const {
  if (weights.size() != members_.size())
    fail<ShapeError>("{}: expected {} weights, got {}", name(), members_.size(), weights.size());
  std::transform(weights.begin(), weights.end(), parameters.values(logits_).begin(),
                 [](double weight) { return std::log(weight); });
}

std::vector<double> Stack::weights(const ParameterStore& parameters) const {
  const auto logits = parameters.values(logits_);
  std::vector<double> result;
  double total = 0.0;
  for (const double logit : logits) total += std::exp(logit);
  for (const double logit : logits) result.push_back(std::exp(logit) / total);
  return result;
}

Value Stack::build_log_prob(Value z, Value /*context*/) const {
  std::vector<Value> densities;
  for (const auto& member : members_) densities.push_back(member->log_prob(z));
  return log_sum_exp(concat(densities) + log_softmax(transpose(z.graph->parameter(logits_))));
}

Value Stack::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const Value chosen = choose_part(graph, domain, softmax(transpose(graph.parameter(logits_))));
  Value result = members_.front()->draw(graph, domain);
  // Not a sum: what an overflowing member draws must not reach the others' draws.
  for (std::size_t k = 1; k < members_.size(); ++k)
    result = select(slice(chosen, static_cast<std::int64_t>(k), 1),
                    members_[k]->draw(graph, domain), result);
  return result;
}

}  // namespace thalweg

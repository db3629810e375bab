#include "thalweg/bases/classes.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::int64_t features_of(const std::string& name, const std::shared_ptr<const Base>& inner) {
  if (!inner) fail<ConfigError>("{}: expected an inner base, got none", name);
  return inner->features();
}

}  // namespace

ClassTable::ClassTable(std::int64_t context_features, std::vector<double> values)
    : context_features_(context_features), values_(std::move(values)) {
  const auto size = static_cast<std::int64_t>(values_.size());
  if (context_features < 1 || size < context_features || size % context_features != 0)
    fail<ConfigError>("classes: expected rows of {} values, got {} values", context_features, size);
  for (const double value : values_)
    if (!std::isfinite(value)) fail<ConfigError>("classes: expected finite values, got {}", value);
  for (std::int64_t number = 0; number < count(); ++number)
    if (*find(context(number)) != number)
      fail<ConfigError>("classes: number {} and number {} are the same, ({}); name each once",
                        *find(context(number)), number, fmt::join(context(number), ", "));
}

std::int64_t ClassTable::count() const {
  return empty() ? 0 : static_cast<std::int64_t>(values_.size()) / context_features_;
}

std::span<const double> ClassTable::context(std::int64_t number) const {
  return std::span(values_).subspan(static_cast<std::size_t>(number * context_features_),
                                    static_cast<std::size_t>(context_features_));
}

std::optional<std::int64_t> ClassTable::find(std::span<const double> context) const {
  for (std::int64_t number = 0; number < count(); ++number) {
    if (std::ranges::equal(context, this->context(number))) return number;
  }
  return std::nullopt;
}

bool ClassTable::coincide_in_float() const {
  const auto alike = [](double a, double b) {
    return static_cast<float>(a) == static_cast<float>(b);
  };
  for (std::int64_t number = 0; number < count(); ++number)
    for (std::int64_t other = 0; other < number; ++other)
      if (std::ranges::equal(context(number), context(other), alike)) return true;
  return false;
}

Value ClassTable::contexts(Graph& graph) const {
  return transpose(graph.constant({count(), context_features_}, values_));
}

Value ClassTable::one_hot(Value context) const {
  const Value table = contexts(*context.graph);
  const Value agrees = equal(context, table);
  const auto all = context.graph->constant(static_cast<double>(context_features_));
  const Value chosen = equal(sum(agrees, Axis::kFeatures), all);
  return transpose(chosen / sum(chosen, Axis::kItems));
}

ClassAffine::ClassAffine(ParameterStore& parameters, const std::string& name, ClassTable classes,
                         std::shared_ptr<const Base> inner)
    : Base(name, features_of(name, inner), classes.context_features()),
      classes_(std::move(classes)),
      inner_(std::move(inner)) {
  if (classes_.empty()) fail<ConfigError>("{}: expected at least one class, got none", name);
  if (inner_->context_features() != 0 || inner_->rejects())
    fail<ConfigError>("{}: the inner base must have neither a context nor a rejection step", name);
  means_ = parameters.add(name + ".means", features(), classes_.count(), 0.0);
  log_scales_ = parameters.add(name + ".log_scales", features(), classes_.count(), 0.0);
}

Value ClassAffine::build_log_prob(Value z, Value context) const {
  const Value chosen = classes_.one_hot(context);
  const Value log_scale = dense(z.graph->parameter(log_scales_), chosen);
  const Value mean = dense(z.graph->parameter(means_), chosen);
  return inner_->log_prob((z - mean) * exp(-log_scale)) - sum(log_scale, Axis::kFeatures);
}

Value ClassAffine::build_draw(Graph& graph, Domain domain, Value context) const {
  const Value chosen = classes_.one_hot(context);
  return dense(graph.parameter(means_), chosen) +
         exp(dense(graph.parameter(log_scales_), chosen)) * inner_->draw(graph, domain);
}

}  // namespace thalweg

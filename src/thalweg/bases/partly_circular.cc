#include "thalweg/bases/partly_circular.h"

#include <cmath>
#include <numbers>

namespace thalweg {

PartlyCircular::PartlyCircular(const std::string& name, const std::vector<bool>& circular)
    : Base(name, static_cast<std::int64_t>(circular.size())) {
  for (const bool turns : circular) on_line_.push_back(turns ? 0.0 : 1.0);
}

Value PartlyCircular::build_log_prob(Value z, Value /*context*/) const {
  double constant = 0.0;
  for (const double line : on_line_)
    constant +=
        line > 0.0 ? 0.5 * std::log(2.0 * std::numbers::pi) : std::log(2.0 * std::numbers::pi);
  const Value line = z.graph->constant({features(), 1}, on_line_);
  return -0.5 * sum(line * square(z), Axis::kFeatures) - constant;
}

Value PartlyCircular::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const Value line = graph.constant({features(), 1}, on_line_);
  const Value angle = std::numbers::pi * (2.0 * graph.uniform({features(), 1}, domain) - 1.0);
  return select(line, graph.normal({features(), 1}, domain), angle);
}

}  // namespace thalweg

#include "thalweg/runs/computed_experiments.h"

#include <charconv>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"

namespace thalweg {

const std::vector<ComputedKind>& computed_kinds() {
  static const std::vector<ComputedKind> kinds = {
      {"free_form_landscape", landscape_metrics, draw_landscape},
      {"free_form_weights", weight_metrics_of_two, draw_weights_of_two},
      {"free_form_partitions", partition_metrics, draw_partitions},
      {"smooth_bumps", bump_metrics, draw_bumps},
      {"root_runtime", root_runtime_metrics, nullptr},
      {"particle_sampling", particle_sampling_metrics, nullptr},
  };
  return kinds;
}

double weight_of(const char* kind, const std::string& name) {
  double weight = 0.0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), weight);
  if (error != std::errc() || end != name.data() + name.size() || !(weight > 0.0))
    fail<ConfigError>("{}: expected a name that is a weight above 0, got '{}'", kind, name);
  return weight;
}

const ComputedKind& find_computed_kind(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const ComputedKind& kind : computed_kinds()) {
    if (name == kind.name) return kind;
    known.emplace_back(kind.name);
  }
  fail<ConfigError>("{}: computed: unknown kind '{}'{}", where, name, name_hint(name, known));
}

}  // namespace thalweg

#include "thalweg/runs/kinds.h"

#include "thalweg/flows/base_kinds.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/nn/network_kinds.h"
#include "thalweg/objectives/kinds.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/stochastic/stochastic_layer.h"
#include "thalweg/targets/target.h"
#include "thalweg/training/schedule.h"

namespace thalweg {
namespace {

template <typename Row>
KindGroup group_of(std::string title, std::string chosen, const KindTable<Row>& table) {
  KindGroup group{std::move(title), std::move(chosen), {}};
  for (const Row& row : table.rows()) {
    KindSummary& kind = group.kinds.emplace_back(KindSummary{row.name, row.summary, {}});
    if constexpr (requires { row.settings; }) kind.settings = row.settings;
  }
  return group;
}

}  // namespace

std::vector<KindGroup> kind_groups() {
  return {group_of("targets", "--target NAME", target_kinds()),
          group_of("bases", "base.kind or base.proposal", base_kinds()),
          group_of("transforms of blocks", "flow.kind", block_kinds()),
          group_of("maps between blocks", "flow.permutation", permutation_kinds()),
          group_of("networks", "flow.network", network_kinds()),
          group_of("random moves", "stochastic.kind", stochastic_kinds()),
          group_of("objectives", "training.objective", objective_kinds()),
          group_of("schedules", "training.schedule", schedule_kinds()),
          group_of("samplers", "thalweg sample --sampler NAME", sampler_kinds())};
}

}  // namespace thalweg

// The compiler: its passes, one after the other.
#include "thalweg/core/error.h"
#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

/// Longer rows make an instruction's start cheaper, as long as its operands stay in the first
/// cache.
std::int64_t suitable_lanes(const Graph& graph) {
  constexpr std::int64_t kSmall = 32;
  for (NodeId id = 0; id < graph.size(); ++id)
    if (graph.node(id).domain != kShared && graph.node(id).shape.size() > kSmall) return 64;
  return 128;
}

}  // namespace

CompiledProgram compile(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes) {
  if (outputs.empty()) fail<ShapeError>("program: expected at least one output, got none");
  if (lanes == 0) lanes = lanes_of_strips(graph);
  if (lanes == 0) lanes = suitable_lanes(graph);
  if (lanes < kAlignment || lanes % kAlignment != 0 || lanes > 4096)
    fail<ConfigError>("program: expected a multiple of {} lanes up to 4096, got {}", kAlignment,
                      lanes);
  for (const Value& output : outputs)
    if (output.graph != &graph) fail<ShapeError>("program: an output belongs to another graph");

  LoweredProgram lowered = lower(graph, outputs, make_schedule(graph, outputs), lanes);
  CompiledProgram program;
  program.lanes = lanes;
  program.domains = graph.domains();
  program.flops.assign(static_cast<std::size_t>(graph.domains()), 0.0);
  for (const NodeId id : graph.inputs()) {
    program.input_sizes.push_back(graph.node(id).shape.size());
    program.input_domains.push_back(graph.node(id).domain);
  }
  for (std::vector<Instruction>& stage : lowered.stages)
    program.stages.push_back(group_stage(std::move(stage), lowered.shared.starts));
  for (std::vector<LoweredSweep>& level : lowered.sweeps) {
    std::vector<Pass>& passes = program.passes.emplace_back();
    for (LoweredSweep& sweep : level) {
      program.flops[static_cast<std::size_t>(sweep.domain)] += sweep.flops;
      passes.push_back(place_sweep(std::move(sweep)));
    }
  }
  program.shared_initial = std::move(lowered.shared.initial);
  program.counts = std::move(lowered.counts);
  program.outputs = std::move(lowered.outputs);
  return program;
}

}  // namespace thalweg::detail

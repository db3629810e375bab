// Lowers the nodes of every stage and sweep of a schedule to instructions.
#include <algorithm>

#include "thalweg/engine/emitter.h"

namespace thalweg::detail {
namespace {

Location row_major(std::int64_t offset, Shape shape) {
  return {Space::kShared, -1, offset, shape.items, 1, 0};
}

/// One number, whatever the shape.
Location single(std::int64_t offset) { return {Space::kShared, -1, offset, 0, 0, 0}; }

/// Constants, parameters, counts and results of sums have their places from the start.
void locate_shared(const Graph& graph, const Schedule& schedule, LoweredProgram& program) {
  SharedMemory& shared = program.shared;
  shared.places.resize(at(graph.size()));
  for (NodeId id = 0; id < graph.size(); ++id) {
    if (!schedule.needed[at(id)]) continue;
    const Node& node = graph.node(id);
    Location& place = shared.places[at(id)];
    std::visit(Overloaded{[&](const primitive::Fill& p) {
                            place = single(shared.allocate(1));
                            shared.initial[static_cast<std::size_t>(place.offset)] = p.number.value;
                          },
                          [&](const primitive::Constant& p) {
                            place = row_major(shared.allocate(node.shape.size()), node.shape);
                            std::transform(p.elements->begin(), p.elements->end(),
                                           shared.initial.begin() + place.offset,
                                           [](ExactNumber element) { return element.value; });
                          },
                          [&](const primitive::Parameter& p) {
                            const ParameterInfo& info = graph.parameters().info({p.index});
                            place = {Space::kParameter, -1, info.offset, info.columns, 1, 0};
                          },
                          [&](const primitive::Count& p) {
                            place = single(shared.allocate(1));
                            program.counts[static_cast<std::size_t>(p.of)] = place.offset;
                          },
                          [&](const OneOf<primitive::BatchSum, primitive::OuterSum> auto&) {
                            place = row_major(shared.allocate(node.shape.size()), node.shape);
                          },
                          [](const auto&) {}},
               node.primitive);
  }
}

LoweredSweep lower_sweep(const Graph& graph, const std::vector<Value>& outputs, Domain domain,
                         const std::vector<NodeId>& wanted, SharedMemory& shared,
                         std::int64_t lanes) {
  LoweredSweep sweep;
  sweep.domain = domain;
  std::vector<char> nodes = nodes_of_sweep(graph, domain, wanted);
  const StripPlan plan = plan_strips(graph, nodes, wanted, lanes);
  // What loops compute is theirs alone; what they take from outside must be there.
  std::vector<NodeId> outside = wanted;
  for (NodeId id = 0; id < graph.size(); ++id)
    if (plan.looped[at(id)]) {
      nodes[at(id)] = 0;
      for (const NodeId input : graph.node(id).inputs) outside.push_back(input);
    }
  Emitter emitter(graph, shared, lanes, sweep, plan_fusion(graph, nodes, outside, shared.places),
                  plan_concats(graph, nodes));
  const auto store = [&](NodeId id) {
    for (std::size_t index = 0; index < outputs.size(); ++index)
      if (outputs[index].id == id && outputs[index].batched()) {
        Instruction instruction{operation::Store{index}};
        instruction.extent = {graph.node(id).shape.features, graph.node(id).shape.items, lanes};
        instruction.a = access(emitter.where(id));
        emitter.emit(std::move(instruction));
      }
  };
  for (int depth = 0; depth < static_cast<int>(plan.loops.size()); ++depth) {
    for (const StripLoop& loop : plan.loops[static_cast<std::size_t>(depth)]) {
      lower_loop(emitter, plan, loop);
      for (const NodeId id : loop.exits) store(id);
    }
    for (NodeId id = 0; id < graph.size(); ++id) {
      if (!nodes[at(id)] || plan.depth[at(id)] != depth) continue;
      if (!emitter.fusion().sources.contains(id)) lower_node(emitter, id);
      store(id);
    }
  }
  return sweep;
}

/// A shared output that is a view or a filled constant is made compact by a copy in the last stage.
Output lower_output(Emitter& emitter, const Value& value) {
  Output output;
  output.batched = value.batched();
  output.domain = value.domain();
  output.size = value.shape().size();
  if (output.batched) return output;
  const Shape shape = value.shape();
  Location place = emitter.where(value.id);
  const bool compact = place.space == Space::kShared && (shape.items == 1 || place.item == 1) &&
                       (shape.features == 1 || place.feature == shape.items);
  if (!compact) {
    const Location copy = emitter.allocate(shape);
    emitter.copy(place, shape, copy);
    place = copy;
  }
  output.access = access(place);
  return output;
}

}  // namespace

LoweredProgram lower(const Graph& graph, const std::vector<Value>& outputs,
                     const Schedule& schedule, std::int64_t lanes) {
  LoweredProgram program;
  program.counts.assign(static_cast<std::size_t>(graph.domains()), -1);
  locate_shared(graph, schedule, program);
  for (int level = 0; level <= schedule.last_level; ++level) {
    Emitter stage(graph, program.shared, lanes);
    for (NodeId id = 0; id < graph.size(); ++id)
      if (schedule.needed[at(id)] && graph.node(id).domain == kShared &&
          schedule.level[at(id)] == level && !is_batch_sum(graph.node(id)))
        lower_node(stage, id);
    if (level == schedule.last_level)
      for (const Value& output : outputs) program.outputs.push_back(lower_output(stage, output));
    program.stages.push_back(std::move(stage.instructions()));
    std::vector<LoweredSweep>& sweeps = program.sweeps.emplace_back();
    for (const auto& [place, wanted] : schedule.sweeps)
      if (place.first == level)
        sweeps.push_back(lower_sweep(graph, outputs, place.second, wanted, program.shared, lanes));
  }
  return program;
}

}  // namespace thalweg::detail

// Gives buffers their places in the tile, and shared instructions their groups.
#include <algorithm>
#include <numeric>

#include "thalweg/engine/outside_calls.h"
#include "thalweg/engine/passes.h"

namespace thalweg::detail {
namespace {

/// The free stretches of memory below a top that grows as needed.
class FreeMemory {
 public:
  /// The smallest stretch that fits, or new memory on top.
  std::int64_t take(std::int64_t size) {
    auto best = free_.end();
    for (auto candidate = free_.begin(); candidate != free_.end(); ++candidate)
      if (candidate->second >= size && (best == free_.end() || candidate->second < best->second))
        best = candidate;
    if (best == free_.end()) {
      top_ += size;
      return top_ - size;
    }
    const auto [offset, room] = *best;
    free_.erase(best);
    if (room > size) free_.emplace(offset + size, room - size);
    return offset;
  }

  void give_back(std::int64_t offset, std::int64_t size) {
    auto next = free_.upper_bound(offset);
    if (next != free_.end() && offset + size == next->first) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += size;
        return;
      }
    }
    free_.emplace(offset, size);
  }

  std::int64_t top() const { return top_; }

 private:
  std::map<std::int64_t, std::int64_t> free_;  // offset -> size
  std::int64_t top_ = 0;
};

}  // namespace

Placement place_buffers(const std::vector<Buffer>& buffers) {
  Placement placement;
  placement.offsets.assign(buffers.size(), 0);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < buffers.size(); ++i)
    if (buffers[i].last >= 0) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return buffers[a].first < buffers[b].first; });
  std::multimap<int, std::size_t> live;  // last use -> buffer
  FreeMemory memory;
  for (const std::size_t index : order) {
    while (!live.empty() && live.begin()->first < buffers[index].first) {
      const std::size_t dead = live.begin()->second;
      memory.give_back(placement.offsets[dead], buffers[dead].size);
      live.erase(live.begin());
    }
    placement.offsets[index] = memory.take(buffers[index].size);
    live.emplace(buffers[index].last, index);
  }
  placement.size = memory.top();
  return placement;
}

void mark_chains(LoweredSweep& sweep) {
  const auto may_chain = [](const Instruction& instruction) {
    const bool elementwise =
        std::visit([]<typename O>(const O&) { return kElementwise<O>; }, instruction.operation);
    return elementwise && instruction.extent.outer == 1 && instruction.extent.middle > 1;
  };
  const auto same = [](const kernels::Extent& a, const kernels::Extent& b) {
    return a.outer == b.outer && a.middle == b.middle && a.inner == b.inner;
  };
  for (const Loop& loop : sweep.loops)
    for (std::size_t begin = loop.begin; begin < loop.end;) {
      Instruction& first = sweep.instructions[begin];
      std::size_t end = begin + 1;
      if (may_chain(first))
        while (end < loop.end && may_chain(sweep.instructions[end]) &&
               same(sweep.instructions[end].extent, first.extent))
          ++end;
      first.chain = static_cast<std::int32_t>(end - begin);
      begin = end;
    }
}

Pass place_sweep(LoweredSweep sweep) {
  mark_chains(sweep);
  // What lives longer than one round of a loop keeps its memory for all of them.
  for (Buffer& buffer : sweep.buffers)
    for (const Loop& loop : sweep.loops) {
      const int begin = static_cast<int>(loop.begin);
      const int end = static_cast<int>(loop.end) - 1;
      const bool apart = buffer.last < begin || buffer.first > end;
      const bool within = buffer.first >= begin && buffer.last <= end;
      if (buffer.last < 0 || apart || within) continue;
      buffer.first = std::min(buffer.first, begin);
      buffer.last = std::max(buffer.last, end);
    }
  const Placement placement = place_buffers(sweep.buffers);
  Pass pass;
  pass.domain = sweep.domain;
  pass.accumulators = std::move(sweep.accumulators);
  pass.part_size = sweep.part_size;
  pass.scratch = placement.size;
  pass.tile_size = placement.size + sweep.scratch_size;
  pass.instructions = std::move(sweep.instructions);
  pass.loops = std::move(sweep.loops);
  pass.tables = std::move(sweep.tables);
  for (std::size_t i = 0; i < pass.instructions.size(); ++i)
    if (const auto* call = std::get_if<operation::Call>(&pass.instructions[i].operation))
      if (wants_batch(*call)) pass.batch_calls.push_back(i);
  for (Instruction& instruction : pass.instructions)
    for (Access* operand : instruction.operands())
      if (operand->space == Space::kTile && operand->root >= 0)
        operand->offset += placement.offsets[static_cast<std::size_t>(operand->root)];
  return pass;
}

SharedStage group_stage(std::vector<Instruction> instructions,
                        const std::vector<std::int64_t>& starts) {
  std::map<std::int64_t, int> written;  // start of a buffer -> depth of its last writer
  const auto start_of = [&](const Access& operand) {
    return *std::prev(std::upper_bound(starts.begin(), starts.end(), operand.offset));
  };
  const auto depth_of = [&](const Access& operand) {
    if (operand.space != Space::kShared) return 0;
    const auto found = written.find(start_of(operand));
    return found == written.end() ? 0 : found->second;
  };
  std::vector<std::pair<int, std::size_t>> order;
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    int depth = 0;
    for (const Access* operand : std::as_const(instructions[i]).operands())
      depth = std::max(depth, depth_of(*operand));
    written[start_of(instructions[i].out)] = ++depth;
    order.emplace_back(depth, i);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  SharedStage stage;
  for (std::size_t i = 0; i < order.size(); ++i) {
    stage.instructions.push_back(std::move(instructions[order[i].second]));
    if (i + 1 == order.size() || order[i + 1].first != order[i].first)
      stage.group_ends.push_back(i + 1);
  }
  return stage;
}

}  // namespace thalweg::detail

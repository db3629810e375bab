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

/// Elements of its buffer that an operand may touch, from the first to behind the last.
std::pair<std::int64_t, std::int64_t> reach(const Access& operand, const kernels::Extent& extent) {
  std::int64_t low = operand.offset, high = operand.offset;
  for (const std::int64_t step :
       {(extent.outer - 1) * operand.outer, (extent.middle - 1) * operand.middle,
        (extent.inner - 1) * operand.inner})
    (step < 0 ? low : high) += step;
  return {low, high + 1};
}

/// Whether two operands of instructions with the same extent may meet in an element that is not of
/// the same row for both, so that blocks of rows must not take turns.
bool crosses(const Access& a, const Access& b, const kernels::Extent& extent) {
  if (a.space != Space::kTile || b.space != Space::kTile || a.root < 0 || a.root != b.root)
    return false;
  const bool each_element_once =
      a.middle >= extent.inner * a.inner || a.inner >= extent.middle * a.middle;
  if (each_element_once && a.offset == b.offset && a.middle == b.middle && a.inner == b.inner &&
      a.table == b.table)
    return false;
  const auto [a_begin, a_end] = reach(a, extent);
  const auto [b_begin, b_end] = reach(b, extent);
  return a.table != b.table || (a_begin < b_end && b_begin < a_end);
}

/// Whether blocks of rows of `earlier` and `later` may take turns.
bool takes_turns(const Instruction& earlier, const Instruction& later) {
  const auto apart = [&](const Access& written, const Instruction& other) {
    return std::ranges::none_of(other.operands(), [&](const Access* operand) {
      return crosses(written, *operand, later.extent);
    });
  };
  return apart(earlier.out, later) && apart(later.out, earlier);
}

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
               same(sweep.instructions[end].extent, first.extent) &&
               std::all_of(sweep.instructions.begin() + static_cast<std::ptrdiff_t>(begin),
                           sweep.instructions.begin() + static_cast<std::ptrdiff_t>(end),
                           [&](const Instruction& earlier) {
                             return takes_turns(earlier, sweep.instructions[end]);
                           }))
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
  // The instructions of a chain take turns: what one of them uses, all of them leave alone.
  std::vector<int> chain_begin(sweep.instructions.size()), chain_last(sweep.instructions.size());
  for (std::size_t begin = 0; begin < sweep.instructions.size();) {
    const auto length = static_cast<std::size_t>(sweep.instructions[begin].chain);
    for (std::size_t i = begin; i < begin + length; ++i) {
      chain_begin[i] = static_cast<int>(begin);
      chain_last[i] = static_cast<int>(begin + length) - 1;
    }
    begin += length;
  }
  for (Buffer& buffer : sweep.buffers) {
    if (buffer.last < 0) continue;
    buffer.first = chain_begin[static_cast<std::size_t>(buffer.first)];
    buffer.last = chain_last[static_cast<std::size_t>(buffer.last)];
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

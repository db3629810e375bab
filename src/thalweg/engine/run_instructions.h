// Runs instructions on one tile, or on the shared values. Internal to the engine.
#pragma once

#include <cstdint>
#include <span>

#include "thalweg/engine/compiled_program.h"
#include "thalweg/engine/program.h"

namespace thalweg::detail {

/// A task's view of the memories, and of the tile it works on.
template <typename T>
struct Frame {
  T* tile = nullptr;
  T* shared = nullptr;
  const T* parameters = nullptr;
  T* part = nullptr;
  const Pass* pass = nullptr;
  const RunArguments<T>* arguments = nullptr;
  const CompiledProgram* program = nullptr;
  std::int64_t first = 0;  // sample of lane 0
  std::int64_t valid = 0;  // lanes that hold samples
  bool fresh = false;      // first tile of a chunk, and first round of a loop: sums start here
  std::int64_t round = 0;  // of a loop

  T* base(const Access& access) const {
    std::int64_t offset = access.offset;
    if (access.table >= 0)
      offset +=
          pass->tables[static_cast<std::size_t>(access.table)][static_cast<std::size_t>(round)];
    switch (access.space) {
      case Space::kTile:
        return tile + offset;
      case Space::kShared:
        return shared + offset;
      default:
        return const_cast<T*>(parameters) + offset;  // never written: results go to tile or shared
    }
  }
  kernels::Strided<T> out(const Access& access) const {
    return {base(access), access.outer, access.middle, access.inner};
  }
  kernels::Strided<const T> in(const Access& access) const {
    return {base(access), access.outer, access.middle, access.inner};
  }
};

/// Instructions from `begin` to before `end` of a pass on one tile, those of loops, which the range
/// holds whole or not at all, as often as they say.
template <typename T>
void run_tile(const Pass& pass, Frame<T> frame, std::size_t begin, std::size_t end);

/// One instruction after the other.
template <typename T>
void run_instructions(std::span<const Instruction> instructions, const Frame<T>& frame);

}  // namespace thalweg::detail

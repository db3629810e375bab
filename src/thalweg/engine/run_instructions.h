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
  bool fresh = false;      // first tile of a chunk: sums start here

  T* base(const Access& access) const {
    switch (access.space) {
      case Space::kTile:
        return tile + access.offset;
      case Space::kShared:
        return shared + access.offset;
      default:
        return const_cast<T*>(parameters) +
               access.offset;  // never written: results go to tile or shared
    }
  }
  kernels::Strided<T> out(const Access& access) const {
    return {base(access), access.outer, access.middle, access.inner};
  }
  kernels::Strided<const T> in(const Access& access) const {
    return {base(access), access.outer, access.middle, access.inner};
  }
};

/// One instruction after the other.
template <typename T>
void run_instructions(std::span<const Instruction> instructions, const Frame<T>& frame);

}  // namespace thalweg::detail

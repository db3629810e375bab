// What a Program compiles to: instructions on places in three memories. Internal to the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::detail {

/// Memories that instructions work on: a thread's tile, the shared values, the parameters.
enum class Space : std::uint8_t { kTile, kShared, kParameter };

/// A strided operand: element (i, j, k) is at offset + i * outer + j * middle + k * inner of its
/// memory.
struct Access {
  Space space = Space::kTile;
  std::int32_t root = -1;  ///< tile buffer that `offset` counts from until buffers are placed
  std::int64_t offset = 0, outer = 0, middle = 0, inner = 1;
};

enum class Kind : std::uint8_t {
  kUnary,
  kBinary,
  kSelect,
  kMultiplyAdd,
  kSumOuter,
  kMaxOuter,
  kCumulativeSum,
  kCall,
  kZero,
  kGather,  ///< rows of `a` by index
  kMatrixProduct,
  kTransposeCopy,
  kInverse,
  kLoad,
  kStore,
  kUniform,
  kNormal,
  kAddLanePartials,
  kAddProductPartials,
  kAddOuterPartials,
  kAddOuterProduct,
};

struct Instruction {
  Kind kind = Kind::kUnary;
  Unary unary = Unary::kCopy;
  Binary binary = Binary::kAdd;
  bool flag = false, second_flag = false;
  bool has_bias = false;
  bool relu = false, masked = false;  ///< kMatrixProduct: relu of the result, or times (mask > 0)
  kernels::Extent extent;             ///< elementwise; kMatrixProduct: rows, columns, depth
  Access mask;
  Access out, a, b,
      c;  ///< kMatrixProduct: a = left (outer, middle = row and depth strides), b = right, c = bias
  double number = 0.0;
  std::shared_ptr<const std::vector<std::int32_t>> indices;  ///< kGather
  std::shared_ptr<const OutsideFunction> function;           ///< kCall
  std::int64_t index = 0;  ///< input slot, output number, random stream or accumulator
  double cost = 0.0;       ///< rough number of operations, for sharing out work
};

/// A sum over the batch that a pass gathers.
struct Accumulator {
  Kind kind = Kind::kAddLanePartials;
  std::int64_t offset = 0;  ///< in a chunk's part
  std::int64_t rows = 0, columns = 0, stride = 0;
  std::int64_t result = 0;  ///< offset of rows x columns in the shared memory
};

/// Shared instructions; those of one group do not depend on each other.
struct SharedStage {
  std::vector<Instruction> instructions;
  std::vector<std::size_t> group_ends;
};

/// One sweep over the tiles of a domain.
struct Pass {
  Domain domain = 0;
  std::vector<Instruction> instructions;
  std::vector<Accumulator> accumulators;
  std::int64_t tile_size = 0;  ///< elements, scratch included
  std::int64_t scratch = 0;    ///< offset of the scratch area for transposed tiles
  std::int64_t part_size = 0;  ///< elements of one chunk's sums
};

struct Output {
  bool batched = false;
  Domain domain = kShared;
  std::int64_t size = 0;
  Access access;  ///< shared outputs: a compact matrix
};

struct CompiledProgram {
  std::int64_t lanes = 0;
  std::vector<SharedStage> stages;        ///< one more than levels of passes
  std::vector<std::vector<Pass>> passes;  ///< passes[level] follow stages[level]
  std::vector<double> shared_initial;     ///< constants in place, zeros elsewhere
  std::vector<Output> outputs;
  std::vector<std::int64_t> input_sizes;  ///< elements a sample, by slot
  std::vector<Domain> input_domains;
  std::vector<std::int64_t>
      counts;  ///< shared offsets where the number of samples of each domain goes; -1 unused
  Domain domains = 1;
  std::vector<double> flops;  ///< of matrix products, a sample, by domain
};

CompiledProgram compile(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes);

}  // namespace thalweg::detail

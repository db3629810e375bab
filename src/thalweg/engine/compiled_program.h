// What a Program compiles to: instructions on places in three memories. Internal to the engine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "thalweg/engine/graph.h"

namespace thalweg::detail {

/// Memories that instructions work on: a thread's tile, the shared values, the parameters.
enum class Space : std::uint8_t { kTile, kShared, kParameter };

/// A strided operand: element (i, j, k) is at offset + i * outer + j * middle + k * inner of its
/// memory. Within a loop, `table` says what each round adds to the offset.
struct Access {
  Space space = Space::kTile;
  std::int32_t root = -1;  ///< tile buffer that `offset` counts from until buffers are placed
  std::int64_t offset = 0, outer = 0, middle = 0, inner = 1;
  std::int32_t table = -1;  ///< -1: none
};

/// What an instruction does with its operands a, b and c, one structure an operation.
namespace operation {

using primitive::BinaryFunction;
using primitive::CumulativeSum;  ///< along the outer axis
using primitive::Inverse;
using primitive::LogAbsDeterminant;
using primitive::Normal;
using primitive::Select;
using primitive::UnaryFunction;
using primitive::Uniform;

/// a * b + c.
struct MultiplyAdd {};
struct SumOuter {};
struct MaxOuter {};
struct Zero {};
/// out(i, j, k) = a(i, indices[j], k), in a loop with the indices that follow those of the
/// round before.
struct Gather {
  SharedList<std::int32_t> indices;
};
/// out(i, indices[j], k) += a(i, j, k), j as for Gather.
struct ScatterAdd {
  SharedList<std::int32_t> indices;
};
/// extent: rows, columns, depth; a = left (outer, middle = row and depth strides), b = right, c =
/// bias where there is one.
struct MatrixProduct {
  enum class Finish : std::uint8_t { kPlain, kRelu, kMask };
  bool bias;
  Finish finish;  ///< relu of the result, or the result times (mask > 0)
};
struct TransposeCopy {};
struct Load {
  std::int64_t slot;
};
struct Store {
  std::size_t output;
};
struct Call {
  std::shared_ptr<const OutsideFunction> function;
  bool slopes;  ///< whether anyone reads them
};
// Sums over the samples, each to an accumulator of its pass.
struct AddLanePartials {
  std::size_t accumulator;
};
struct AddProductPartials {
  std::size_t accumulator;
};
struct AddOuterPartials {
  std::size_t accumulator;
};
struct AddOuterProduct {
  std::size_t accumulator;
};

}  // namespace operation

/// Operations on element i of the operands for element i of the result.
template <typename O>
inline constexpr bool kElementwise = OneOf<O, operation::UnaryFunction, operation::BinaryFunction,
                                           operation::Select, operation::MultiplyAdd>;

using Operation = std::variant<
    operation::UnaryFunction, operation::BinaryFunction, operation::Select, operation::MultiplyAdd,
    operation::SumOuter, operation::MaxOuter, operation::CumulativeSum, operation::Call,
    operation::Zero, operation::Gather, operation::ScatterAdd, operation::MatrixProduct,
    operation::TransposeCopy, operation::Inverse, operation::LogAbsDeterminant, operation::Load,
    operation::Store, operation::Uniform, operation::Normal, operation::AddLanePartials,
    operation::AddProductPartials, operation::AddOuterPartials, operation::AddOuterProduct>;

struct Instruction {
  Operation operation;
  kernels::Extent extent = {};
  Access out = {}, a = {}, b = {}, c = {}, mask = {};
  double cost = 0.0;  ///< rough number of operations, for sharing out work
  /// How many instructions, from this one on, are elementwise on the same rows (extent.middle) and
  /// run block of rows after block of rows, so that what they hand on is in the first cache.
  std::int32_t chain = 1;

  template <typename O>
  bool is() const {
    return std::holds_alternative<O>(operation);
  }
  std::array<Access*, 5> operands() { return {&out, &a, &b, &c, &mask}; }
  std::array<const Access*, 5> operands() const { return {&out, &a, &b, &c, &mask}; }
};

/// Samples, over items that follow each other too, that one step of AddOuterProduct takes.
inline constexpr std::int64_t kOuterDepth = 128;

/// A sum over the batch that a pass gathers.
struct Accumulator {
  /// Each sum is spread over kPartialLanes lanes; else rows of sums, `stride` apart.
  bool lane_partials = true;
  std::int64_t offset = 0;  ///< in a chunk's part
  std::int64_t rows = 0, columns = 0, stride = 0;
  std::int64_t result = 0;  ///< offset of rows x columns in the shared memory
};

/// Instructions from `begin` to before `end` that run `rounds` times.
struct Loop {
  std::size_t begin = 0, end = 0;
  std::int64_t rounds = 0;
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
  std::vector<Loop> loops;                        ///< in order, none within another
  std::vector<std::vector<std::int64_t>> tables;  ///< for accesses: an offset a round
  std::vector<Accumulator> accumulators;
  std::vector<std::size_t> batch_calls;  ///< instructions: calls that want whole batches
  std::int64_t tile_size = 0;            ///< elements, scratch included
  std::int64_t scratch = 0;              ///< offset of the scratch area for transposed tiles
  std::int64_t part_size = 0;            ///< elements of one chunk's sums
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
  /// Shared offsets where the number of samples of each domain goes; -1 unused.
  std::vector<std::int64_t> counts;
  Domain domains = 1;
  std::vector<double> flops;  ///< of matrix products, a sample, by domain
};

CompiledProgram compile(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes);

}  // namespace thalweg::detail

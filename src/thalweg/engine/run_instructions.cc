#include "thalweg/engine/run_instructions.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/outside_calls.h"

namespace thalweg::detail {
namespace {

template <typename T>
void load(const Instruction& instruction, std::size_t slot, const Frame<T>& frame) {
  const BatchInput<T>& input = frame.arguments->inputs[slot];
  const std::int64_t size = frame.program->input_sizes[slot];
  const std::int64_t lanes = frame.program->lanes;
  T* out = frame.base(instruction.out);
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    // Lanes beyond the batch repeat its last sample, so that they stay as finite as the data.
    const std::int64_t sample = frame.first + std::min(lane, frame.valid - 1);
    const T* row = input.data + (input.rows != nullptr ? input.rows[sample] : sample) * size;
    for (std::int64_t i = 0; i < size; ++i) out[i * lanes + lane] = row[i];
  }
}

template <typename T>
void store(const Instruction& instruction, std::size_t index, const Frame<T>& frame) {
  if (index >= frame.arguments->outputs.size() || frame.arguments->outputs[index] == nullptr)
    return;
  const std::int64_t size = frame.program->outputs[index].size;
  T* out = frame.arguments->outputs[index] + frame.first * size;
  const kernels::Strided<const T> a = frame.in(instruction.a);
  for (std::int64_t f = 0; f < instruction.extent.outer; ++f)
    for (std::int64_t i = 0; i < instruction.extent.middle; ++i) {
      const T* from = a.data + f * a.outer + i * a.middle;
      T* to = out + f * instruction.extent.middle + i;
      for (std::int64_t lane = 0; lane < frame.valid; ++lane)
        to[lane * size] = from[lane * a.inner];
    }
}

/// What a thread keeps for eliminations.
struct Elimination {
  Eigen::MatrixXd matrix, inverse;
  Eigen::PartialPivLU<Eigen::MatrixXd> factors;
};

/// Calls `take` with each matrix and the place of its result: one matrix, or one a lane.
template <typename T, typename Take>
void eliminate(const Instruction& instruction, const Frame<T>& frame, Take take) {
  thread_local Elimination work;
  const std::int64_t size = instruction.extent.outer;
  const kernels::Strided<const T> a = frame.in(instruction.a);
  const kernels::Strided<T> out = frame.out(instruction.out);
  work.matrix.resize(size, size);
  for (std::int64_t lane = 0; lane < instruction.extent.inner; ++lane) {
    for (std::int64_t c = 0; c < size; ++c)
      for (std::int64_t r = 0; r < size; ++r)
        work.matrix(r, c) =
            static_cast<double>(a.data[r * a.outer + c * a.middle + lane * a.inner]);
    work.factors.compute(work.matrix);
    take(work, out.data + lane * out.inner, out);
  }
}

template <typename T>
void invert(const Instruction& instruction, const Frame<T>& frame) {
  eliminate(instruction, frame, [](Elimination& work, T* to, const kernels::Strided<T>& out) {
    work.inverse = work.factors.inverse();
    for (std::int64_t r = 0; r < work.inverse.rows(); ++r)
      for (std::int64_t c = 0; c < work.inverse.cols(); ++c)
        to[r * out.outer + c * out.middle] = static_cast<T>(work.inverse(r, c));
  });
}

template <typename T>
void log_determinant(const Instruction& instruction, const Frame<T>& frame) {
  eliminate(instruction, frame, [](const Elimination& work, T* to, const kernels::Strided<T>&) {
    *to = static_cast<T>(work.factors.matrixLU().diagonal().array().abs().log().sum());
  });
}

/// Where the sums of an accumulator are gathered; zeroed in the first tile of a chunk.
template <typename T>
T* lane_partials(const Accumulator& accumulator, const Frame<T>& frame) {
  T* part = frame.part + accumulator.offset;
  if (frame.fresh) std::fill_n(part, accumulator.rows * accumulator.stride, T(0));
  return part;
}

template <typename T>
void add_lanes(const Instruction& instruction, const Accumulator& accumulator,
               const Frame<T>& frame) {
  T* part = lane_partials(accumulator, frame);
  const T* a = frame.base(instruction.a);
  const std::int64_t items = instruction.extent.middle;
  if (items == 1) {
    kernels::add_lane_partials(instruction.extent.outer, frame.valid, a, instruction.a.outer, part);
    return;
  }
  for (std::int64_t f = 0; f < instruction.extent.outer; ++f)
    kernels::add_lane_partials(items, frame.valid, a + f * instruction.a.outer,
                               instruction.a.middle, part + f * items * kernels::kPartialLanes);
}

template <typename T>
void add_products(const Instruction& instruction, const Accumulator& accumulator,
                  const Frame<T>& frame) {
  T* part = lane_partials(accumulator, frame);
  const T* a = frame.base(instruction.a);
  const T* b = frame.base(instruction.b);
  const std::int64_t items = instruction.extent.middle;
  for (std::int64_t f = 0; f < instruction.extent.outer; ++f)
    kernels::add_product_partials(items, frame.valid, a + f * instruction.a.outer,
                                  instruction.a.middle, b + f * instruction.b.outer,
                                  instruction.b.middle, part + f * items * kernels::kPartialLanes);
}

template <typename T>
void add_small_outer(const Instruction& instruction, const Accumulator& accumulator,
                     const Frame<T>& frame) {
  T* part = lane_partials(accumulator, frame);
  const T* a = frame.base(instruction.a);
  const T* b = frame.base(instruction.b);
  for (std::int64_t item = 0; item < instruction.extent.inner; ++item)
    kernels::add_outer_partials(instruction.extent.outer, instruction.extent.middle, frame.valid,
                                a + item * instruction.a.middle, instruction.a.outer,
                                b + item * instruction.b.middle, instruction.b.outer, part);
}

/// In blocks of columns, whose transposes stay in the first cache. Items that follow each other in
/// a full tile are summed over together.
template <typename T>
void add_large_outer(const Instruction& instruction, const Accumulator& accumulator,
                     const Frame<T>& frame) {
  constexpr std::int64_t kBlock = 64;
  T* part = frame.part + accumulator.offset;
  const T* a = frame.base(instruction.a);
  const T* b = frame.base(instruction.b);
  T* scratch = frame.tile + frame.pass->scratch;
  const std::int64_t rows = instruction.extent.outer;
  const std::int64_t columns = instruction.extent.middle;
  const std::int64_t lanes = frame.program->lanes;
  const bool together = frame.valid == lanes && instruction.a.middle == lanes &&
                        instruction.b.middle == lanes && lanes < kOuterDepth;
  const std::int64_t step = together ? kOuterDepth / lanes : 1;
  for (std::int64_t item = 0; item < instruction.extent.inner; item += step) {
    const T* left = a + item * instruction.a.middle;
    const T* right = b + item * instruction.b.middle;
    const std::int64_t depth =
        together ? std::min(step, instruction.extent.inner - item) * lanes : frame.valid;
    for (std::int64_t first = 0; first < accumulator.stride; first += kBlock) {
      const std::int64_t width = std::min(kBlock, accumulator.stride - first);
      kernels::transpose(std::min(width, columns - first), depth,
                         right + first * instruction.b.outer, instruction.b.outer, scratch, width);
      kernels::matrix_product<T>(rows, width, depth, left, instruction.a.outer, 1, scratch, width,
                                 nullptr, !frame.fresh || item > 0, part + first,
                                 accumulator.stride);
    }
  }
}

template <typename T>
void multiply(const Instruction& instruction, const operation::MatrixProduct& product,
              const Frame<T>& frame) {
  using Finish = operation::MatrixProduct::Finish;
  kernels::Epilogue<T> epilogue;
  epilogue.relu = product.finish == Finish::kRelu;
  if (product.finish == Finish::kMask)
    epilogue = {false, frame.base(instruction.mask), instruction.mask.outer};
  kernels::matrix_product<T>(instruction.extent.outer, instruction.extent.middle,
                             instruction.extent.inner, frame.base(instruction.a),
                             instruction.a.outer, instruction.a.middle, frame.base(instruction.b),
                             instruction.b.outer,
                             product.bias ? frame.base(instruction.c) : nullptr, false,
                             frame.base(instruction.out), instruction.out.outer, epilogue);
}

/// Calls `move(from, to)` with the place of an element along the indices of the round, and that of
/// the element which its index names: `indexed` is the operand that indices go into, `other` the
/// one that has an element for each.
template <typename T, typename Move>
void for_indices(const Instruction& instruction, const std::vector<std::int32_t>& all,
                 const Frame<T>& frame, const Access& indexed, const Access& other, Move move) {
  const auto count = static_cast<std::size_t>(instruction.extent.middle);
  // A list along features is the same in every round.
  const std::size_t first = all.size() > count ? static_cast<std::size_t>(frame.round) * count : 0;
  const auto indices = std::span(all).subspan(first, count);
  for (std::int64_t outer = 0; outer < instruction.extent.outer; ++outer) {
    T* whole = frame.base(indexed) + outer * indexed.outer;
    T* element = frame.base(other) + outer * other.outer;
    for (const std::int32_t index : indices) {
      move(whole + index * indexed.middle, element);
      element += other.middle;
    }
  }
}

template <typename T>
void gather(const Instruction& instruction, const std::vector<std::int32_t>& indices,
            const Frame<T>& frame) {
  for_indices(instruction, indices, frame, instruction.a, instruction.out,
              [&](const T* from, T* to) {
                if (instruction.a.inner == 1)
                  std::copy_n(from, instruction.extent.inner, to);
                else
                  std::fill_n(to, instruction.extent.inner, *from);
              });
}

template <typename T>
void scatter_add(const Instruction& instruction, const std::vector<std::int32_t>& indices,
                 const Frame<T>& frame) {
  for_indices(instruction, indices, frame, instruction.out, instruction.a,
              [&](T* to, const T* from) {
                for (std::int64_t k = 0; k < instruction.extent.inner; ++k)
                  to[k] += from[k * instruction.a.inner];
              });
}

template <typename T, typename Generate>
void draw(Generate generate, std::int64_t stream, const Instruction& instruction,
          const Frame<T>& frame) {
  const std::span<const std::uint64_t> firsts = frame.arguments->first_samples;
  const auto domain = static_cast<std::size_t>(frame.pass->domain);
  const std::uint64_t first =
      (domain < firsts.size() ? firsts[domain] : 0) + static_cast<std::uint64_t>(frame.first);
  generate(frame.arguments->seed,
           static_cast<std::uint32_t>(Stream::kGraph) + static_cast<std::uint32_t>(stream), first,
           instruction.extent.middle, frame.program->lanes, frame.base(instruction.out),
           frame.program->lanes);
}

/// One overload an operation: an operation without one does not compile.
template <typename T>
struct Runner {
  const Instruction& i;
  const Frame<T>& frame;

  const Accumulator& accumulator(std::size_t number) const {
    return frame.pass->accumulators[number];
  }

  /// All rows of an elementwise operation.
  template <typename O>
  requires kElementwise<O>
  void operator()(const O& operation) const { run_rows(operation, i.extent, 0); }

  /// `extent.middle` rows from `first` on.
  void run_rows(const operation::UnaryFunction& o, const kernels::Extent& extent,
                std::int64_t first) const {
    kernels::unary<T>(o.function, extent, in(i.a, first), out(first), o.parameter.value);
  }
  void run_rows(const operation::BinaryFunction& o, const kernels::Extent& extent,
                std::int64_t first) const {
    kernels::binary<T>(o.function, extent, in(i.a, first), in(i.b, first), out(first));
  }
  void run_rows(const operation::Select&, const kernels::Extent& extent, std::int64_t first) const {
    kernels::select<T>(extent, in(i.a, first), in(i.b, first), in(i.c, first), out(first));
  }
  void run_rows(const operation::MultiplyAdd&, const kernels::Extent& extent,
                std::int64_t first) const {
    kernels::multiply_add<T>(extent, in(i.a, first), in(i.b, first), in(i.c, first), out(first));
  }
  kernels::Strided<const T> in(const Access& access, std::int64_t first) const {
    kernels::Strided<const T> operand = frame.in(access);
    operand.data += first * access.middle;
    return operand;
  }
  kernels::Strided<T> out(std::int64_t first) const {
    kernels::Strided<T> operand = frame.out(i.out);
    operand.data += first * i.out.middle;
    return operand;
  }

  void operator()(const operation::SumOuter&) const {
    kernels::sum_outer<T>(i.extent, frame.in(i.a), frame.out(i.out));
  }
  void operator()(const operation::MaxOuter&) const {
    kernels::max_outer<T>(i.extent, frame.in(i.a), frame.out(i.out));
  }
  void operator()(const operation::CumulativeSum& o) const {
    kernels::cumulative_sum_outer<T>(i.extent, frame.in(i.a), frame.out(i.out), o.reverse,
                                     o.exclusive);
  }
  void operator()(const operation::Call&) const { call_outside<T>(i, {&frame, 1}); }
  void operator()(const operation::Zero&) const {
    for (std::int64_t row = 0; row < i.extent.middle; ++row)
      std::fill_n(frame.base(i.out) + row * i.out.middle, i.extent.inner, T(0));
  }
  void operator()(const operation::Gather& o) const { gather(i, *o.indices, frame); }
  void operator()(const operation::ScatterAdd& o) const { scatter_add(i, *o.indices, frame); }
  void operator()(const operation::MatrixProduct& o) const { multiply(i, o, frame); }
  void operator()(const operation::TransposeCopy&) const {
    kernels::transpose<T>(i.extent.outer, i.extent.middle, frame.base(i.a), i.a.outer,
                          frame.base(i.out), i.extent.outer);
  }
  void operator()(const operation::Inverse&) const { invert(i, frame); }
  void operator()(const operation::LogAbsDeterminant&) const { log_determinant(i, frame); }
  void operator()(const operation::Load& o) const {
    load(i, static_cast<std::size_t>(o.slot), frame);
  }
  void operator()(const operation::Store& o) const { store(i, o.output, frame); }
  void operator()(const operation::Uniform& o) const {
    draw(kernels::random_uniform<T>, o.stream, i, frame);
  }
  void operator()(const operation::Normal& o) const {
    draw(kernels::random_normal<T>, o.stream, i, frame);
  }
  void operator()(const operation::AddLanePartials& o) const {
    add_lanes(i, accumulator(o.accumulator), frame);
  }
  void operator()(const operation::AddProductPartials& o) const {
    add_products(i, accumulator(o.accumulator), frame);
  }
  void operator()(const operation::AddOuterPartials& o) const {
    add_small_outer(i, accumulator(o.accumulator), frame);
  }
  void operator()(const operation::AddOuterProduct& o) const {
    add_large_outer(i, accumulator(o.accumulator), frame);
  }
};

/// Elements of a block: some five operands of this size fit into the first cache.
constexpr std::int64_t kChainBlock = 2048;

template <typename T>
void run_chain(std::span<const Instruction> chain, const Frame<T>& frame) {
  const kernels::Extent whole = chain.front().extent;
  const std::int64_t rows = std::max<std::int64_t>(1, kChainBlock / whole.inner);
  for (std::int64_t first = 0; first < whole.middle; first += rows) {
    const kernels::Extent extent{1, std::min(rows, whole.middle - first), whole.inner};
    for (const Instruction& instruction : chain)
      std::visit(
          [&]<typename O>(const O& operation) {
            if constexpr (kElementwise<O>)
              Runner<T>{instruction, frame}.run_rows(operation, extent, first);
          },
          instruction.operation);
  }
}

}  // namespace

template <typename T>
void run_instructions(std::span<const Instruction> instructions, const Frame<T>& frame) {
  for (std::size_t next = 0; next < instructions.size();) {
    const Instruction& instruction = instructions[next];
    const auto length = static_cast<std::size_t>(instruction.chain);
    if (length == 1)
      std::visit(Runner<T>{instruction, frame}, instruction.operation);
    else
      run_chain(instructions.subspan(next, length), frame);
    next += length;
  }
}

template <typename T>
void run_tile(const Pass& pass, Frame<T> frame, std::size_t begin, std::size_t end) {
  const std::span<const Instruction> instructions = pass.instructions;
  const bool fresh = frame.fresh;
  for (const Loop& loop : pass.loops) {
    if (loop.begin < begin || loop.end > end) continue;
    run_instructions(instructions.subspan(begin, loop.begin - begin), frame);
    for (frame.round = 0; frame.round < loop.rounds; ++frame.round) {
      frame.fresh = fresh && frame.round == 0;
      run_instructions(instructions.subspan(loop.begin, loop.end - loop.begin), frame);
    }
    frame.round = 0;
    frame.fresh = fresh;
    begin = loop.end;
  }
  run_instructions(instructions.subspan(begin, end - begin), frame);
}

template void run_tile(const Pass&, Frame<float>, std::size_t, std::size_t);
template void run_tile(const Pass&, Frame<double>, std::size_t, std::size_t);
template void run_instructions(std::span<const Instruction>, const Frame<float>&);
template void run_instructions(std::span<const Instruction>, const Frame<double>&);

}  // namespace thalweg::detail

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/subnormals.h"
#include "thalweg/engine/compiled_program.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

using detail::Access;
using detail::Accumulator;
using detail::CompiledProgram;
using detail::Instruction;
using detail::Kind;
using detail::Pass;
using detail::SharedStage;
using detail::Space;

constexpr std::size_t kCacheLine = 64;
constexpr double kParallelCost =
    40000.0;  // operations below which sharing out shared work does not pay
constexpr std::int64_t kReductionBlock = 16384;  // elements of a sum that one task adds up

/// Memory on a cache line, grown on demand.
template <typename T>
class AlignedArray {
 public:
  void resize(std::size_t size) {
    if (size <= size_) return;
    data_.reset(static_cast<T*>(::operator new[](size * sizeof(T), std::align_val_t{kCacheLine})));
    std::fill(data_.get(), data_.get() + size, T(0));
    size_ = size;
  }
  T* data() const { return data_.get(); }

 private:
  struct Deleter {
    void operator()(T* pointer) const {
      ::operator delete[](pointer, std::align_val_t{kCacheLine});
    }
  };
  std::unique_ptr<T, Deleter> data_;
  std::size_t size_ = 0;
};

/// Chunks of tiles over which sums are gathered: set by the batch alone, so that bits do not depend
/// on threads.
constexpr std::int64_t kMostChunks = 8;
std::int64_t chunk_count(std::int64_t tiles, std::int64_t lanes) {
  return std::min(tiles, tiles * lanes <= 1024 ? kMostChunks / 2 : kMostChunks);
}

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

template <typename T>
void load(const Instruction& instruction, const Frame<T>& frame) {
  const auto slot = static_cast<std::size_t>(instruction.index);
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
void store(const Instruction& instruction, const Frame<T>& frame) {
  const auto index = static_cast<std::size_t>(instruction.index);
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

/// Only finite points of the batch are handed over; elsewhere value and gradient are NaN.
template <typename T>
void call(const Instruction& instruction, const Frame<T>& frame) {
  const std::int64_t features = instruction.extent.outer;
  const kernels::Strided<const T> a = frame.in(instruction.a);
  const kernels::Strided<T> out = frame.out(instruction.out);
  std::vector<double> points;
  std::vector<std::int64_t> lanes;
  for (std::int64_t lane = 0; lane < frame.valid; ++lane) {
    bool finite = true;
    for (std::int64_t f = 0; f < features; ++f) {
      points.push_back(static_cast<double>(a.data[f * a.outer + lane * a.inner]));
      finite = finite && std::isfinite(points.back());
    }
    if (finite)
      lanes.push_back(lane);
    else
      points.resize(points.size() - static_cast<std::size_t>(features));
  }
  std::vector<double> values(lanes.size()), gradients(points.size());
  if (!lanes.empty())
    instruction.function->evaluate(points.data(), static_cast<std::int64_t>(lanes.size()), features,
                                   values.data(), gradients.data());
  for (std::int64_t f = 0; f <= features; ++f) {
    T* row = out.data + f * out.outer;
    std::fill_n(row, frame.program->lanes, std::numeric_limits<T>::quiet_NaN());
    for (std::size_t i = 0; i < lanes.size(); ++i)
      row[lanes[i]] = static_cast<T>(f == 0 ? values[i]
                                            : gradients[i * static_cast<std::size_t>(features) +
                                                        static_cast<std::size_t>(f) - 1]);
    // Lanes beyond the batch repeat its last sample.
    std::fill(row + frame.valid, row + frame.program->lanes, row[frame.valid - 1]);
  }
}

template <typename T>
void invert(const Instruction& instruction, const Frame<T>& frame) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const std::int64_t size = instruction.extent.outer;
  const kernels::Strided<const T> a = frame.in(instruction.a);
  Matrix matrix(size, size);
  for (std::int64_t r = 0; r < size; ++r)
    for (std::int64_t c = 0; c < size; ++c)
      matrix(r, c) = static_cast<double>(a.data[r * a.outer + c * a.middle]);
  const Matrix result = matrix.partialPivLu().inverse();
  T* out = frame.base(instruction.out);
  for (std::int64_t i = 0; i < size * size; ++i) out[i] = static_cast<T>(result.data()[i]);
}

template <typename T>
void add_sum(const Instruction& instruction, const Frame<T>& frame) {
  const Accumulator& accumulator =
      frame.pass->accumulators[static_cast<std::size_t>(instruction.index)];
  T* part = frame.part + accumulator.offset;
  const std::int64_t lanes = frame.valid;
  const T* a = frame.base(instruction.a);
  if (frame.fresh && instruction.kind != Kind::kAddOuterProduct)
    std::fill_n(part, accumulator.rows * accumulator.stride, T(0));
  if (instruction.kind == Kind::kAddLanePartials) {
    const std::int64_t items = instruction.extent.middle;
    if (items == 1) {
      kernels::add_lane_partials(instruction.extent.outer, lanes, a, instruction.a.outer, part);
      return;
    }
    for (std::int64_t f = 0; f < instruction.extent.outer; ++f)
      kernels::add_lane_partials(items, lanes, a + f * instruction.a.outer, instruction.a.middle,
                                 part + f * items * kernels::kPartialLanes);
    return;
  }
  const T* b = frame.base(instruction.b);
  if (instruction.kind == Kind::kAddProductPartials) {
    for (std::int64_t f = 0; f < instruction.extent.outer; ++f)
      kernels::add_product_partials(instruction.extent.middle, lanes, a + f * instruction.a.outer,
                                    instruction.a.middle, b + f * instruction.b.outer,
                                    instruction.b.middle,
                                    part + f * instruction.extent.middle * kernels::kPartialLanes);
    return;
  }
  const std::int64_t rows = instruction.extent.outer;
  const std::int64_t columns = instruction.extent.middle;
  for (std::int64_t item = 0; item < instruction.extent.inner; ++item) {
    const T* left = a + item * instruction.a.middle;
    const T* right = b + item * instruction.b.middle;
    if (instruction.kind == Kind::kAddOuterPartials) {
      kernels::add_outer_partials(rows, columns, lanes, left, instruction.a.outer, right,
                                  instruction.b.outer, part);
    } else {
      // In strips, whose transposes stay in the first cache.
      constexpr std::int64_t kStrip = 64;
      T* scratch = frame.tile + frame.pass->scratch;
      for (std::int64_t first = 0; first < accumulator.stride; first += kStrip) {
        const std::int64_t width = std::min(kStrip, accumulator.stride - first);
        kernels::transpose(std::min(width, columns - first), lanes,
                           right + first * instruction.b.outer, instruction.b.outer, scratch,
                           width);
        kernels::matrix_product<T>(rows, width, lanes, left, instruction.a.outer, 1, scratch, width,
                                   nullptr, !frame.fresh || item > 0, part + first,
                                   accumulator.stride);
      }
    }
  }
}

template <typename T>
void execute(const Instruction& instruction, const Frame<T>& frame) {
  switch (instruction.kind) {
    case Kind::kUnary:
      kernels::unary<T>(instruction.unary, instruction.extent, frame.in(instruction.a),
                        frame.out(instruction.out), instruction.number);
      break;
    case Kind::kBinary:
      kernels::binary<T>(instruction.binary, instruction.extent, frame.in(instruction.a),
                         frame.in(instruction.b), frame.out(instruction.out));
      break;
    case Kind::kSelect:
      kernels::select<T>(instruction.extent, frame.in(instruction.a), frame.in(instruction.b),
                         frame.in(instruction.c), frame.out(instruction.out));
      break;
    case Kind::kMultiplyAdd:
      kernels::multiply_add<T>(instruction.extent, frame.in(instruction.a), frame.in(instruction.b),
                               frame.in(instruction.c), frame.out(instruction.out));
      break;
    case Kind::kSumOuter:
      kernels::sum_outer<T>(instruction.extent, frame.in(instruction.a),
                            frame.out(instruction.out));
      break;
    case Kind::kMaxOuter:
      kernels::max_outer<T>(instruction.extent, frame.in(instruction.a),
                            frame.out(instruction.out));
      break;
    case Kind::kCumulativeSum:
      kernels::cumulative_sum_outer<T>(instruction.extent, frame.in(instruction.a),
                                       frame.out(instruction.out), instruction.flag,
                                       instruction.second_flag);
      break;
    case Kind::kCall:
      call(instruction, frame);
      break;
    case Kind::kZero: {
      T* out = frame.base(instruction.out);
      std::fill(out, out + instruction.extent.inner, T(0));
      break;
    }
    case Kind::kGather: {
      // Rows are contiguous: extent.inner elements each.
      const T* from = frame.base(instruction.a);
      T* to = frame.base(instruction.out);
      for (const std::int32_t row : *instruction.indices) {
        std::copy_n(from + row * instruction.a.outer, instruction.extent.inner, to);
        to += instruction.out.outer;
      }
      break;
    }
    case Kind::kMatrixProduct: {
      kernels::Epilogue<T> epilogue;
      epilogue.relu = instruction.relu;
      if (instruction.masked)
        epilogue = {false, frame.base(instruction.mask), instruction.mask.outer};
      kernels::matrix_product<T>(instruction.extent.outer, instruction.extent.middle,
                                 instruction.extent.inner, frame.base(instruction.a),
                                 instruction.a.outer, instruction.a.middle,
                                 frame.base(instruction.b), instruction.b.outer,
                                 instruction.has_bias ? frame.base(instruction.c) : nullptr, false,
                                 frame.base(instruction.out), instruction.out.outer, epilogue);
      break;
    }
    case Kind::kTransposeCopy:
      kernels::transpose<T>(instruction.extent.outer, instruction.extent.middle,
                            frame.base(instruction.a), instruction.a.outer,
                            frame.base(instruction.out), instruction.extent.outer);
      break;
    case Kind::kInverse:
      invert(instruction, frame);
      break;
    case Kind::kLoad:
      load(instruction, frame);
      break;
    case Kind::kStore:
      store(instruction, frame);
      break;
    case Kind::kUniform:
    case Kind::kNormal: {
      const std::span<const std::uint64_t> firsts = frame.arguments->first_samples;
      const auto domain = static_cast<std::size_t>(frame.pass->domain);
      const std::uint64_t first =
          (domain < firsts.size() ? firsts[domain] : 0) + static_cast<std::uint64_t>(frame.first);
      const auto stream = static_cast<std::uint32_t>(Stream::kGraph) +
                          static_cast<std::uint32_t>(instruction.index);
      const auto generate = instruction.kind == Kind::kUniform ? kernels::random_uniform<T>
                                                               : kernels::random_normal<T>;
      generate(frame.arguments->seed, stream, first, instruction.extent.middle,
               frame.program->lanes, frame.base(instruction.out), frame.program->lanes);
      break;
    }
    case Kind::kAddLanePartials:
    case Kind::kAddProductPartials:
    case Kind::kAddOuterPartials:
    case Kind::kAddOuterProduct:
      add_sum(instruction, frame);
      break;
  }
}

}  // namespace

template <typename T>
Program<T>::Program(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes)
    : compiled_(std::make_unique<CompiledProgram>(detail::compile(graph, outputs, lanes))) {}

template <typename T>
Program<T>::~Program() = default;

template <typename T>
std::int64_t Program<T>::output_size(std::size_t index) const {
  return compiled_->outputs.at(index).size;
}

template <typename T>
bool Program<T>::output_batched(std::size_t index) const {
  return compiled_->outputs.at(index).batched;
}

template <typename T>
std::size_t Program<T>::outputs() const {
  return compiled_->outputs.size();
}

template <typename T>
std::int64_t Program<T>::tile_bytes() const {
  std::int64_t elements = 0;
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) elements = std::max(elements, pass.tile_size);
  return elements * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
std::int64_t Program<T>::sum_bytes() const {
  std::int64_t elements = 0;
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) elements = std::max(elements, pass.part_size);
  return elements * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
std::int64_t Program<T>::instructions() const {
  std::size_t count = 0;
  for (const SharedStage& stage : compiled_->stages) count += stage.instructions.size();
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) count += pass.instructions.size();
  return static_cast<std::int64_t>(count);
}

template <typename T>
double Program<T>::flops_per_sample(Domain domain) const {
  return compiled_->flops.at(static_cast<std::size_t>(domain));
}

template <typename T>
struct Executor<T>::Memory {
  AlignedArray<T> shared, parts;
  std::vector<AlignedArray<T>> tiles;  // one a thread

  void run_stage(const SharedStage& stage, const Frame<T>& frame, ThreadPool& pool);
  void run_pass(const Pass& pass, Frame<T> frame, std::int64_t count, ThreadPool& pool);
  void finish_sums(const Pass& pass, std::int64_t chunks, ThreadPool& pool);
};

template <typename T>
void Executor<T>::Memory::run_stage(const SharedStage& stage, const Frame<T>& frame,
                                    ThreadPool& pool) {
  std::size_t begin = 0;
  for (const std::size_t end : stage.group_ends) {
    double cost = 0.0;
    for (std::size_t i = begin; i < end; ++i) cost += stage.instructions[i].cost;
    if (cost < kParallelCost || end - begin == 1 || pool.threads() == 1) {
      for (std::size_t i = begin; i < end; ++i) execute(stage.instructions[i], frame);
    } else {
      pool.parallel(static_cast<std::int64_t>(end - begin), [&](std::int64_t index, int) {
        execute(stage.instructions[begin + static_cast<std::size_t>(index)], frame);
      });
    }
    begin = end;
  }
}

template <typename T>
void Executor<T>::Memory::run_pass(const Pass& pass, Frame<T> frame, std::int64_t count,
                                   ThreadPool& pool) {
  const std::int64_t lanes = frame.program->lanes;
  const std::int64_t tiles_total = (count + lanes - 1) / lanes;
  const bool sums = !pass.accumulators.empty();
  const std::int64_t chunks = sums ? chunk_count(tiles_total, lanes) : (tiles_total + 3) / 4;
  if (sums) parts.resize(static_cast<std::size_t>(kMostChunks * pass.part_size));
  for (AlignedArray<T>& tile : tiles) tile.resize(static_cast<std::size_t>(pass.tile_size));
  frame.pass = &pass;
  pool.parallel(chunks, [&](std::int64_t chunk, int thread) {
    Frame<T> local = frame;
    local.tile = tiles[static_cast<std::size_t>(thread)].data();
    if (sums) local.part = parts.data() + chunk * pass.part_size;
    local.fresh = true;
    for (std::int64_t tile = chunk * tiles_total / chunks;
         tile < (chunk + 1) * tiles_total / chunks; ++tile) {
      local.first = tile * lanes;
      local.valid = std::min(lanes, count - local.first);
      for (const Instruction& instruction : pass.instructions) execute(instruction, local);
      local.fresh = false;
    }
  });
  if (sums) finish_sums(pass, chunks, pool);
}

/// Adds the chunks' parts in order and brings each sum to its place in the shared memory.
template <typename T>
void Executor<T>::Memory::finish_sums(const Pass& pass, std::int64_t chunks, ThreadPool& pool) {
  struct Task {
    std::size_t accumulator;
    std::int64_t begin, end;  // rows
  };
  std::vector<Task> tasks;
  for (std::size_t index = 0; index < pass.accumulators.size(); ++index) {
    const Accumulator& sum = pass.accumulators[index];
    const std::int64_t block = std::max<std::int64_t>(1, kReductionBlock / sum.stride);
    for (std::int64_t row = 0; row < sum.rows; row += block)
      tasks.push_back({index, row, std::min(sum.rows, row + block)});
  }
  const auto add = [&](const Task& task) {
    const Accumulator& sum = pass.accumulators[task.accumulator];
    const std::int64_t rows = task.end - task.begin;
    T* result = shared.data() + sum.result + task.begin * sum.columns;
    const std::int64_t start = sum.offset + task.begin * sum.stride;
    if (chunks == 0) {
      std::fill(result, result + rows * sum.columns, T(0));
      return;
    }
    const T* sources[kMostChunks];
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
      sources[chunk] = parts.data() + chunk * pass.part_size + start;
    if (sum.kind != Kind::kAddOuterProduct) {
      T* first = parts.data() + start;
      if (chunks > 1) kernels::sum_parts<T>(rows * sum.stride, chunks, sources, first);
      kernels::finish_lane_partials<T>(rows * sum.columns, first, result);
    } else if (sum.stride == sum.columns) {
      kernels::sum_parts<T>(rows * sum.stride, chunks, sources, result);
    } else {
      for (std::int64_t row = 0; row < rows; ++row) {
        kernels::sum_parts<T>(sum.columns, chunks, sources, result + row * sum.columns);
        for (std::int64_t chunk = 0; chunk < chunks; ++chunk) sources[chunk] += sum.stride;
      }
    }
  };
  if (pass.part_size * chunks < kReductionBlock || pool.threads() == 1) {
    for (const Task& task : tasks) add(task);
    return;
  }
  // Small sums go together, so that a task is worth its start.
  constexpr std::size_t kGroup = 8;
  const std::size_t groups = (tasks.size() + kGroup - 1) / kGroup;
  pool.parallel(static_cast<std::int64_t>(groups), [&](std::int64_t group, int) {
    const std::size_t begin = static_cast<std::size_t>(group) * kGroup;
    for (std::size_t i = begin; i < std::min(begin + kGroup, tasks.size()); ++i) add(tasks[i]);
  });
}

template <typename T>
Executor<T>::Executor(std::shared_ptr<const Program<T>> program, ThreadPool& pool)
    : program_(std::move(program)), pool_(pool), memory_(std::make_unique<Memory>()) {
  const std::vector<double>& initial = program_->compiled().shared_initial;
  memory_->shared.resize(std::max<std::size_t>(1, initial.size()));
  std::transform(initial.begin(), initial.end(), memory_->shared.data(),
                 [](double value) { return static_cast<T>(value); });
  memory_->tiles.resize(static_cast<std::size_t>(pool.threads()));
}

template <typename T>
Executor<T>::~Executor() = default;

template <typename T>
void Executor<T>::run(const RunArguments<T>& arguments) {
  const FlushSubnormals flush;
  const CompiledProgram& program = program_->compiled();
  const auto count_of = [&](Domain domain) {
    const auto index = static_cast<std::size_t>(domain);
    if (index >= arguments.counts.size())
      fail<ShapeError>("run: expected the number of samples of domain {}, got {} numbers", domain,
                       arguments.counts.size());
    return arguments.counts[index];
  };
  Frame<T> frame;
  frame.shared = memory_->shared.data();
  frame.parameters = arguments.parameters;
  frame.arguments = &arguments;
  frame.program = &program;
  for (std::size_t domain = 0; domain < program.counts.size(); ++domain)
    if (program.counts[domain] >= 0)
      frame.shared[program.counts[domain]] = static_cast<T>(count_of(static_cast<Domain>(domain)));
  for (std::size_t level = 0; level < program.stages.size(); ++level) {
    memory_->run_stage(program.stages[level], frame, pool_);
    for (const Pass& pass : program.passes[level]) {
      const std::int64_t count = count_of(pass.domain);
      for (const Instruction& instruction : pass.instructions)
        if (instruction.kind == Kind::kLoad && count > 0 &&
            (static_cast<std::size_t>(instruction.index) >= arguments.inputs.size() ||
             arguments.inputs[static_cast<std::size_t>(instruction.index)].data == nullptr))
          fail<ShapeError>("run: expected data for input slot {}, got none", instruction.index);
      memory_->run_pass(pass, frame, count, pool_);
    }
  }
}

template <typename T>
std::span<const T> Executor<T>::shared_output(std::size_t index) const {
  const detail::Output& output = program_->compiled().outputs.at(index);
  if (output.batched)
    fail<ShapeError>("shared_output: output {} is batched; ask for it in RunArguments", index);
  return {memory_->shared.data() + output.access.offset, static_cast<std::size_t>(output.size)};
}

template class Program<float>;
template class Program<double>;
template class Executor<float>;
template class Executor<double>;

}  // namespace thalweg

// Shares out the tiles of a batch to threads, and adds up what they gather.
#include <algorithm>
#include <new>

#include "thalweg/core/error.h"
#include "thalweg/core/subnormals.h"
#include "thalweg/engine/outside_calls.h"
#include "thalweg/engine/run_instructions.h"

namespace thalweg {
namespace {

using detail::Accumulator;
using detail::call_outside;
using detail::CompiledProgram;
using detail::Frame;
using detail::Instruction;
using detail::Pass;
using detail::run_instructions;
using detail::run_tile;
using detail::SharedStage;

constexpr std::size_t kCacheLine = 64;
constexpr double kParallelCost =
    40000.0;  // operations below which sharing out shared work does not pay
constexpr std::int64_t kReductionBlock = 16384;  // elements of a sum that one task adds up
// Of the tiles that wait for a call with the points of all of them.
constexpr std::int64_t kHeldPoints = 16384, kHeldBytes = std::int64_t{1} << 25;

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

/// The tiles of a batch in one pass.
template <typename T>
struct Sweep {
  Sweep(const Frame<T>& first, std::int64_t samples, T* parts_of_sums, ThreadPool& threads)
      : frame(first),
        count(samples),
        lanes(first.program->lanes),
        tiles((samples + lanes - 1) / lanes),
        sums(!first.pass->accumulators.empty()),
        chunks(sums ? chunk_count(tiles, lanes) : 0),
        parts(parts_of_sums),
        pool(threads) {}

  Frame<T> frame_of(std::int64_t tile, T* memory) const {
    Frame<T> own = frame;
    own.tile = memory;
    own.first = tile * lanes;
    own.valid = std::min(lanes, count - own.first);
    return own;
  }

  /// Instructions from `begin` to before `end` on the tiles from `first` to before `last`, each in
  /// memory(tile, thread).
  template <typename MemoryOf>
  void run(std::int64_t first, std::int64_t last, const MemoryOf& memory, std::size_t begin,
           std::size_t end) const {
    const std::int64_t start = sums ? 0 : first, length = sums ? tiles : last - first;
    // A few tiles may take seconds each, so that every thread is to have some.
    const std::int64_t shares =
        sums ? chunks
             : std::max((length + 3) / 4, std::min(length, std::int64_t{4} * pool.threads()));
    pool.parallel(shares, [&](std::int64_t share, int thread) {
      const std::int64_t from = start + share * length / shares;
      const std::int64_t to = std::min(last, start + (share + 1) * length / shares);
      for (std::int64_t tile = std::max(first, from); tile < to; ++tile) {
        Frame<T> own = frame_of(tile, memory(tile, thread));
        if (sums) own.part = parts + share * frame.pass->part_size;
        own.fresh = tile == from;
        run_tile(*frame.pass, own, begin, end);
      }
    });
  }

  Frame<T> frame;
  std::int64_t count, lanes, tiles;
  bool sums;
  std::int64_t chunks;  // of the sums
  T* parts;
  ThreadPool& pool;
};

/// Throws ShapeError where an input that the pass loads is missing.
template <typename T>
void check_inputs(const Pass& pass, const RunArguments<T>& arguments) {
  for (const Instruction& instruction : pass.instructions)
    if (const auto* load = std::get_if<detail::operation::Load>(&instruction.operation)) {
      const auto slot = static_cast<std::size_t>(load->slot);
      if (slot >= arguments.inputs.size() || arguments.inputs[slot].data == nullptr)
        fail<ShapeError>("run: expected data for input slot {}, got none", slot);
    }
}

}  // namespace

template <typename T>
struct Executor<T>::Memory {
  AlignedArray<T> shared, parts;
  std::vector<AlignedArray<T>> tiles;  // one a thread
  std::vector<AlignedArray<T>> held;   // of tiles that wait for a call

  void run_stage(const SharedStage& stage, const Frame<T>& frame, ThreadPool& pool);
  void run_pass(const Pass& pass, Frame<T> frame, std::int64_t count, ThreadPool& pool);
  void run_between_calls(const Sweep<T>& sweep);
  void finish_sums(const Pass& pass, std::int64_t chunks, ThreadPool& pool);
};

template <typename T>
void Executor<T>::Memory::run_stage(const SharedStage& stage, const Frame<T>& frame,
                                    ThreadPool& pool) {
  const std::span<const Instruction> instructions = stage.instructions;
  std::size_t begin = 0;
  for (const std::size_t end : stage.group_ends) {
    double cost = 0.0;
    for (std::size_t i = begin; i < end; ++i) cost += stage.instructions[i].cost;
    if (cost < kParallelCost || end - begin == 1 || pool.threads() == 1) {
      run_instructions(instructions.subspan(begin, end - begin), frame);
    } else {
      pool.parallel(static_cast<std::int64_t>(end - begin), [&](std::int64_t index, int) {
        run_instructions(instructions.subspan(begin + static_cast<std::size_t>(index), 1), frame);
      });
    }
    begin = end;
  }
}

template <typename T>
void Executor<T>::Memory::run_pass(const Pass& pass, Frame<T> frame, std::int64_t count,
                                   ThreadPool& pool) {
  if (!pass.accumulators.empty())
    parts.resize(static_cast<std::size_t>(kMostChunks * pass.part_size));
  frame.pass = &pass;
  const Sweep<T> sweep(frame, count, parts.data(), pool);
  const std::size_t instructions = pass.instructions.size();
  if (pass.batch_calls.empty()) {
    for (AlignedArray<T>& tile : tiles) tile.resize(static_cast<std::size_t>(pass.tile_size));
    sweep.run(
        0, sweep.tiles,
        [&](std::int64_t, int thread) { return tiles[static_cast<std::size_t>(thread)].data(); }, 0,
        instructions);
  } else {
    run_between_calls(sweep);
  }
  if (sweep.sums) finish_sums(pass, sweep.chunks, pool);
}

/// Several tiles, each in memory of its own, up to a call; the call; and on to the next one.
template <typename T>
void Executor<T>::Memory::run_between_calls(const Sweep<T>& sweep) {
  const Pass& pass = *sweep.frame.pass;
  const std::int64_t fit =
      kHeldBytes / std::max<std::int64_t>(1, pass.tile_size * std::int64_t{sizeof(T)});
  const std::int64_t most = std::clamp<std::int64_t>(
      fit, sweep.pool.threads(),
      std::max(kHeldPoints / sweep.lanes, std::int64_t{sweep.pool.threads()}));
  held.resize(std::max(held.size(), static_cast<std::size_t>(std::min(most, sweep.tiles))));
  for (AlignedArray<T>& tile : held) tile.resize(static_cast<std::size_t>(pass.tile_size));
  for (std::int64_t first = 0; first < sweep.tiles; first += most) {
    const std::int64_t end = std::min(first + most, sweep.tiles);
    const auto memory = [&](std::int64_t tile, int) {
      return held[static_cast<std::size_t>(tile - first)].data();
    };
    std::vector<Frame<T>> frames;
    for (std::int64_t tile = first; tile < end; ++tile)
      frames.push_back(sweep.frame_of(tile, memory(tile, 0)));
    std::size_t begin = 0;
    for (const std::size_t call : pass.batch_calls) {
      sweep.run(first, end, memory, begin, call);
      call_outside<T>(pass.instructions[call], frames);
      begin = call + 1;
    }
    sweep.run(first, end, memory, begin, pass.instructions.size());
  }
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
    if (sum.lane_partials) {
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
      if (count > 0) check_inputs(pass, arguments);
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

template class Executor<float>;
template class Executor<double>;

}  // namespace thalweg

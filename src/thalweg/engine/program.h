// A program is a compiled graph; an executor runs it on batches with threads.
//
// Batched values live in a tile, [feature][item][lane], the lanes being samples. A tile runs
// through all instructions of a pass while it is in cache, so memory does not grow with the batch.
// Sums over the batch are gathered in chunks whose number depends on the batch alone and added in a
// fixed order: the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

namespace detail {
struct CompiledProgram;
}

/// A compiled graph for one precision: immutable, shareable between threads and executors.
template <typename T>
class Program {
 public:
  /// Compiles what `outputs` need. Samples are worked on `lanes` at a time: a multiple of 16 up to
  /// 4096, or 0 for a choice by the graph (128 where all its values are small, else 64; 16 to 64
  /// where values are computed in strips of items); results depend on it in their last bits. Throws
  /// ConfigError for a bad lane count, ShapeError for values of different graphs or no output.
  Program(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes = 0);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const detail::CompiledProgram& compiled() const { return *compiled_; }
  /// Elements of each output, and whether it is batched.
  std::int64_t output_size(std::size_t index) const;
  bool output_batched(std::size_t index) const;
  std::size_t outputs() const;
  /// Bytes of one thread's tile, and of all sums over the batch: what the working set is made of.
  std::int64_t tile_bytes() const;
  std::int64_t sum_bytes() const;
  std::int64_t instructions() const;
  /// Floating-point operations of matrix products for one sample of `domain`.
  double flops_per_sample(Domain domain = 0) const;

 private:
  std::unique_ptr<detail::CompiledProgram> compiled_;
};

/// Data for one input slot: sample s is `data + (rows ? rows[s] : s) * size`, row-major (feature,
/// item).
template <typename T>
struct BatchInput {
  const T* data = nullptr;
  const std::int64_t* rows = nullptr;
};

/// What one run is given. Spans may be empty where the program has no inputs, domains or batched
/// outputs to fill.
template <typename T>
struct RunArguments {
  const T* parameters = nullptr;  ///< flat array in the layout of the graph's ParameterStore
  std::span<const BatchInput<T>> inputs = {};  ///< one a slot; unused slots may be null
  std::span<const std::int64_t> counts = {};   ///< samples of each domain
  std::span<const std::uint64_t> first_samples =
      {};  ///< number of the first sample of each domain, for random numbers
  std::uint64_t seed = 0;
  std::span<T* const>
      outputs;  ///< one an output; batched ones: samples x size; shared ones are ignored
};

/// Runs a program. Holds the working memory: one executor per concurrent caller.
template <typename T>
class Executor {
 public:
  Executor(std::shared_ptr<const Program<T>> program, ThreadPool& pool);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Throws ShapeError if arguments are missing. A domain with 0 samples gives sums of 0.
  void run(const RunArguments<T>& arguments);
  /// The value of a shared output after a run; valid until the next run.
  std::span<const T> shared_output(std::size_t index) const;
  const Program<T>& program() const { return *program_; }

 private:
  struct Memory;
  std::shared_ptr<const Program<T>> program_;
  ThreadPool& pool_;
  std::unique_ptr<Memory> memory_;
};

extern template class Program<float>;
extern template class Program<double>;
extern template class Executor<float>;
extern template class Executor<double>;

}  // namespace thalweg

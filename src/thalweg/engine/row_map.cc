#include "thalweg/engine/row_map.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/compiled_program.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

/// Rows worked on at a time: few, so that memory stays small, where they change their precision.
template <typename T>
constexpr std::int64_t kBlock = std::is_same_v<T, double> ? 1 << 20 : 1 << 14;

/// Copies `count` numbers to another precision with all threads.
template <typename From, typename To>
void convert(ThreadPool& pool, const From* from, std::int64_t count, To* to) {
  constexpr std::int64_t kPart = 32768;
  pool.parallel((count + kPart - 1) / kPart, [&](std::int64_t part, int) {
    std::transform(from + part * kPart, from + std::min(count, (part + 1) * kPart),
                   to + part * kPart, [](From value) { return static_cast<To>(value); });
  });
}

}  // namespace

struct RowMap::Work {
  virtual ~Work() = default;
  virtual std::vector<std::vector<double>> run(const Call& call) = 0;
  virtual double flops_per_row() const = 0;
  virtual std::int64_t rows_at_once() const = 0;
};

template <typename T>
struct RowMap::TypedWork final : RowMap::Work {
  TypedWork(const Graph& graph, const std::vector<Value>& outputs, ThreadPool& threads)
      : store(graph.parameters()),
        pool(threads),
        executor(std::make_shared<Program<T>>(graph, outputs), threads),
        blocks(outputs.size()) {}

  std::vector<std::vector<double>> run(const Call& call) override {
    const Program<T>& program = executor.program();
    std::vector<std::vector<double>> results(blocks.size());
    for (std::size_t k = 0; k < results.size(); ++k)
      results[k].resize(static_cast<std::size_t>(call.rows * program.output_size(k)));
    if (call.rows == 0) return results;
    check(call);
    const auto own = store.flat();
    const T* values = typed(call.parameters.empty() ? own : call.parameters, parameters);
    inputs.resize(call.inputs.size());
    for (std::int64_t begin = 0; begin < call.rows; begin += kBlock<T>)
      run_block(call, values, begin, std::min(kBlock<T>, call.rows - begin), results);
    return results;
  }

  double flops_per_row() const override { return executor.program().flops_per_sample(); }

  std::int64_t rows_at_once() const override {
    return executor.program().compiled().lanes * pool.threads();
  }

  void check(const Call& call) const {
    const auto& sizes = executor.program().compiled().input_sizes;
    for (std::size_t slot = 0; slot < call.inputs.size(); ++slot) {
      const std::size_t size = call.inputs[slot].size();
      const std::int64_t expected =
          slot < sizes.size() ? sizes[slot] * call.rows : static_cast<std::int64_t>(size);
      if (size != 0 && static_cast<std::int64_t>(size) != expected)
        fail<ShapeError>("row map: input {}: expected {} values for {} rows, got {}", slot,
                         expected, call.rows, size);
    }
    if (!call.parameters.empty() && call.parameters.size() != store.flat().size())
      fail<ShapeError>("row map: expected {} parameters, got {}", store.flat().size(),
                       call.parameters.size());
  }

  void run_block(const Call& call, const T* values, std::int64_t begin, std::int64_t count,
                 std::vector<std::vector<double>>& results) {
    const Program<T>& program = executor.program();
    std::vector<BatchInput<T>> given;
    for (std::size_t slot = 0; slot < call.inputs.size(); ++slot) {
      const std::span<const double> all = call.inputs[slot];
      const std::size_t width = all.size() / static_cast<std::size_t>(call.rows);
      if (all.empty()) {  // A slot that no output uses; the program refuses others.
        given.push_back({});
        continue;
      }
      given.push_back({typed(all.subspan(static_cast<std::size_t>(begin) * width,
                                         static_cast<std::size_t>(count) * width),
                             inputs[slot])});
    }
    std::vector<T*> places;
    for (std::size_t k = 0; k < blocks.size(); ++k) {
      places.push_back(place(k, results[k], begin, count));
    }
    const std::uint64_t first = call.first_sample + static_cast<std::uint64_t>(begin);
    executor.run({.parameters = values,
                  .inputs = given,
                  .counts = {&count, 1},
                  .first_samples = {&first, 1},
                  .seed = call.seed,
                  .outputs = places});
    for (std::size_t k = 0; k < blocks.size(); ++k) {
      const std::int64_t size = program.output_size(k);
      double* to = results[k].data() + begin * size;
      if (program.output_batched(k)) {
        if constexpr (!std::is_same_v<T, double>) convert(pool, blocks[k].data(), count * size, to);
        continue;
      }
      const auto shared = executor.shared_output(k);
      for (std::int64_t row = 0; row < count; ++row)
        to = std::copy(shared.begin(), shared.end(), to);
    }
  }

  /// Where a program writes its output of a block: to the result, or to what is converted.
  T* place(std::size_t k, std::vector<double>& result, std::int64_t begin, std::int64_t count) {
    const std::int64_t size = executor.program().output_size(k);
    if (!executor.program().output_batched(k)) return nullptr;
    if constexpr (std::is_same_v<T, double>) {
      return result.data() + begin * size;
    } else {
      blocks[k].resize(static_cast<std::size_t>(count * size));
      return blocks[k].data();
    }
  }

  /// `from` itself, or a copy of it in this precision.
  const T* typed(std::span<const double> from, std::vector<T>& to) {
    if constexpr (std::is_same_v<T, double>) {
      return from.data();
    } else {
      to.resize(from.size());
      convert(pool, from.data(), static_cast<std::int64_t>(from.size()), to.data());
      return to.data();
    }
  }

  const ParameterStore& store;
  ThreadPool& pool;
  Executor<T> executor;
  std::vector<T> parameters;  // kept between runs, as are the blocks
  std::vector<std::vector<T>> inputs, blocks;
};

RowMap::RowMap(const Graph& graph, const std::vector<Value>& outputs, ThreadPool& pool,
               Precision precision) {
  if (precision == Precision::kFloat)
    work_ = std::make_unique<TypedWork<float>>(graph, outputs, pool);
  else
    work_ = std::make_unique<TypedWork<double>>(graph, outputs, pool);
}

RowMap::~RowMap() = default;
RowMap::RowMap(RowMap&&) noexcept = default;
RowMap& RowMap::operator=(RowMap&&) noexcept = default;

std::vector<std::vector<double>> RowMap::run(const Call& call) { return work_->run(call); }

std::int64_t RowMap::rows_at_once() const { return work_->rows_at_once(); }

double RowMap::flops_per_row() const { return work_->flops_per_row(); }

std::vector<double> RowMap::operator()(const Call& call) {
  auto results = work_->run(call);
  if (results.size() != 1)
    fail<ShapeError>("row map: expected a program with one output, got {}", results.size());
  return std::move(results[0]);
}

}  // namespace thalweg

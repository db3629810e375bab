// Rows through a program: what every user of a trained graph on arrays needs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

/// Of the arithmetic of a program: float (fast; log densities to about 1e-5) or double.
enum class Precision : std::uint8_t { kFloat, kDouble };

/// A program with its executor that maps rows of a batch's samples to rows, block by block, so that
/// working memory does not grow with their number. Arrays are in double whatever the precision of
/// the program. One caller at a time.
class RowMap {
 public:
  /// Compiles what `outputs` need of a graph whose inputs, all of domain 0, are in the order in
  /// which run() takes them. The graph's parameter store and the pool must outlive it.
  RowMap(const Graph& graph, const std::vector<Value>& outputs, ThreadPool& pool,
         Precision precision = Precision::kDouble);
  ~RowMap();
  RowMap(RowMap&&) noexcept;
  RowMap& operator=(RowMap&&) noexcept;

  /// What one call is given.
  struct Call {
    std::int64_t rows = 0;
    /// One a slot, rows x size row-major; empty for slots that the outputs do not use.
    std::vector<std::span<const double>> inputs = {};
    std::uint64_t seed = 0;
    std::uint64_t first_sample = 0;  ///< number of the first row, for random numbers
    /// In the layout of the graph's store; empty: the store's own values.
    std::span<const double> parameters = {};
  };

  /// Output k of each row, rows x size row-major; outputs that are the same for all rows are
  /// repeated. Throws ShapeError for inputs or parameters of other sizes.
  std::vector<std::vector<double>> run(const Call& call);
  /// The same for a program with one output.
  std::vector<double> operator()(const Call& call);
  /// Rows that all threads work on at a time: fewer take as long.
  std::int64_t rows_at_once() const;
  /// Floating-point operations of matrix products, a row.
  double flops_per_row() const;

 private:
  struct Work;
  template <typename T>
  struct TypedWork;
  std::unique_ptr<Work> work_;
};

}  // namespace thalweg

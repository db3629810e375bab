// The way between data and the columns as a model's layers know them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// Maps rows of data, x (the coordinates of their values: see coordinate_of), to standardised
/// columns without bounds, y, and back: by the last transforms of a model's flow, in double
/// whatever the precision of the other layers, so that values that differ by little of their size
/// keep their differences. One caller at a time.
class ColumnMap {
 public:
  ColumnMap(const Model& model, ThreadPool& pool);

  /// Whether x and y are the same, for lack of columns with options.
  bool identity() const { return !to_layers_; }
  /// y of each row, and if `log_det` is given log|det dy/dx|. A row outside of its bounds has no y:
  /// it gets zeros and -inf. So does one on them, but where smooth maps take the column's interval,
  /// with its ends, to [0, 1]. NaN stays NaN.
  std::vector<double> to_layers(std::span<const double> x, std::vector<double>* log_det = nullptr);
  /// x of each row of y, and if `log_det` is given log|det dx/dy|.
  std::vector<double> to_data(std::vector<double> y, std::vector<double>* log_det = nullptr);

 private:
  std::vector<double> run(RowMap& map, std::span<const double> rows, std::vector<double>* log_det);
  std::int64_t features_;
  std::vector<ColumnOptions> bounded_;  // empty if no column is
  std::vector<std::size_t> intervals_;  // columns that go to [0, 1] with their bounds, ascending
  std::optional<RowMap> to_layers_, to_data_;
};

/// `context`, rows x context columns, in units of each column's spread, in double: what the layers
/// of a model's flow take.
std::vector<double> standardised_context(const Model& model, std::span<const double> context);

/// Whether layers in single precision would take two of the model's classes for one.
bool classes_need_double(const Model& model);

/// Turns coordinates of samples to values, as a model's data have them (see value_at). Gives the
/// number of rows that are not finite. `x` is rows x features.
std::int64_t finish_samples(const Model& model, std::span<double> x, ThreadPool& pool,
                            Drawn drawn = Drawn::kAsInData);

}  // namespace thalweg

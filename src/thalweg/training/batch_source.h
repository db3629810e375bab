// The samples of a training, by number.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/program.h"
#include "thalweg/flows/model.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/targets/target.h"
#include "thalweg/training/training_options.h"

namespace thalweg {

/// Writes samples `first_sample`, first_sample + 1, ... (count x features, row-major) to `out`.
/// Must be a function of the sample's number and safe to call from several threads.
using SampleGenerator =
    std::function<void(std::uint64_t first_sample, std::int64_t count, double* out)>;

/// What a model is trained on: a table, or a generator of fresh samples, in the units of the data.
/// The trainer copies what it needs in its own precision. Values that stand for
/// intervals get fresh noise in each step (fixed noise in validation).
struct TrainingData {
  std::span<const double> rows = {};     ///< rows x features, row-major
  std::span<const double> context = {};  ///< rows x context features
  std::span<const double> weights = {};  ///< how much each row counts; empty: all alike
  /// Slopes of a log density by the columns, rows x features, in the units of the data, for
  /// objectives that want them; empty: they are not known.
  std::span<const double> forces = {};
  std::span<const double> validation_rows = {};
  std::span<const double> validation_context = {};
  std::span<const double> validation_weights = {};
  SampleGenerator generator = {};             ///< used if there are no rows; not with a context
  std::shared_ptr<const Target> target = {};  ///< for objectives that need one
};

/// Number of rows of a table, whose sizes it checks; `what` begins the message of a ShapeError.
std::int64_t checked_rows(const char* what, const Flow& flow, std::span<const double> rows,
                          std::span<const double> context);

/// Samples of training by number: rows of a table, epoch after epoch in an order by the seed (in
/// each epoch as often as their weights say, by systematic resampling with an offset of its own),
/// or draws of a generator; standardised in double (see ColumnMap), then in the precision of
/// training.
template <typename T>
class BatchSource {
 public:
  /// Throws ShapeError for sizes that do not fit the model, DataError without rows and generator.
  BatchSource(const Model& model, const TrainingData& data, const TrainingOptions& options,
              ThreadPool& pool);

  /// Samples a step.
  std::int64_t batch() const { return batch_; }

  /// Samples first, ..., first + count - 1, as layers know them: valid until the next call.
  struct Batch {
    BatchInput<T> rows, context, log_det, forces = {};
  };
  Batch fill(std::uint64_t first, std::int64_t count);

  /// The first samples and their contexts as they are in training, those that are finite, for
  /// layers that start from data. Throws DataError if none is.
  void first_samples(std::vector<double>& rows, std::vector<double>& context);

 private:
  template <typename Function>
  void for_row_blocks(std::int64_t count, const Function& function);
  void generate(std::uint64_t first, std::int64_t count);
  void pick_rows(std::uint64_t first, std::int64_t count);
  void start_epoch(std::uint64_t epoch);
  void add_fresh_noise(std::uint64_t first, std::int64_t count);
  void fill_table(std::span<const double> x);
  void standardise(std::span<const double> x, std::vector<T>& rows, std::vector<T>& log_det);

  ThreadPool& pool_;
  ColumnMap columns_;
  SampleGenerator generator_;
  std::uint64_t seed_;
  std::int64_t features_, context_features_, rows_;
  std::vector<double> raw_;               // the table's values, where noise is added in each step
  std::vector<T> table_, table_log_det_;  // standardised, where it is not
  std::vector<T> context_, forces_;
  std::vector<std::int64_t> noisy_;  // columns whose values have intervals
  std::vector<ColumnOptions> noisy_columns_;
  std::int64_t batch_ = 0;
  std::vector<double> weights_;
  bool shuffled_ = false;
  std::uint64_t epoch_ = 0;
  std::vector<std::int64_t> epoch_order_, order_;
  std::vector<double> drawn_, noise_;
  std::vector<T> values_, log_det_;
};

extern template class BatchSource<float>;
extern template class BatchSource<double>;

}  // namespace thalweg

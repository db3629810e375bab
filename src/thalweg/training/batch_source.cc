#include "thalweg/training/batch_source.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/systematic_rows.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/engine/kernels/kernels.h"

namespace thalweg {
namespace {

constexpr std::int64_t kInitialisationRows = 4096;  // that ActNorm starts from
constexpr std::int64_t kFillRows = 64;              // rows that one task prepares

/// The rows of one epoch, by their weights if there are any.
void rows_of_epoch(std::uint64_t seed, std::uint64_t epoch, std::span<const double> weights,
                   std::vector<std::int64_t>& rows) {
  if (weights.empty()) {
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    return;
  }
  const auto words =
      random_words(seed, static_cast<std::uint32_t>(Stream::kShuffle), epoch, UINT32_MAX);
  rows = systematic_rows(weights, uniform_from_words(words[0], words[1]), std::ssize(rows));
}

/// An order of rows: Fisher and Yates, a function of seed and epoch alone.
void shuffle_rows(std::uint64_t seed, std::uint64_t epoch, std::vector<std::int64_t>& order) {
  std::array<std::uint32_t, 4> words{};
  for (std::size_t left = order.size(), draw = 0; left > 1; --left, ++draw) {
    // One block of four words serves two draws.
    if (draw % 2 == 0)
      words = random_words(seed, static_cast<std::uint32_t>(Stream::kShuffle), epoch,
                           static_cast<std::uint32_t>(draw / 2));
    const double uniform = draw % 2 == 0 ? uniform_from_words(words[0], words[1])
                                         : uniform_from_words(words[2], words[3]);
    const auto pick = static_cast<std::size_t>(uniform * static_cast<double>(left));
    std::swap(order[left - 1], order[std::min(pick, left - 1)]);
  }
}

template <typename T>
void grow(std::vector<T>& array, std::int64_t size) {
  if (static_cast<std::int64_t>(array.size()) < size) array.resize(static_cast<std::size_t>(size));
}

}  // namespace

std::int64_t checked_rows(const char* what, const Flow& flow, std::span<const double> rows,
                          std::span<const double> context) {
  const auto size = static_cast<std::int64_t>(rows.size());
  if (size % flow.features() != 0)
    fail<ShapeError>("{}: expected rows of {} values, got {} values", what, flow.features(), size);
  const std::int64_t count = size / flow.features();
  if (static_cast<std::int64_t>(context.size()) != count * flow.context_features())
    fail<ShapeError>("{}: expected {} rows of {} context values, got {} values", what, count,
                     flow.context_features(), context.size());
  return count;
}

template <typename T>
BatchSource<T>::BatchSource(const Model& model, const TrainingData& data,
                            const TrainingOptions& options, ThreadPool& pool)
    : pool_(pool),
      columns_(model, pool),
      generator_(data.generator),
      seed_(static_cast<std::uint64_t>(options.seed)),
      features_(model.flow().features()),
      context_features_(model.flow().context_features()),
      rows_(checked_rows("training data", model.flow(), data.rows, data.context)) {
  if (rows_ == 0 && !generator_)
    fail<DataError>(
        "training data: expected at least one row, got none (an energy alone wants "
        "training.objective=reverse_kl)");
  if (rows_ == 0 && context_features_ > 0)
    fail<ShapeError>("training data: a generator gives no context, but the model wants one");
  const std::vector<double> context = standardised_context(model, data.context);
  context_.assign(context.begin(), context.end());
  const auto& columns = model.options().columns;
  for (std::size_t column = 0; column < columns.size(); ++column)
    if (columns[column].has_intervals()) {
      noisy_.push_back(static_cast<std::int64_t>(column));
      noisy_columns_.push_back(columns[column]);
    }
  if (noisy_.empty())
    fill_table(data.rows);
  else
    raw_.assign(data.rows.begin(), data.rows.end());
  batch_ = rows_ > 0 ? std::min(options.batch_size, rows_) : options.batch_size;
  if (!data.weights.empty() && std::ssize(data.weights) != rows_)
    fail<ShapeError>("training data: expected a weight for each of {} rows, got {}", rows_,
                     data.weights.size());
  const std::int64_t force_features = model.flow().force_features();
  if (!data.forces.empty() && std::ssize(data.forces) != rows_ * force_features)
    fail<ShapeError>("training data: expected forces of {} rows of {} numbers, got {}", rows_,
                     force_features, data.forces.size());
  forces_.assign(data.forces.begin(), data.forces.end());
  weights_.assign(data.weights.begin(), data.weights.end());
  shuffled_ = rows_ > batch_ || !weights_.empty();
}

template <typename T>
void BatchSource<T>::fill_table(std::span<const double> x) {
  constexpr std::size_t kTableRows = 1 << 16;  // in double at a time
  std::vector<T> rows, log_det;
  table_.reserve(x.size());
  while (!x.empty()) {
    const auto part = x.first(std::min(x.size(), kTableRows * static_cast<std::size_t>(features_)));
    standardise(part, rows, log_det);
    table_.insert(table_.end(), rows.begin(), rows.end());
    table_log_det_.insert(table_log_det_.end(), log_det.begin(), log_det.end());
    x = x.subspan(part.size());
  }
}

template <typename T>
void BatchSource<T>::standardise(std::span<const double> x, std::vector<T>& rows,
                                 std::vector<T>& log_det) {
  if (columns_.identity()) {
    rows.assign(x.begin(), x.end());
    return;
  }
  std::vector<double> determinants;
  const std::vector<double> y = columns_.to_layers(x, &determinants);
  rows.assign(y.begin(), y.end());
  log_det.assign(determinants.begin(), determinants.end());
}

template <typename T>
typename BatchSource<T>::Batch BatchSource<T>::fill(std::uint64_t first, std::int64_t count) {
  if (rows_ == 0) {
    generate(first, count);
    return {{values_.data()}, {}, {log_det_.data()}};
  }
  pick_rows(first, count);
  const BatchInput<T> context{context_.data(), order_.data()};
  const BatchInput<T> forces{forces_.data(), order_.data()};
  if (noisy_.empty())
    return {
        {table_.data(), order_.data()}, context, {table_log_det_.data(), order_.data()}, forces};
  add_fresh_noise(first, count);
  return {{values_.data()}, context, {log_det_.data()}, forces};
}

template <typename T>
void BatchSource<T>::first_samples(std::vector<double>& rows, std::vector<double>& context) {
  const std::int64_t count = rows_ > 0 ? std::min(rows_, kInitialisationRows) : kInitialisationRows;
  const Batch batch = fill(0, count);
  for (std::int64_t sample = 0; sample < count; ++sample) {
    const auto row_of = [&](const BatchInput<T>& input, std::int64_t size) {
      const T* row = input.data + (input.rows != nullptr ? input.rows[sample] : sample) * size;
      return std::span<const T>(row, static_cast<std::size_t>(size));
    };
    const auto row = row_of(batch.rows, features_);
    const auto given = row_of(batch.context, context_features_);
    const auto finite = [](T value) { return std::isfinite(value); };
    if (!std::all_of(row.begin(), row.end(), finite) ||
        !std::all_of(given.begin(), given.end(), finite))
      continue;
    rows.insert(rows.end(), row.begin(), row.end());
    context.insert(context.end(), given.begin(), given.end());
  }
  if (rows.empty()) fail<DataError>("training data: none of the first {} samples is finite", count);
}

template <typename T>
template <typename Function>
void BatchSource<T>::for_row_blocks(std::int64_t count, const Function& function) {
  const auto task = [&](std::int64_t block, int) {
    function(block * kFillRows, std::min(kFillRows, count - block * kFillRows));
  };
  pool_.parallel((count + kFillRows - 1) / kFillRows, std::ref(task));
}

template <typename T>
void BatchSource<T>::generate(std::uint64_t first, std::int64_t count) {
  grow(drawn_, count * features_);
  grow(values_, count * features_);
  for_row_blocks(count, [&](std::int64_t begin, std::int64_t rows) {
    double* drawn = drawn_.data() + begin * features_;
    generator_(first + static_cast<std::uint64_t>(begin), rows, drawn);
    if (columns_.identity())
      std::copy(drawn, drawn + rows * features_, values_.data() + begin * features_);
  });
  if (!columns_.identity())
    standardise(std::span(drawn_).first(static_cast<std::size_t>(count * features_)), values_,
                log_det_);
}

template <typename T>
void BatchSource<T>::pick_rows(std::uint64_t first, std::int64_t count) {
  grow(order_, count);
  const auto rows = static_cast<std::uint64_t>(rows_);
  for (std::int64_t sample = 0; sample < count;) {
    const std::uint64_t position = first + static_cast<std::uint64_t>(sample);
    const auto index = static_cast<std::int64_t>(position % rows);
    const std::int64_t length = std::min(count - sample, rows_ - index);
    if (shuffled_) {
      start_epoch(position / rows);
      std::copy_n(epoch_order_.begin() + index, length, order_.begin() + sample);
    } else {
      std::iota(order_.begin() + sample, order_.begin() + sample + length, index);
    }
    sample += length;
  }
}

template <typename T>
void BatchSource<T>::start_epoch(std::uint64_t epoch) {
  if (!epoch_order_.empty() && epoch == epoch_) return;
  epoch_order_.resize(static_cast<std::size_t>(rows_));
  rows_of_epoch(seed_, epoch, weights_, epoch_order_);
  shuffle_rows(seed_, epoch, epoch_order_);
  epoch_ = epoch;
}

template <typename T>
void BatchSource<T>::add_fresh_noise(std::uint64_t first, std::int64_t count) {
  const auto noisy = static_cast<std::int64_t>(noisy_.size());
  grow(drawn_, count * features_);
  grow(noise_, (count + kFillRows - 1) / kFillRows * kFillRows * noisy);
  for_row_blocks(count, [&](std::int64_t begin, std::int64_t rows) {
    double* noise = noise_.data() + begin * noisy;
    kernels::random_uniform<double>(seed_, static_cast<std::uint32_t>(Stream::kDequantisation),
                                    first + static_cast<std::uint64_t>(begin), noisy, rows, noise,
                                    kFillRows);
    for (std::int64_t row = 0; row < rows; ++row) {
      double* out = drawn_.data() + (begin + row) * features_;
      std::copy_n(raw_.data() + order_[static_cast<std::size_t>(begin + row)] * features_,
                  features_, out);
      for (std::int64_t k = 0; k < noisy; ++k) {
        const auto number = static_cast<std::size_t>(k);
        double& value = out[noisy_[number]];
        value = coordinate_of(noisy_columns_[number], value, noise[k * kFillRows + row]);
      }
    }
  });
  standardise(std::span(drawn_).first(static_cast<std::size_t>(count * features_)), values_,
              log_det_);
}

template class BatchSource<float>;
template class BatchSource<double>;

}  // namespace thalweg

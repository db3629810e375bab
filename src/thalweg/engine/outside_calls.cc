#include "thalweg/engine/outside_calls.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "thalweg/core/finite.h"
#include "thalweg/engine/batch_function.h"

namespace thalweg::detail {
namespace {

/// What a thread keeps for calls.
struct CallBuffers {
  std::vector<double> points, values, slopes;
  std::vector<std::size_t> rows;  // of the points, if some are left out
};

/// Moves row i of an array to rows[i], which ascend; the other ones are NaN.
void spread(std::vector<double>& array, std::size_t width, const std::vector<std::size_t>& rows,
            std::size_t count) {
  array.resize(count * width);
  std::size_t left = rows.size();
  for (std::size_t row = count; row-- > 0;) {
    double* to = array.data() + row * width;
    if (left > 0 && rows[left - 1] == row)
      std::copy_n(array.data() + --left * width, width, to);
    else
      std::fill_n(to, width, std::numeric_limits<double>::quiet_NaN());
  }
}

template <typename T>
void gather(const Instruction& instruction, const Frame<T>& frame, double* points) {
  const std::int64_t features = instruction.extent.outer;
  const kernels::Strided<const T> a = frame.in(instruction.a);
  for (std::int64_t f = 0; f < features; ++f)
    for (std::int64_t lane = 0; lane < frame.valid; ++lane)
      points[lane * features + f] = static_cast<double>(a.data[f * a.outer + lane * a.inner]);
}

/// Writes every `stride`-th number to a row of the tile.
template <typename T>
void scatter(const double* from, std::int64_t stride, const Frame<T>& frame, T* row) {
  for (std::int64_t lane = 0; lane < frame.valid; ++lane)
    row[lane] = static_cast<T>(from[lane * stride]);
  // Lanes beyond the batch repeat its last sample.
  std::fill(row + frame.valid, row + frame.program->lanes, row[frame.valid - 1]);
}

/// Leaves out points that are not finite; their rows are then in `rows`.
void keep_finite(std::vector<double>& points, std::size_t features, std::size_t count,
                 std::vector<std::size_t>& rows) {
  for (std::size_t row = 0; row < count; ++row) {
    const double* point = points.data() + row * features;
    if (!all_finite({point, features})) continue;
    std::copy_n(point, features, points.data() + rows.size() * features);
    rows.push_back(row);
  }
}

}  // namespace

bool wants_batch(const operation::Call& call) {
  return dynamic_cast<const BatchFunction*>(call.function.get()) != nullptr;
}

template <typename T>
void call_outside(const Instruction& instruction, std::span<const Frame<T>> tiles) {
  thread_local CallBuffers kept;
  CallBuffers buffers = std::exchange(kept, {});  // The function may call programs of its own.
  auto& [points, values, slopes, rows] = buffers;
  const auto& call = std::get<operation::Call>(instruction.operation);
  const std::int64_t features = instruction.extent.outer;
  const auto width = static_cast<std::size_t>(features);
  std::size_t count = 0;
  for (const Frame<T>& tile : tiles) count += static_cast<std::size_t>(tile.valid);
  points.resize(count * width);
  double* to = points.data();
  for (const Frame<T>& tile : tiles) {
    gather(instruction, tile, to);
    to += tile.valid * features;
  }
  const bool whole = all_finite(points);
  rows.clear();
  if (!whole) keep_finite(points, width, count, rows);
  const std::size_t given = whole ? count : rows.size();
  const bool wants_slopes = call.slopes || !wants_batch(call);
  values.resize(given);
  slopes.resize(wants_slopes ? given * width : 0);
  if (given > 0)
    call.function->evaluate(points.data(), static_cast<std::int64_t>(given), features,
                            values.data(), wants_slopes ? slopes.data() : nullptr);
  if (!whole) {
    spread(values, 1, rows, count);
    if (call.slopes) spread(slopes, width, rows, count);
  }
  std::int64_t first = 0;
  for (const Frame<T>& tile : tiles) {
    const kernels::Strided<T> out = tile.out(instruction.out);
    scatter(values.data() + first, 1, tile, out.data);
    for (std::int64_t f = 0; call.slopes && f < features; ++f)
      scatter(slopes.data() + first * features + f, features, tile, out.data + (f + 1) * out.outer);
    first += tile.valid;
  }
  kept = std::move(buffers);
}

template void call_outside(const Instruction&, std::span<const Frame<float>>);
template void call_outside(const Instruction&, std::span<const Frame<double>>);

}  // namespace thalweg::detail

#include "thalweg/transforms/find_root.h"

#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

constexpr double kShrunk = 0x1p-10;  // of the interval, before Newton's steps

Value copies(Value a, std::int64_t count) {
  return concat(std::vector<Value>(static_cast<std::size_t>(count), a), Axis::kItems);
}

/// How many of the bins' inner ends, low + width k / bins, lie at the root or before it.
Value ends_reached(const MonotoneFunction& function, Value y, const std::vector<Value>& parameters,
                   Value low, Value width, std::int64_t bins) {
  const std::int64_t count = bins - 1, items = y.items();
  if (count == 1) return less_equal(function(low + 0.5 * width, parameters), y);
  std::vector<Value> places, given;
  for (std::int64_t k = 1; k < bins; ++k)
    places.push_back(low + (static_cast<double>(k) / static_cast<double>(bins)) * width);
  for (const Value& parameter : parameters)
    given.push_back(parameter.items() == 1 ? parameter : copies(parameter, count));
  const Value reached = less_equal(function(concat(places, Axis::kItems), given), copies(y, count));
  Value total = slice(reached, 0, items, Axis::kItems);
  for (std::int64_t k = 1; k < count; ++k)
    total = total + slice(reached, k * items, items, Axis::kItems);
  return total;
}

}  // namespace

Value find_root(const std::shared_ptr<const MonotoneFunction>& function, Value y,
                const std::vector<Value>& parameters, Value low, Value high,
                const RootSearch& search) {
  if (search.bins < 2 || search.newton_steps < 0)
    fail<ConfigError>("root: expected at least 2 bins and 0 Newton steps, got {} and {}",
                      search.bins, search.newton_steps);
  Graph& graph = *y.graph;
  const Value one = broadcast(graph.constant(1.0), y.shape());
  low = low * one;
  Value width = (high - low) * one;
  for (double shrunk = 1.0; shrunk > kShrunk; shrunk /= static_cast<double>(search.bins)) {
    width = width / static_cast<double>(search.bins);
    const Value before = ends_reached(*function, y, parameters, low,
                                      width * static_cast<double>(search.bins), search.bins);
    low = low + width * before;
  }
  high = low + width;
  Value x = low + 0.5 * width;
  Value off;
  for (std::int64_t step = 0; step < search.newton_steps; ++step) {
    const Value at = (*function)(x, parameters);
    const Value slope = jvp({at}, {x}, {one}).front();
    const Value before = less_equal(at, y);
    off = at - y;
    low = select(before, x, low);
    high = select(before, high, x);
    const Value next = x - (at - y) / slope;
    const Value kept = minimum(maximum(next, low), high);
    // A step to the end of the interval is good where the root is there, but not far beyond it.
    const Value good = less_equal(abs(next - kept), 0.5 * (high - low));
    x = select(good, kept, 0.5 * (low + high));
  }
  // Comparisons with what is no number would leave a place in the interval, as if it were found.
  if (off.valid()) x = select(equal(off, off), x, off);
  return root(function, x, y, parameters);
}

}  // namespace thalweg

#include "thalweg/training/history.h"

#include <algorithm>
#include <limits>

namespace thalweg {
namespace {

constexpr std::size_t kHistoryRows = 4096;  // merged to half when reached

void merge(HistoryRow& row, const HistoryRow& next) {
  const std::int64_t good = row.good_steps + next.good_steps;
  if (next.good_steps > 0) {
    const double share = static_cast<double>(next.good_steps) / static_cast<double>(good);
    row.loss = row.good_steps == 0 ? next.loss : row.loss + share * (next.loss - row.loss);
    row.gradient_norm = std::max(row.gradient_norm, next.gradient_norm);
  }
  row.step = next.step;
  row.learning_rate = next.learning_rate;
  row.bad_steps += next.bad_steps;
  row.non_finite += next.non_finite;
  row.good_steps = good;
}

}  // namespace

void History::add(std::int64_t step, bool good, double loss, double learning_rate,
                  double gradient_norm, std::int64_t non_finite) {
  HistoryRow row;
  row.step = step;
  row.loss = good ? loss : std::numeric_limits<double>::quiet_NaN();
  row.learning_rate = learning_rate;
  row.gradient_norm = good ? gradient_norm : 0.0;
  row.bad_steps = good ? 0 : 1;
  row.non_finite = non_finite;
  row.good_steps = good ? 1 : 0;
  if (open.good_steps + open.bad_steps == 0)
    open = row;
  else
    merge(open, row);
  if (open.good_steps + open.bad_steps < interval) return;
  rows.push_back(open);
  open = {};
  if (rows.size() < kHistoryRows) return;
  for (std::size_t pair = 0; pair < rows.size() / 2; ++pair) {
    rows[pair] = rows[2 * pair];
    merge(rows[pair], rows[2 * pair + 1]);
  }
  rows.resize(rows.size() / 2);
  interval *= 2;
}

}  // namespace thalweg

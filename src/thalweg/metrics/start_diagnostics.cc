// Whether chains still are where they began.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/metrics/chain_diagnostics.h"

namespace thalweg {
namespace {

constexpr std::int64_t kFewestChains = 10, kFewestDraws = 4;

/// Groups of rows with gaps between them: the shortest tree that joins all rows, without its
/// longest edges, as many as stand out most. Where none leaves two groups, the halves of the first
/// column.
class Groups {
 public:
  Groups(std::span<const double> rows, std::int64_t features)
      : width_(static_cast<std::size_t>(features)) {
    constexpr std::size_t kMostRows = 500;  // the tree takes their square in time
    constexpr std::size_t kMostGaps = 20;
    const std::size_t count = std::min(kMostRows, rows.size() / width_);
    rows_.assign(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(count * width_));
    find_scales();
    std::vector<Edge> edges = shortest_tree();
    std::ranges::sort(edges, {}, &Edge::length);
    split_in_halves();
    double clearest = 0.0;
    for (std::size_t gaps = 1; gaps <= std::min(kMostGaps, edges.size() - 1); ++gaps) {
      const std::size_t kept = edges.size() - gaps;
      const double clear = edges[kept].length / std::max(edges[kept - 1].length, 1e-300);
      if (!(clear > clearest)) continue;
      if (auto groups =
              joined({edges.begin(), edges.begin() + static_cast<std::ptrdiff_t>(kept)})) {
        clearest = clear;
        group_ = *std::move(groups);
      }
    }
  }

  std::size_t of(const double* row) const {
    std::size_t closest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t other = 0; other < group_.size(); ++other) {
      if (group_[other] == kNone) continue;
      const double length = distance(row, rows_.data() + other * width_);
      if (length < least) least = length, closest = other;
    }
    return group_[closest];
  }

 private:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  struct Edge {
    std::size_t from, to;
    double length;
  };

  /// That of a mode, however far apart modes are: the shortest interval that holds a tenth of the
  /// rows, which is a quarter of a deviation for a normal column.
  void find_scales() {
    const std::size_t count = rows_.size() / width_, tenth = std::max<std::size_t>(1, count / 10);
    for (std::size_t column = 0; column < width_; ++column) {
      std::vector<double> values;
      for (std::size_t i = column; i < rows_.size(); i += width_) values.push_back(rows_[i]);
      std::ranges::sort(values);
      double shortest = std::numeric_limits<double>::infinity();
      for (std::size_t i = 0; i + tenth < count; ++i)
        shortest = std::min(shortest, values[i + tenth] - values[i]);
      scale_.push_back(shortest > 0.0 ? 1.0 / shortest : 0.0);
    }
  }

  double distance(const double* a, const double* b) const {
    double square = 0.0;
    for (std::size_t i = 0; i < width_; ++i) square += std::pow((a[i] - b[i]) * scale_[i], 2);
    return std::sqrt(square);
  }

  /// Prim's.
  std::vector<Edge> shortest_tree() const {
    const std::size_t count = rows_.size() / width_;
    std::vector<Edge> nearest(count, {0, 0, std::numeric_limits<double>::infinity()});
    std::vector<bool> joined(count, false);
    std::vector<Edge> edges;
    std::size_t latest = 0;
    joined[0] = true;
    while (edges.size() + 1 < count) {
      std::size_t next = kNone;
      for (std::size_t row = 0; row < count; ++row) {
        if (joined[row]) continue;
        const double length = distance(rows_.data() + row * width_, rows_.data() + latest * width_);
        if (length < nearest[row].length) nearest[row] = {latest, row, length};
        if (next == kNone || nearest[row].length < nearest[next].length) next = row;
      }
      joined[next] = true;
      edges.push_back(nearest[next]);
      latest = next;
    }
    return edges;
  }

  /// The rows' groups by these edges; lone rows have none and go with whatever group is near. None
  /// where there are fewer than two groups of at least three rows and 1 %.
  std::optional<std::vector<std::size_t>> joined(std::span<const Edge> edges) const {
    const std::size_t count = rows_.size() / width_;
    std::vector<std::size_t> groups(count);
    std::iota(groups.begin(), groups.end(), std::size_t{0});
    for (const Edge& edge : edges)
      std::ranges::replace(groups, std::size_t{groups[edge.to]}, std::size_t{groups[edge.from]});
    std::vector<std::size_t> sizes(count, 0);
    for (const std::size_t group : groups) ++sizes[group];
    const std::size_t fewest = std::max<std::size_t>(3, count / 100);
    if (std::ranges::count_if(sizes, [&](std::size_t size) { return size >= fewest; }) < 2)
      return std::nullopt;
    for (std::size_t& group : groups)
      if (sizes[group] < fewest) group = kNone;
    return groups;
  }

  void split_in_halves() {
    std::vector<double> first;
    for (std::size_t i = 0; i < rows_.size(); i += width_) first.push_back(rows_[i]);
    const double middle = median(first);
    for (const double value : first) group_.push_back(value < middle ? 0 : 1);
  }

  std::size_t width_;
  std::vector<double> rows_, scale_;
  std::vector<std::size_t> group_;  // of each row
};

/// Of values, draws x chains.
double between_groups(const std::vector<double>& values, const std::vector<std::size_t>& groups,
                      std::size_t group_count) {
  const std::vector<double> scores = normal_scores(values);
  const std::size_t chains = groups.size();
  std::vector<double> count(group_count, 0.0), mean(group_count, 0.0), square(group_count, 0.0);
  for (std::size_t i = 0; i < scores.size(); ++i) count[groups[i % chains]] += 1.0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    mean[groups[i % chains]] += scores[i] / count[groups[i % chains]];
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::size_t group = groups[i % chains];
    square[group] += std::pow(scores[i] - mean[group], 2) / count[group];
  }
  const double draws = static_cast<double>(scores.size() / chains);
  double used = 0.0, sum = 0.0, within = 0.0, between = 0.0;
  for (std::size_t group = 0; group < group_count; ++group)
    if (count[group] > 1.5 * draws) used += 1.0, sum += mean[group], within += square[group];
  if (used < 1.5) return 1.0;
  // Means of few draws differ by chance: by more than three times the variance that independent
  // ones have in about one of 12 columns.
  constexpr double kChance = 3.0;
  for (std::size_t group = 0; group < group_count; ++group)
    if (count[group] > 1.5 * draws)
      between += std::pow(mean[group] - sum / used, 2) / (used - 1.0) -
                 kChance * square[group] / (count[group] * used);
  return std::sqrt(1.0 + std::max(between, 0.0) / (within / used));
}

}  // namespace

std::optional<StartDiagnostics> start_diagnostics(
    std::span<const double> draws, std::int64_t chains, std::int64_t features,
    const std::function<std::size_t(const double* row)>& group_of) {
  const std::int64_t size = chains * features;
  if (chains < 1 || features < 1 || std::ssize(draws) % size != 0)
    fail<ShapeError>("start_diagnostics: expected draws of {} chains x {} features, got {} values",
                     chains, features, draws.size());
  if (chains < kFewestChains || std::ssize(draws) / size < kFewestDraws) return std::nullopt;
  const std::span<const double> starts = draws.first(static_cast<std::size_t>(size));
  std::function<std::size_t(const double*)> group = group_of;
  std::optional<Groups> found;
  if (!group) {
    found.emplace(starts, features);
    group = [&](const double* row) { return found->of(row); };
  }
  std::vector<std::size_t> groups;
  for (std::int64_t chain = 0; chain < chains; ++chain)
    groups.push_back(group(starts.data() + chain * features));
  std::vector<std::size_t> distinct = groups;
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  if (distinct.size() < 2) return std::nullopt;

  StartDiagnostics result;
  result.groups = std::ssize(distinct);
  // The first draw chose the group: it does not count.
  const std::span<const double> later = draws.subspan(static_cast<std::size_t>(size));
  std::vector<bool> left(static_cast<std::size_t>(chains), false);
  constexpr std::int64_t kMostDraws = 200;  // of each chain that are looked at, evenly
  const std::int64_t later_draws = std::ssize(later) / size;
  const std::int64_t every = (later_draws + kMostDraws - 1) / kMostDraws;
  for (std::int64_t draw = later_draws - 1; draw >= 0; draw -= every)
    for (std::int64_t chain = 0; chain < chains; ++chain)
      if (const auto number = static_cast<std::size_t>(chain); !left[number])
        left[number] = group(later.data() + draw * size + chain * features) != groups[number];
  result.left = static_cast<double>(std::ranges::count(left, true)) / static_cast<double>(chains);
  for (std::int64_t feature = 0; feature < features; ++feature) {
    std::vector<double> values;
    for (std::int64_t i = feature; i < std::ssize(later); i += features)
      values.push_back(later[static_cast<std::size_t>(i)]);
    const double r_hat = between_groups(values, groups, distinct.back() + 1);
    if (!(r_hat <= result.r_hat)) result.r_hat = r_hat;
  }
  return result;
}

}  // namespace thalweg

#include "thalweg/transforms/column_heads.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/transforms/nested_ridge.h"
#include "thalweg/transforms/permutation.h"

namespace thalweg {
namespace {

constexpr Axis kCells = Axis::kFeatures;
constexpr double kSmallestTail = 1e-30;       // in the range of float, and so is the slope there
constexpr double kSmallestDeviation = 1e-3;   // of a column given those before
constexpr std::size_t kMostRegressors = 512;  // and as many as rows

/// -log of the standard normal density.
Value normal_energy(Value z) { return 0.5 * square(z) + 0.5 * std::log(2.0 * std::numbers::pi); }

/// Indices of at most `limit` of the numbers that a network sees: where they are too many,
/// the first of each owner and others at even distances.
std::vector<std::size_t> chosen_regressors(const std::vector<std::int32_t>& owners,
                                           std::size_t limit) {
  const auto choose = [&](std::size_t most) {
    std::vector<std::size_t> chosen;
    for (std::size_t start = 0; start < owners.size();) {
      std::size_t end = start;
      while (end < owners.size() && owners[end] == owners[start]) ++end;
      const std::size_t stride = (end - start + most - 1) / most;
      for (std::size_t i = start; i < end; i += stride) chosen.push_back(i);
      start = end;
    }
    return chosen;
  };
  std::size_t most = std::max<std::size_t>(1, owners.size());
  std::vector<std::size_t> chosen = choose(most);
  while (chosen.size() > limit && most > 1) chosen = choose(most = (most + 1) / 2);
  return chosen;
}

}  // namespace

ColumnHeads::ColumnHeads(ParameterStore& parameters, const std::string& name,
                         RandomSequence& random, std::vector<ColumnHead> heads,
                         const ColumnHeadsOptions& options)
    : Transform(name, static_cast<std::int64_t>(heads.size()), options.context_features),
      heads_(std::move(heads)),
      inputs_(heads_),
      spline_(options.spline) {
  check_column_heads(name, heads_);
  check_spline_options(name, spline_);
  if (spline_.circular)
    fail<ConfigError>("{}: the splines of columns on the line cannot be circular", name);
  std::map<std::int64_t, std::vector<std::int32_t>> by_cells;
  for (std::size_t i = 0; i < heads_.size(); ++i)
    by_cells[heads_[i].has_cells() ? heads_[i].cells() : 0].push_back(static_cast<std::int32_t>(i));
  MaskedLayout layout{.features = features(),
                      .input_owners = inputs_.owners(),
                      .output_owners = {},
                      .linear_path = true};
  std::vector<std::int32_t> order;
  for (const auto& [cells, columns] : by_cells) {
    const std::int64_t each = cells > 0 ? cells : 2 + spline_parameters(spline_);
    for (std::int64_t k = 0; k < each; ++k)
      layout.output_owners.insert(layout.output_owners.end(), columns.begin(), columns.end());
    order.insert(order.end(), columns.begin(), columns.end());
    groups_.push_back(columns);
  }
  back_ = inverse_order(name, order);
  MlpOptions network = options.network;
  network.context_features = options.context_features;
  network_ = std::make_unique<MaskedMlp>(parameters, name + ".network", random, std::move(layout),
                                         network);
}

bool ColumnHeads::wants_data() const {
  return std::ranges::any_of(heads_, [](const ColumnHead& head) { return !head.has_cells(); });
}

/// `raw` is parameters x columns, `from` columns x 1.
Mapped ColumnHeads::move_on_line(Value raw, Value from, bool to_data) const {
  const Value shift = transpose(slice(raw, 0, 1));
  const Value log_scale = transpose(slice(raw, 1, 1));
  const Splines splines = make_splines(slice(raw, 2, spline_parameters(spline_)), spline_);
  if (to_data) {
    const Mapped moved = invert_splines(splines, from);
    return {moved.value * exp(log_scale) + shift, moved.log_det + sum(log_scale)};
  }
  const Mapped moved = apply_splines(splines, (from - shift) * exp(-log_scale));
  return {moved.value, moved.log_det - sum(log_scale)};
}

/// `raw` is cells x columns, `from` columns x 1; `columns` have the same number of cells.
Mapped ColumnHeads::move_in_cells(Value raw, Value from, const std::vector<std::int32_t>& columns,
                                  bool to_data) const {
  Graph& graph = *raw.graph;
  const std::int64_t cells = raw.features();
  std::vector<double> lefts, rights, log_widths;
  for (std::size_t k = 0; k < static_cast<std::size_t>(cells); ++k)
    for (const std::int32_t column : columns) {
      const std::vector<double>& borders = heads_[static_cast<std::size_t>(column)].borders;
      lefts.push_back(borders[k]);
      rights.push_back(borders[k + 1]);
      log_widths.push_back(std::log(borders[k + 1] - borders[k]));
    }
  const Value left = graph.constant(raw.shape(), std::move(lefts));
  const Value right = graph.constant(raw.shape(), std::move(rights));
  const Value log_width = graph.constant(raw.shape(), std::move(log_widths));

  const Value log_mass = log_softmax(raw + log_width, kCells);
  const Value mass = exp(log_mass);
  const Value below = cumulative_sum(mass, false, true);
  const Value above = cumulative_sum(mass, true, true);
  const Value log_density = log_mass - log_width;
  // 1 in the last cell that is reached.
  const auto last = [&](Value reached) {
    return cells > 1 ? reached - pad(slice(reached, 1, cells - 1), 0, cells) : reached;
  };
  const auto pick = [](Value here, Value values) { return sum(here * values, kCells); };
  const Value zero = graph.constant(0.0);
  const Value tiny = graph.constant(kSmallestTail);

  if (!to_data) {
    const Value x = transpose(from);
    const Value w = clamp(x, -1.0, 1.0);
    const Value here = last(less_equal(left, w));
    const Value start = pick(here, left);
    const Value end = pick(here, right);
    const Value density = pick(here, mass) / (end - start);
    const Value lower_tail = pick(here, below) + density * (w - start);
    const Value upper_tail = pick(here, above) + density * (end - w);
    const Value is_lower = less(lower_tail, upper_tail);
    const Value distance = normal_quantile(maximum(select(is_lower, lower_tail, upper_tail), tiny));
    const Value z = select(is_lower, distance, -distance);
    const Value outside = less(graph.constant(1.0), abs(x));
    const Value nothing = graph.constant(-std::numeric_limits<double>::infinity());
    return {transpose(z),
            sum(select(outside, nothing, pick(here, log_density) + normal_energy(z)))};
  }
  const Value z = transpose(from);
  const Value is_lower = less(z, zero);
  const Value tail = maximum(normal_cdf(-abs(z)), tiny);
  const Value here =
      last(select(is_lower, less_equal(below, tail), less_equal(tail, above + mass)));
  const Value start = pick(here, left);
  const Value end = pick(here, right);
  const Value beyond = select(is_lower, pick(here, below), pick(here, above));
  const Value part = (end - start) * clamp((tail - beyond) / pick(here, mass), 0.0, 1.0);
  const Value w = select(is_lower, start + part, end - part);
  return {transpose(clamp(w, -1.0, 1.0)), -sum(pick(here, log_density) + normal_energy(z))};
}

Mapped ColumnHeads::build_inverse(Value x, Value context) const {
  const Value raw = (*network_)(inputs_.build(x), context);
  std::vector<Value> moved;
  Value log_det = x.graph->constant(0.0);
  std::int64_t start = 0;
  for (const auto& columns : groups_) {
    const ColumnHead& head = heads_[static_cast<std::size_t>(columns.front())];
    const std::int64_t each = head.has_cells() ? head.cells() : 2 + spline_parameters(spline_);
    const auto count = static_cast<std::int64_t>(columns.size());
    const Value own = reshape(slice(raw, start, each * count), {each, count});
    const Value from = take(x, columns);
    const Mapped mapped = head.has_cells() ? move_in_cells(own, from, columns, false)
                                           : move_on_line(own, from, false);
    moved.push_back(mapped.value);
    log_det = log_det + mapped.log_det;
    start += each * count;
  }
  return {take(concat(moved), back_), log_det};
}

Mapped ColumnHeads::build_forward(Value z, Value context) const {
  Graph& graph = *z.graph;
  std::vector<Value> found, seen;
  Value log_det = graph.constant(0.0);
  for (std::int64_t i = 0; i < features(); ++i) {
    const auto column = static_cast<std::size_t>(i);
    const Value raw =
        network_->outputs_of(graph, i, seen.empty() ? Value{} : concat(seen), context, z.domain());
    const Value from = slice(z, i, 1);
    const Mapped mapped = heads_[column].has_cells()
                              ? move_in_cells(raw, from, {static_cast<std::int32_t>(i)}, true)
                              : move_on_line(raw, from, true);
    found.push_back(mapped.value);
    seen.push_back(inputs_.build(mapped.value, column));
    log_det = log_det + mapped.log_det;
  }
  return {concat(found), log_det};
}

void ColumnHeads::initialise(ParameterStore& parameters, std::span<const double> x,
                             std::span<const double> context) const {
  if (!wants_data()) return;
  const auto width = static_cast<std::size_t>(features());
  const auto given = static_cast<std::size_t>(context_features());
  const std::size_t rows = x.size() / width;
  if (rows == 0 || x.size() % width != 0 || context.size() != rows * given)
    fail<DataError>("{}: expected rows of {} values and {} of context to start from, got {} and {}",
                    name(), width, given, x.size(), context.size());
  Graph graph(parameters);
  const Value seen = inputs_.build(graph.input({features(), 1}));
  ThreadPool pool(1);
  RowMap map(graph, {seen}, pool);
  const std::vector<double> inputs = map({.rows = static_cast<std::int64_t>(rows), .inputs = {x}});

  // The context, then what is seen of the columns.
  std::vector<std::int32_t> owners(given, -1);
  const std::vector<std::int32_t> input_owners = inputs_.owners();
  const std::size_t numbers = input_owners.size();
  const std::vector<std::size_t> chosen =
      chosen_regressors(input_owners, std::min(rows, kMostRegressors));
  std::vector<std::size_t> places(given);
  for (std::size_t i = 0; i < given; ++i) places[i] = i;
  for (const std::size_t i : chosen) {
    places.push_back(given + i);
    owners.push_back(input_owners[i]);
  }
  std::vector<double> design;
  design.reserve(rows * places.size());
  for (std::size_t row = 0; row < rows; ++row)
    for (const std::size_t place : places)
      design.push_back(place < given ? context[row * given + place]
                                     : inputs[row * numbers + place - given]);

  const std::vector<std::int32_t>& columns = groups_.front();  // those on the line
  std::vector<RidgeTarget> targets;
  for (const std::int32_t column : columns) {
    RidgeTarget target;
    target.regressors =
        static_cast<std::size_t>(std::ranges::lower_bound(owners, column) - owners.begin());
    for (std::size_t row = 0; row < rows; ++row)
      target.values.push_back(x[row * width + static_cast<std::size_t>(column)]);
    targets.push_back(std::move(target));
  }
  const std::vector<RidgeFit> fits = fit_nested_ridge(name(), design, rows, targets);
  const std::span<double> weights = parameters.values(*network_->linear_weights());
  const std::span<double> bias = parameters.values(network_->output_bias());
  for (std::size_t c = 0; c < fits.size(); ++c) {
    const std::span<double> own = weights.subspan(c * (given + numbers), given + numbers);
    std::ranges::fill(own, 0.0);
    for (std::size_t i = 0; i < fits[c].slopes.size(); ++i) own[places[i]] = fits[c].slopes[i];
    bias[c] = fits[c].intercept;
    bias[fits.size() + c] = std::log(std::max(fits[c].deviation, kSmallestDeviation));
  }
}

}  // namespace thalweg

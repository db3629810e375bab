#include "thalweg/transforms/marginal_map.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "thalweg/core/error.h"
#include "thalweg/transforms/permutation.h"
#include "thalweg/transforms/rational_quadratic_spline.h"

namespace thalweg {

namespace {

void check_knots(const std::string& name, const MarginalKnots& column) {
  const auto ascends = [](const std::vector<double>& values) {
    return std::ranges::all_of(values, [](double value) { return std::isfinite(value); }) &&
           std::ranges::adjacent_find(values, std::greater_equal<>()) == values.end();
  };
  const std::size_t least = column.smooth ? 3 : 2;
  if (column.x.size() != column.z.size() || (!column.x.empty() && column.x.size() < least) ||
      !ascends(column.x) || !ascends(column.z))
    fail<ConfigError>(
        "{}: expected no knots, or at least {} with as many scores, finite and ascending, got {} "
        "and {}",
        name, least, column.x.size(), column.z.size());
}

/// Halves the widest straight piece until there are `pieces`: the map stays as it is.
void split(MarginalKnots& column, std::size_t pieces) {
  while (column.x.size() <= pieces) {
    std::size_t widest = 0;
    for (std::size_t i = 1; i + 1 < column.x.size(); ++i)
      if (column.x[i + 1] - column.x[i] > column.x[widest + 1] - column.x[widest]) widest = i;
    const auto middle = [&](std::vector<double>& values) {
      values.insert(values.begin() + static_cast<std::ptrdiff_t>(widest) + 1,
                    0.5 * (values[widest] + values[widest + 1]));
    };
    middle(column.x);
    middle(column.z);
  }
}

}  // namespace

MarginalMap::MarginalMap(const std::string& name, const std::vector<MarginalKnots>& columns)
    : Transform(name, static_cast<std::int64_t>(columns.size())) {
  std::size_t most_straight = 0;
  for (const MarginalKnots& column : columns) {
    check_knots(name, column);
    if (!column.smooth && !column.x.empty())
      most_straight = std::max(most_straight, column.x.size() - 1);
  }
  std::map<std::pair<bool, std::size_t>, std::vector<std::int32_t>> alike;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const MarginalKnots& column = columns[i];
    const std::size_t pieces = column.x.empty() ? 0
                               : column.smooth  ? column.x.size() - 1
                                                : most_straight;
    alike[{pieces > 0 && !column.smooth, pieces}].push_back(static_cast<std::int32_t>(i));
  }
  for (const auto& [kind, members] : alike) {
    const auto count = members.size();
    const std::size_t pieces = kind.second;
    if (pieces == 0) plain_ = static_cast<std::int64_t>(count);
    Group group;
    group.start = static_cast<std::int64_t>(order_.size());
    group.pieces = static_cast<std::int64_t>(pieces);
    group.count = static_cast<std::int64_t>(count);
    order_.insert(order_.end(), members.begin(), members.end());
    if (pieces == 0) continue;
    for (auto* values : {&group.widths, &group.heights, &group.left_slopes, &group.right_slopes})
      values->resize(pieces * count);
    for (std::size_t member = 0; member < count; ++member) {
      MarginalKnots column = columns[static_cast<std::size_t>(members[member])];
      if (!column.smooth) split(column, pieces);
      const auto half = [](const std::vector<double>& values) {
        return 0.5 * (values.back() - values.front());
      };
      const double x_half = half(column.x), z_half = half(column.z);
      group.x_half.push_back(x_half);
      group.z_half.push_back(z_half);
      group.x_middle.push_back(column.x.front() + x_half);
      group.z_middle.push_back(column.z.front() + z_half);
      group.log_scale += std::log(z_half / x_half);
      std::vector<double> widths, steepness;
      for (std::size_t i = 0; i < pieces; ++i) {
        widths.push_back((column.x[i + 1] - column.x[i]) / x_half);
        const double height = (column.z[i + 1] - column.z[i]) / z_half;
        steepness.push_back(height / widths[i]);
        group.widths[i * count + member] = widths[i];
        group.heights[i * count + member] = height;
      }
      // The slope at the knot before piece i.
      const auto slope = [&](std::size_t i, std::size_t piece) {
        if (!column.smooth || i == 0 || i == pieces) return steepness[piece];
        return (widths[i - 1] + widths[i]) /
               (widths[i - 1] / steepness[i - 1] + widths[i] / steepness[i]);
      };
      for (std::size_t i = 0; i < pieces; ++i) {
        group.left_slopes[i * count + member] = slope(i, i);
        group.right_slopes[i * count + member] = slope(i + 1, i);
      }
    }
    groups_.push_back(std::move(group));
  }
  back_ = inverse_order(name, order_);
}

Mapped MarginalMap::apply(Value from, bool to_data) const {
  Graph& graph = *from.graph;
  const Value sorted = take(from, order_);
  std::vector<Value> parts;
  Value log_det = graph.constant(0.0);
  if (plain_ > 0) parts.push_back(slice(sorted, 0, plain_));
  for (const Group& group : groups_) {
    const auto column = [&](const std::vector<double>& values) {
      return graph.constant({group.count, 1}, values);
    };
    const auto matrix = [&](const std::vector<double>& values) {
      return graph.constant({group.pieces, group.count}, values);
    };
    const Splines splines{matrix(group.widths),
                          matrix(group.heights),
                          matrix(group.left_slopes),
                          matrix(group.right_slopes),
                          1.0,
                          {}};
    const Value own = slice(sorted, group.start, group.count);
    if (to_data) {
      const Mapped mapped =
          invert_splines(splines, (own - column(group.z_middle)) / column(group.z_half));
      parts.push_back(mapped.value * column(group.x_half) + column(group.x_middle));
      log_det = log_det + mapped.log_det - group.log_scale;
    } else {
      const Mapped mapped =
          apply_splines(splines, (own - column(group.x_middle)) / column(group.x_half));
      parts.push_back(mapped.value * column(group.z_half) + column(group.z_middle));
      log_det = log_det + mapped.log_det + group.log_scale;
    }
  }
  return {take(concat(parts), back_), log_det};
}

Mapped MarginalMap::build_forward(Value z, Value) const { return apply(z, true); }
Mapped MarginalMap::build_inverse(Value x, Value) const { return apply(x, false); }

}  // namespace thalweg

#include "thalweg/exploration/modes.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <numeric>

namespace thalweg {
namespace {

constexpr double kBarrier = 3.0;
constexpr std::int64_t kPointsBetween = 11;

struct Moments {
  double mean = 0.0, deviation = 0.0;
};

Moments linear_moments(const Eigen::VectorXd& values, const Eigen::VectorXd& weights) {
  const double mean = weights.dot(values);
  const double variance = weights.dot((values.array() - mean).square().matrix());
  return {mean, std::sqrt(std::max(0.0, variance))};
}

/// Mean direction and circular deviation (Mardia and Jupp 2000, eq. 2.3.14).
Moments circular_moments(const Eigen::VectorXd& values, const Eigen::VectorXd& weights,
                         const ColumnOptions& column) {
  const double scale = 2.0 * std::numbers::pi / (column.upper - column.lower);
  std::complex<double> sum;
  for (std::int64_t i = 0; i < values.size(); ++i)
    sum += std::polar(weights[i], (values[i] - column.lower) * scale);
  double angle = std::arg(sum);
  if (angle < 0.0) angle += 2.0 * std::numbers::pi;
  const double length = std::clamp(std::abs(sum), 1e-300, 1.0);
  return {column.lower + angle / scale, std::sqrt(-2.0 * std::log(length)) / scale};
}

/// The error of a sum about 0, of terms or of the islands they are in: that of a self-normalised
/// mean of 0 and 1 (Owen 2013, eq. 9.8) if terms are its weighted distances from the mean.
double error_of_sum(const Eigen::VectorXd& terms, const std::vector<std::int64_t>& islands) {
  if (islands.size() < 2) return terms.norm();
  double squares = 0.0;
  std::int64_t begin = 0;
  for (const std::int64_t size : islands) {
    squares += std::pow(terms.segment(begin, size).sum(), 2);
    begin += size;
  }
  const auto count = static_cast<double>(islands.size());
  return std::sqrt(squares * count / (count - 1.0));
}

}  // namespace

std::vector<std::int64_t> modes_of_components(UnboundedEnergy& energy, const Mixture& mixture) {
  const std::int64_t count = mixture.components(), features = mixture.features();
  std::vector<std::int64_t> parent(static_cast<std::size_t>(count));
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](std::int64_t k) {
    while (parent[static_cast<std::size_t>(k)] != k) k = parent[static_cast<std::size_t>(k)];
    return k;
  };
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t j = 0; j < i; ++j) {
      if (root(i) == root(j)) continue;
      Eigen::VectorXd way = mixture.means().col(j) - mixture.means().col(i);
      for (std::int64_t f = 0; f < features; ++f)
        if (energy.circular()[static_cast<std::size_t>(f)])
          way[f] = std::remainder(way[f], 2.0 * std::numbers::pi);
      Points between(features, kPointsBetween);
      for (std::int64_t t = 0; t < kPointsBetween; ++t)
        between.col(t) = mixture.means().col(i) +
                         way * (static_cast<double>(t) / static_cast<double>(kPointsBetween - 1));
      const Eigen::VectorXd u = energy.unlifted(between).energy;
      const double barrier = u.maxCoeff() - std::max(u[0], u[kPointsBetween - 1]);
      if (barrier < kBarrier) parent[static_cast<std::size_t>(root(i))] = root(j);
    }
  std::vector<std::int64_t> mode(parent.size()), number(parent.size(), -1);
  std::int64_t modes = 0;
  for (std::int64_t k = 0; k < count; ++k) {
    std::int64_t& found = number[static_cast<std::size_t>(root(k))];
    if (found < 0) found = modes++;
    mode[static_cast<std::size_t>(k)] = found;
  }
  return mode;
}

std::vector<std::int64_t> modes_of_points(const Mixture& mixture,
                                          const std::vector<std::int64_t>& mode_of_component,
                                          const Points& y) {
  std::vector<std::int64_t> result = mixture.most_likely(y);
  for (std::int64_t& value : result) value = mode_of_component[static_cast<std::size_t>(value)];
  return result;
}

std::vector<ExploredMode> describe_modes(const Mixture& mixture,
                                         const std::vector<std::int64_t>& mode_of_component,
                                         const Points& y, const Points& x,
                                         const Eigen::VectorXd& weights,
                                         std::span<const ColumnOptions> columns,
                                         const std::vector<std::int64_t>& islands) {
  const std::vector<std::int64_t> owner = modes_of_points(mixture, mode_of_component, y);
  const std::int64_t count = *std::max_element(mode_of_component.begin(), mode_of_component.end());
  const double total = weights.sum();
  std::vector<ExploredMode> modes;
  for (std::int64_t mode = 0; mode <= count; ++mode) {
    std::vector<std::int64_t> members;
    for (std::size_t i = 0; i < owner.size(); ++i)
      if (owner[i] == mode && weights[static_cast<std::int64_t>(i)] > 0.0)
        members.push_back(static_cast<std::int64_t>(i));
    if (members.empty()) continue;
    const Eigen::VectorXd part = weights(members);
    ExploredMode result;
    result.mass = part.sum() / total;
    Eigen::VectorXd off = -result.mass * weights;
    off(members) += part;
    result.mass_error = error_of_sum(off, islands) / total;
    const Points own = x(Eigen::all, members);
    for (std::int64_t f = 0; f < x.rows(); ++f) {
      const Eigen::VectorXd values = own.row(f).transpose();
      const bool periodic = !columns.empty() && columns[static_cast<std::size_t>(f)].periodic;
      const Moments moments = periodic ? circular_moments(values, part / part.sum(),
                                                          columns[static_cast<std::size_t>(f)])
                                       : linear_moments(values, part / part.sum());
      result.mean.push_back(moments.mean);
      result.deviation.push_back(moments.deviation);
    }
    modes.push_back(std::move(result));
  }
  std::stable_sort(modes.begin(), modes.end(),
                   [](const ExploredMode& a, const ExploredMode& b) { return a.mass > b.mass; });
  return modes;
}

}  // namespace thalweg

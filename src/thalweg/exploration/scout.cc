#include "thalweg/exploration/scout.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/exploration/gradient_check.h"
#include "thalweg/exploration/mixture.h"

namespace thalweg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kDescents = 64;
constexpr int kSteps = 120;

/// Half-width of each column at `point`: how far the energy stays below its value there plus 8.
Eigen::VectorXd half_widths(UnboundedEnergy& energy, const Eigen::VectorXd& point, double least) {
  constexpr double kRise = 8.0, kWidest = 1e8;
  const std::int64_t features = point.size();
  Eigen::VectorXd width = point.cwiseAbs().cwiseMax(1e-3) * 1e-6;
  Eigen::VectorXd low = Eigen::VectorXd::Zero(features);
  Eigen::VectorXd high = Eigen::VectorXd::Constant(features, kInfinity);
  for (int step = 0; step < 26; ++step) {
    Points around(features, 2 * features);
    around.colwise() = point;
    for (std::int64_t i = 0; i < features; ++i) {
      around(i, i) += width[i];
      around(i, features + i) -= width[i];
    }
    const Eigen::VectorXd u = energy(around).energy;
    bool found = true;
    for (std::int64_t i = 0; i < features; ++i) {
      const double rise = std::min(u[i], u[features + i]) - least;
      (rise < kRise ? low : high)[i] = width[i];
      width[i] = std::isinf(high[i]) ? width[i] * 8.0
                                     : std::sqrt(std::max(low[i], high[i] / 8.0) * high[i]);
      width[i] = std::min(width[i], kWidest);
      found = found && (high[i] < 1.5 * std::max(low[i], 1e-300) || low[i] >= kWidest);
    }
    if (found) break;
  }
  return width;
}

Points starts(std::int64_t features, RandomSequence& random) {
  Points y = normal_points(features, kDescents, random);
  for (std::int64_t i = 0; i < kDescents; ++i) {
    // A quarter is nearer, as most energies are.
    const double most = i < kDescents / 4 ? 1.5 : 5.0;
    y.col(i) *= std::pow(10.0, -1.0 + (most + 1.0) * random.uniform());
  }
  y.col(0).setZero();
  return y;
}

}  // namespace

Scouted scout(UnboundedEnergy& energy, RandomSequence& random) {
  const std::int64_t features = energy.features();
  Points y = starts(features, random);
  Points step = y.cwiseAbs().cwiseMax(0.1) * 0.5;
  EnergyBatch now = energy(y);
  for (int pull = 0; pull < 40 && !now.energy.allFinite(); ++pull) {
    for (std::int64_t i = 0; i < kDescents; ++i)
      if (!std::isfinite(now.energy[i])) {
        y.col(i) *= 0.5;
        step.col(i) *= 0.5;
      }
    now = energy(y);
  }
  Eigen::VectorXd best = now.energy;
  Points best_y = y;
  for (int t = 0; t < kSteps; ++t) {
    const Points next = y - step.cwiseProduct(now.gradient.cwiseSign());
    const EnergyBatch batch = energy(next);
    for (std::int64_t i = 0; i < kDescents; ++i) {
      if (!std::isfinite(batch.energy[i])) {
        step.col(i) *= 0.3;
        continue;
      }
      for (std::int64_t f = 0; f < features; ++f) {
        const double turn = batch.gradient(f, i) * now.gradient(f, i);
        step(f, i) *= turn > 0.0 ? 1.25 : turn < 0.0 ? 0.5 : 1.0;
      }
      y.col(i) = next.col(i);
      now.energy[i] = batch.energy[i];
      now.gradient.col(i) = batch.gradient.col(i);
      if (batch.energy[i] < best[i]) {
        best[i] = batch.energy[i];
        best_y.col(i) = y.col(i);
      }
    }
  }
  std::vector<std::int64_t> order;
  for (std::int64_t i = 0; i < kDescents; ++i)
    if (std::isfinite(best[i])) order.push_back(i);
  if (order.empty())
    fail<NumericalError>(
        "the energy is not finite at any of {} points from 0 outwards to 1e5: check it at a point "
        "of your own, give --bounds, or choose units in which the density lies nearer",
        energy.evaluations());
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return best[a] < best[b] || (best[a] == best[b] && a < b);
  });
  Scouted result{best_y(Eigen::all, order), best(order), {}, {}};
  const double limit = result.energies[0] + std::max(50.0, 10.0 * static_cast<double>(features));
  const auto low = std::count_if(result.energies.begin(), result.energies.end(),
                                 [&](double u) { return u < limit; });
  const auto region = result.minima.leftCols(std::max<std::int64_t>(low, 1));
  const Eigen::VectorXd least = region.rowwise().minCoeff(), most = region.rowwise().maxCoeff();
  result.centre = 0.5 * (least + most);
  const Eigen::VectorXd widths = half_widths(energy, result.minima.col(0), result.energies[0]);
  result.width = Eigen::VectorXd::Constant(features, 10.0)
                     .cwiseMax(result.centre.cwiseAbs())
                     .cwiseMax(0.75 * (most - least))
                     .cwiseMax(2.0 * widths.cwiseMin(1e4))
                     .cwiseMin(1e7);
  return result;
}

void check_slopes(const std::shared_ptr<const Target>& target, UnboundedEnergy& energy,
                  const Points& particles, std::span<const ColumnOptions> columns,
                  ThreadPool& pool) {
  constexpr std::int64_t kPoints = 24;
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < kPoints; ++i) rows.push_back(i * particles.cols() / kPoints);
  const Points all = energy.to_data(particles), x = all(Eigen::all, rows);
  const Eigen::VectorXd scale = (all.colwise() - all.rowwise().mean()).rowwise().norm() /
                                std::sqrt(static_cast<double>(all.cols()));
  const auto numbers = [](const auto& values) {
    return std::span<const double>(values.data(), static_cast<std::size_t>(values.size()));
  };
  if (scale.minCoeff() > 0.0) check_gradients(target, numbers(x), numbers(scale), columns, pool);
}

std::optional<LaplaceFit> laplace_fit(UnboundedEnergy& energy, Eigen::VectorXd start,
                                      const Eigen::VectorXd& deviation) {
  const std::int64_t features = start.size();
  Eigen::VectorXd difference = 1e-2 * deviation;
  for (int iteration = 0; iteration < 8; ++iteration) {
    const EnergyBatch here = energy(start);
    Points around(features, 2 * features);
    around.colwise() = start;
    around.leftCols(features).diagonal() += difference;
    around.rightCols(features).diagonal() -= difference;
    const Points slopes = energy(around).gradient;
    Eigen::MatrixXd hessian = (slopes.leftCols(features) - slopes.rightCols(features)) *
                              (2.0 * difference).cwiseInverse().asDiagonal();
    hessian = Eigen::MatrixXd(0.5 * (hessian + hessian.transpose()));
    if (!hessian.allFinite()) return std::nullopt;
    const Eigen::VectorXd diagonal =
        hessian.diagonal().cwiseAbs() + 1e-12 * deviation.array().square().inverse().matrix();
    const Eigen::VectorXd scale = diagonal.array().sqrt().inverse();
    difference = 0.1 * scale;
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> axes(scale.asDiagonal() * hessian *
                                                              scale.asDiagonal());
    const bool positive = axes.eigenvalues()[0] > 1e-6;
    const Eigen::VectorXd values = axes.eigenvalues().cwiseAbs().cwiseMax(1e-6);
    const Eigen::VectorXd slope =
        axes.eigenvectors().transpose() * (scale.asDiagonal() * here.gradient.col(0));
    if (0.5 * (slope.array().square() / values.array()).sum() < 0.01) {
      if (!positive) return std::nullopt;
      LaplaceFit fit;
      fit.covariance = scale.asDiagonal() * axes.eigenvectors() *
                       values.cwiseInverse().asDiagonal() * axes.eigenvectors().transpose() *
                       scale.asDiagonal();
      fit.log_integral = -here.energy[0] +
                         0.5 * static_cast<double>(features) * std::log(2.0 * std::numbers::pi) -
                         0.5 * (values.array().log().sum() + diagonal.array().log().sum());
      fit.minimum = std::move(start);
      return fit;
    }
    const Eigen::VectorXd way =
        scale.asDiagonal() * (axes.eigenvectors() * (slope.array() / values.array()).matrix());
    double length = 1.0;
    while (length > 1e-3 && !(energy(start - length * way).energy[0] < here.energy[0]))
      length *= 0.3;
    if (length <= 1e-3) return std::nullopt;
    start -= length * way;
  }
  return std::nullopt;
}

}  // namespace thalweg

#include "thalweg/exploration/unbounded_energy.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/column_transforms.h"
#include "thalweg/io/table.h"
#include "thalweg/stochastic/energy.h"

namespace thalweg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kPi = std::numbers::pi;

std::span<const double> rows_of(const Points& y, std::int64_t first, std::int64_t count) {
  return {y.data() + first * y.rows(), static_cast<std::size_t>(count * y.rows())};
}

}  // namespace

std::vector<std::string> names_of(const Target& target) {
  return target.columns().empty() ? default_names(target.features()) : target.columns();
}

UnboundedEnergy::UnboundedEnergy(std::shared_ptr<const Target> target,
                                 std::span<const ColumnOptions> columns, ThreadPool& pool)
    : features_(target->features()), circular_(static_cast<std::size_t>(features_), false) {
  std::vector<std::shared_ptr<const Transform>> transforms;
  if (!columns.empty()) {
    if (static_cast<std::int64_t>(columns.size()) != features_)
      fail<ShapeError>("exploration of {}: expected {} columns, got {}", target->name(), features_,
                       columns.size());
    std::vector<ColumnOptions> plain(columns.begin(), columns.end());
    for (std::size_t i = 0; i < plain.size(); ++i) {
      circular_[i] = plain[i].periodic;
      plain[i].mean = 0.0;
      plain[i].scale = 1.0;
    }
    RandomSequence none = RandomSequence::none();
    transforms = column_transforms(parameters_, none, plain);
  }
  Graph density(parameters_);
  log_density_.emplace(
      density, std::vector<Value>{target->log_density(density.input({features_, 1}))}, pool);
  const auto energy = target_energy(std::move(target), transforms);
  Graph graph(parameters_);
  const Value y = graph.input({features_, 1});
  const Value u = (*energy)(y);
  energy_.emplace(graph, std::vector<Value>{u, vjp({u}, {}, {y})[0]}, pool);
  Graph map(parameters_);
  Value x = map.input({features_, 1});
  for (const auto& transform : transforms) x = transform->forward(x).value;
  // An output must be made by something.
  to_data_.emplace(map, std::vector<Value>{transforms.empty() ? 1.0 * x : x}, pool);
}

Points UnboundedEnergy::wrapped(const Points& y) const {
  Points result = y;
  for (std::int64_t i = 0; i < features_; ++i)
    if (circular_[static_cast<std::size_t>(i)])
      result.row(i) =
          y.row(i).unaryExpr([](double value) { return std::remainder(value, 2.0 * kPi); });
  return result;
}

void UnboundedEnergy::fill(const Points& inside, std::int64_t first, std::int64_t count,
                           EnergyBatch& batch) {
  try {
    const auto results = energy_->run({.rows = count, .inputs = {rows_of(inside, first, count)}});
    std::copy(results[0].begin(), results[0].end(), batch.energy.data() + first);
    std::copy(results[1].begin(), results[1].end(), batch.gradient.data() + first * features_);
    accepted_ += count;
  } catch (const NumericalError& error) {
    // The point at fault is found by halves, so that the others keep their energies.
    if (count > 1) {
      fill(inside, first, count / 2, batch);
      fill(inside, first + count / 2, count - count / 2, batch);
      return;
    }
    if (refusal_.empty()) refusal_ = error.what();
    batch.energy[first] = std::numeric_limits<double>::quiet_NaN();
  }
}

EnergyBatch UnboundedEnergy::evaluate(const Points& y, bool lifted) {
  const std::int64_t count = y.cols();
  evaluations_ += count;
  EnergyBatch batch{Eigen::VectorXd(count), Points(features_, count)};
  fill(wrapped(y), 0, count, batch);
  if (accepted_ == 0 && count > 0) fail<NumericalError>("{}", refusal_);
  for (std::int64_t point = 0; point < count; ++point) {
    double& energy = batch.energy[point];
    auto gradient = batch.gradient.col(point);
    for (std::int64_t i = 0; i < features_; ++i) {
      if (!lifted || !circular_[static_cast<std::size_t>(i)]) continue;
      const double angle = y(i, point) / 4.0;
      if (!(std::abs(angle) < kPi / 2.0)) {
        energy = kInfinity;
        break;
      }
      energy -= 2.0 * std::log(std::cos(angle));
      gradient[i] += 0.5 * std::tan(angle);
    }
    if (std::isnan(energy) || energy == -kInfinity) ++refused_;
    if (!std::isfinite(energy) || !gradient.allFinite()) {
      energy = kInfinity;
      gradient.setZero();
    }
  }
  return batch;
}

Points UnboundedEnergy::to_data(const Points& y) {
  const Points inside = wrapped(y);
  const std::vector<double> x =
      (*to_data_)({.rows = y.cols(), .inputs = {rows_of(inside, 0, y.cols())}});
  return Eigen::Map<const Points>(x.data(), features_, y.cols());
}

Eigen::VectorXd UnboundedEnergy::log_density(const Points& x) {
  evaluations_ += x.cols();
  const std::vector<double> values =
      (*log_density_)({.rows = x.cols(), .inputs = {rows_of(x, 0, x.cols())}});
  return Eigen::Map<const Eigen::VectorXd>(values.data(), x.cols());
}

}  // namespace thalweg

#include "thalweg/exploration/mixture.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"

namespace thalweg {
namespace {

const double kLogTwoPi = std::log(2.0 * std::numbers::pi);

/// A draw from shares that sum to 1.
std::int64_t drawn_index(const Eigen::VectorXd& shares, RandomSequence& random) {
  double left = random.uniform();
  for (std::int64_t k = 0; k + 1 < shares.size(); ++k) {
    left -= shares[k];
    if (left < 0.0) return k;
  }
  return shares.size() - 1;
}

/// The covariance of `points` (a share of `count` weights) nearer to its diagonal.
Eigen::MatrixXd shrunk(const Eigen::MatrixXd& covariance, double points) {
  const auto features = static_cast<double>(covariance.rows());
  const double share = points >= 4.0 * features
                           ? 0.02 * features / std::max(points, 1.0)
                           : std::min(0.9, (features + 1.0) / (points + features + 1.0));
  Eigen::MatrixXd result = (1.0 - share) * covariance;
  result.diagonal() =
      covariance.diagonal() * (1.0 + 1e-10) + Eigen::VectorXd::Constant(covariance.rows(), 1e-14);
  return result;
}

/// Expectation maximisation on standardised points.
class MixtureFit {
 public:
  MixtureFit(const Points& z, double smallest_weight, double cost)
      : z_(z), smallest_(smallest_weight), cost_(cost) {}

  Mixture maximise(Eigen::MatrixXd shares) const {
    const auto count = static_cast<double>(z_.cols());
    Eigen::VectorXd weights = shares.rowwise().sum() / count;
    std::vector<std::int64_t> kept;
    for (std::int64_t k = 0; k < weights.size(); ++k)
      if (weights[k] > smallest_) kept.push_back(k);
    if (kept.empty()) {
      std::int64_t largest = 0;
      weights.maxCoeff(&largest);
      kept.push_back(largest);
    }
    shares = Eigen::MatrixXd(shares(kept, Eigen::all));
    const Eigen::RowVectorXd sums = shares.colwise().sum().cwiseMax(1e-300);
    shares.array().rowwise() /= sums.array();
    weights = shares.rowwise().sum() / count;
    Points means(z_.rows(), shares.rows());
    std::vector<Eigen::MatrixXd> covariances;
    for (std::int64_t k = 0; k < shares.rows(); ++k) {
      const Eigen::VectorXd share = shares.row(k).transpose() / (shares.row(k).sum() + 1e-300);
      means.col(k) = z_ * share;
      const Points scaled =
          (z_.colwise() - means.col(k)).array().rowwise() * share.array().sqrt().transpose();
      Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(z_.rows(), z_.rows());
      covariance.selfadjointView<Eigen::Lower>().rankUpdate(scaled);
      covariance.triangularView<Eigen::StrictlyUpper>() = covariance.transpose();
      covariances.push_back(shrunk(covariance, count * weights[k]));
    }
    return {weights, means, covariances};
  }

  Mixture iterate(Mixture mixture, std::int64_t iterations) const {
    for (std::int64_t i = 0; i < iterations; ++i)
      mixture = maximise(responsibilities(mixture.component_log_densities(z_)));
    return mixture;
  }

  /// `mixture` with one component in two, if that pays.
  Mixture split(const Mixture& mixture, RandomSequence& random) const {
    const std::int64_t features = z_.rows(), count = z_.cols();
    const std::int64_t k = drawn_index(mixture.weights() / mixture.weights().sum(), random);
    const Eigen::MatrixXd logs = mixture.component_log_densities(z_);
    std::vector<std::int64_t> members;
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t best = 0;
      logs.col(i).maxCoeff(&best);
      if (best == k) members.push_back(i);
    }
    const auto size = static_cast<std::int64_t>(members.size());
    if (static_cast<double>(size) < std::max(24.0, 2.2 * static_cast<double>(features)))
      return mixture;
    const Points y = mixture.whitened(z_(Eigen::all, members), k);
    std::vector<bool> first = seeded(y, mixture.factor(k), random);
    for (int step = 0; step < 6; ++step) {
      Eigen::VectorXd mean_first = Eigen::VectorXd::Zero(features), mean_other = mean_first;
      std::int64_t in_first = 0;
      for (std::int64_t i = 0; i < size; ++i)
        if (first[static_cast<std::size_t>(i)]) {
          mean_first += y.col(i);
          ++in_first;
        } else {
          mean_other += y.col(i);
        }
      if (in_first < 3 || size - in_first < 3) break;
      mean_first /= static_cast<double>(in_first);
      mean_other /= static_cast<double>(size - in_first);
      for (std::int64_t i = 0; i < size; ++i)
        first[static_cast<std::size_t>(i)] =
            (y.col(i) - mean_first).squaredNorm() < (y.col(i) - mean_other).squaredNorm();
    }
    const auto in_first = std::count(first.begin(), first.end(), true);
    const double fewest = std::max(8.0, smallest_ * static_cast<double>(count));
    if (static_cast<double>(std::min<std::int64_t>(in_first, size - in_first)) < fewest)
      return mixture;
    const Eigen::MatrixXd shares = responsibilities(logs);
    Eigen::VectorXd part = Eigen::VectorXd::Constant(count, 0.5);
    for (std::int64_t i = 0; i < size; ++i)
      part[members[static_cast<std::size_t>(i)]] = first[static_cast<std::size_t>(i)] ? 1.0 : 0.0;
    Eigen::MatrixXd more(shares.rows() + 1, count);
    more.topRows(shares.rows()) = shares;
    more.row(shares.rows()) = shares.row(k).array() * part.transpose().array();
    more.row(k).array() *= 1.0 - part.transpose().array();
    Mixture candidate = iterate(maximise(more), 4);
    const auto d = static_cast<double>(features);
    const double parameters = d * (d + 3.0) / 2.0 + 1.0;
    const double gain = candidate.log_density(z_).sum() - log_sum_exp(logs).sum();
    const auto added = static_cast<double>(candidate.components() - mixture.components());
    const bool pays = added > 0.0 && gain > cost_ * parameters * added;
    return pays ? candidate : mixture;
  }

 private:
  /// A first division of whitened points: across the flattest direction, between a pair, or around
  /// a far point.
  static std::vector<bool> seeded(const Points& y, const Eigen::MatrixXd& factor,
                                  RandomSequence& random) {
    const std::int64_t features = y.rows(), size = y.cols();
    const double choice = random.uniform();
    Eigen::VectorXd projection(size);
    if (choice < 0.45) {
      // Two groups make a direction platykurtic.
      double smallest = std::numeric_limits<double>::infinity();
      const auto consider = [&](Eigen::VectorXd direction) {
        direction.normalize();
        const Eigen::VectorXd p = y.transpose() * direction;
        const double square = p.array().square().mean();
        const double kurtosis = p.array().pow(4).mean() / (square * square + 1e-300);
        if (kurtosis < smallest) {
          smallest = kurtosis;
          projection = p;
        }
      };
      for (int i = 0; i < 8; ++i) consider(normal_points(features, 1, random));
      for (int i = 0; i < std::min<std::int64_t>(8, features); ++i)
        consider(Eigen::VectorXd::Unit(features, static_cast<std::int64_t>(random.below(
                                                     static_cast<std::uint64_t>(features)))));
      const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> axes(factor * factor.transpose());
      for (std::int64_t i = 0; i < std::min<std::int64_t>(4, features); ++i)
        consider(factor.transpose() * axes.eigenvectors().col(features - 1 - i));
    } else {
      const auto one = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size)));
      const auto other = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(size)));
      projection = y.transpose() * (y.col(one) - y.col(other));
    }
    std::vector<bool> first(static_cast<std::size_t>(size));
    if (choice > 0.65) {
      const Eigen::VectorXd radii = y.colwise().squaredNorm();
      std::vector<std::int64_t> order(static_cast<std::size_t>(size));
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
      const std::int64_t far = std::max<std::int64_t>(3, size / 50);
      std::nth_element(order.begin(), order.begin() + far, order.end(),
                       [&](std::int64_t a, std::int64_t b) {
                         return radii[a] > radii[b] || (radii[a] == radii[b] && a < b);
                       });
      const std::int64_t centre = order[random.below(static_cast<std::uint64_t>(far))];
      for (std::int64_t i = 0; i < size; ++i)
        first[static_cast<std::size_t>(i)] = (y.col(i) - y.col(centre)).squaredNorm() < radii[i];
      return first;
    }
    const double middle = median({projection.begin(), projection.end()});
    for (std::int64_t i = 0; i < size; ++i)
      first[static_cast<std::size_t>(i)] = projection[i] > middle;
    return first;
  }

  const Points& z_;
  double smallest_, cost_;
};

}  // namespace

Points normal_points(std::int64_t features, std::int64_t count, RandomSequence& random) {
  return Points::NullaryExpr(features, count, [&] { return random.normal(); });
}

Eigen::VectorXd log_sum_exp(const Eigen::MatrixXd& columns) {
  const Eigen::RowVectorXd largest =
      columns.colwise().maxCoeff().cwiseMax(-std::numeric_limits<double>::max());
  return (largest.array() + (columns.rowwise() - largest).array().exp().colwise().sum().log())
      .transpose();
}

Eigen::MatrixXd responsibilities(const Eigen::MatrixXd& component_log_densities) {
  const Eigen::RowVectorXd total = log_sum_exp(component_log_densities).transpose();
  return (component_log_densities.rowwise() - total).array().exp();
}

Mixture::Mixture(Eigen::VectorXd weights, Points means, std::vector<Eigen::MatrixXd> covariances)
    : weights_(std::move(weights)),
      log_determinants_(weights_.size()),
      means_(std::move(means)),
      covariances_(std::move(covariances)) {
  weights_ /= weights_.sum();
  for (std::int64_t k = 0; k < components(); ++k) {
    const Eigen::LLT<Eigen::MatrixXd> cholesky(covariance(k));
    if (cholesky.info() != Eigen::Success || !covariance(k).allFinite())
      fail<NumericalError>(
          "mixture: the covariance of component {} is not positive: the density is narrower in "
          "some "
          "direction than numbers can tell; give columns other units, so that it is about 1 wide",
          k);
    factors_.emplace_back(cholesky.matrixL());
    log_determinants_[k] = factors_.back().diagonal().array().log().sum();
  }
}

Mixture::Mixture(const Mixture& one, const Mixture& other) : Mixture(one) {
  const std::int64_t count = one.components(), more = other.components();
  weights_.conservativeResize(count + more);
  weights_ << 0.5 * one.weights_, 0.5 * other.weights_;
  log_determinants_.conservativeResize(count + more);
  log_determinants_.tail(more) = other.log_determinants_;
  means_.conservativeResize(Eigen::NoChange, count + more);
  means_.rightCols(more) = other.means_;
  covariances_.insert(covariances_.end(), other.covariances_.begin(), other.covariances_.end());
  factors_.insert(factors_.end(), other.factors_.begin(), other.factors_.end());
}

Points Mixture::whitened(const Points& y, std::int64_t k) const {
  return factor(k).triangularView<Eigen::Lower>().solve(y.colwise() - means_.col(k));
}

Points Mixture::unwhitened_slope(const Points& z, std::int64_t k) const {
  return factor(k).transpose().triangularView<Eigen::Upper>().solve(z);
}

Eigen::MatrixXd Mixture::component_log_densities(const Points& y) const {
  Eigen::MatrixXd result(components(), y.cols());
  for (std::int64_t k = 0; k < components(); ++k)
    result.row(k) = (-0.5 * whitened(y, k).colwise().squaredNorm()).array() +
                    (std::log(weights_[k]) - log_determinants_[k] -
                     0.5 * static_cast<double>(features()) * kLogTwoPi);
  return result;
}

Eigen::VectorXd Mixture::log_density(const Points& y) const {
  return log_sum_exp(component_log_densities(y));
}

Points Mixture::draw(std::int64_t count, RandomSequence& random,
                     std::vector<std::int64_t>* component) const {
  Points result = normal_points(features(), count, random);
  if (component != nullptr) component->clear();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t k = drawn_index(weights_, random);
    if (component != nullptr) component->push_back(k);
    result.col(i) = means_.col(k) + factor(k).triangularView<Eigen::Lower>() * result.col(i);
  }
  return result;
}

std::vector<std::int64_t> Mixture::most_likely(const Points& y) const {
  const Eigen::MatrixXd logs = component_log_densities(y);
  std::vector<std::int64_t> result(static_cast<std::size_t>(y.cols()));
  for (std::int64_t i = 0; i < y.cols(); ++i)
    logs.col(i).maxCoeff(&result[static_cast<std::size_t>(i)]);
  return result;
}

Mixture fit_mixture(const Points& y, const Mixture* start, const MixtureFitOptions& options,
                    RandomSequence& random) {
  const auto count = static_cast<double>(y.cols());
  const Eigen::VectorXd mean = y.rowwise().mean();
  const Eigen::VectorXd deviation =
      ((y.colwise() - mean).array().square().rowwise().mean().sqrt() + 1e-150).matrix();
  const Points z = deviation.cwiseInverse().asDiagonal() * (y.colwise() - mean);
  const double smallest = options.smallest_weight > 0.0
                              ? options.smallest_weight
                              : std::max(8.0, 0.5 * static_cast<double>(y.rows())) / count;
  const MixtureFit fit(z, smallest, options.cost > 0.0 ? options.cost : 0.5 * std::log(count));
  Mixture mixture =
      fit.maximise(start == nullptr ? Eigen::MatrixXd::Ones(1, y.cols()).eval()
                                    : responsibilities(start->component_log_densities(y)));
  if (mixture.components() > 1) mixture = fit.iterate(mixture, options.iterations);
  for (std::int64_t i = 0; i < options.splits && mixture.components() < options.components; ++i)
    mixture = fit.split(mixture, random);
  Points means = (deviation.asDiagonal() * mixture.means()).colwise() + mean;
  std::vector<Eigen::MatrixXd> covariances;
  for (std::int64_t k = 0; k < mixture.components(); ++k) {
    // Of the density of one more point, which is wider than the points: n / (n - d - 1).
    const double points = count * mixture.weights()[k];
    const double spare = points - static_cast<double>(y.rows()) - 1.0;
    const double wider = spare > 0.5 * points ? points / spare : 2.0;
    covariances.emplace_back(
        wider * (deviation.asDiagonal() * mixture.covariance(k) * deviation.asDiagonal()));
  }
  return {mixture.weights(), means, covariances};
}

}  // namespace thalweg

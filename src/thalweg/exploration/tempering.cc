#include "thalweg/exploration/tempering.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/metrics/importance.h"

namespace thalweg {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Beyond the tails of starts that are at most 3e7 wide.
constexpr double kFarthest = 1e14;

using Indices = std::vector<std::int64_t>;

/// Moves whose use follows what they bring; exchanges are tried apart.
enum Move : std::uint8_t { kHamiltonian, kDifference, kPartDifference, kIndependence, kExchange };

class Island {
 public:
  Island(UnboundedEnergy& energy, const ReferenceDensity& reference,
         const TemperingOptions& options, RandomSequence& random,
         const std::function<Haste()>& haste)
      : energy_(energy),
        reference_(reference),
        options_(options),
        random_(random),
        haste_(haste),
        features_(energy.features()),
        count_(options.particles / 2 * 2),
        step_(1.2 * std::pow(static_cast<double>(features_), -0.25)),
        column_weights_(
            Eigen::VectorXd::Constant(features_, 1.0 / static_cast<double>(features_))) {
    if (options.mixture != nullptr) mixtures_ = {*options.mixture, *options.mixture};
  }

  /// Moves `y` at the target itself, by the mixture that it was made with.
  Points refresh(Points y, std::int64_t sweeps) {
    beta_ = 1.0;
    y_ = std::move(y);
    EnergyBatch batch = energy_(y_);
    u_ = std::move(batch.energy);
    gradient_ = std::move(batch.gradient);
    reference_u_ = Eigen::VectorXd::Zero(count_);
    for (std::int64_t sweep = 0; sweep < sweeps; ++sweep) {
      start_ = y_;
      sweep_once(sweep == 0);
      correlation();
    }
    return std::move(y_);
  }

  std::optional<TemperedParticles> run() {
    const std::int64_t before = energy_.evaluations();
    y_ = reference_.draw(count_, random_);
    EnergyBatch batch = energy_(y_);
    u_ = std::move(batch.energy);
    gradient_ = std::move(batch.gradient);
    reference_u_ = reference_.energy(y_).energy;
    TemperedParticles result;
    while (beta_ < 1.0) {
      const Haste haste = haste_ ? haste_() : Haste::kNone;
      if (haste == Haste::kStop) return std::nullopt;
      result.capped = result.capped || haste == Haste::kHurry ||
                      energy_.evaluations() - before > options_.evaluations;
      if (!raise_temperature()) return std::nullopt;
      fit_mixtures();
      move(result.capped, result);
    }
    result.log_integral = log_integral_;
    result.y = std::move(y_);
    result.energy = std::move(u_);
    result.gradient = std::move(gradient_);
    result.mixture = mixtures_[mixtures_[0].components() >= mixtures_[1].components() ? 0 : 1];
    return result;
  }

 private:
  std::int64_t half() const { return count_ / 2; }
  double uniform(double low, double high) { return low + (high - low) * random_.uniform(); }

  /// Of the reference, which the target itself does without.
  EnergyBatch reference_energy(const Points& y) const {
    if (beta_ < 1.0) return reference_.energy(y);
    return {Eigen::VectorXd::Zero(y.cols()), Points()};
  }

  /// log of p_beta's inverse at energies u and -log q.
  Eigen::VectorXd tempered(const Eigen::VectorXd& u, const Eigen::VectorXd& reference) const {
    if (beta_ >= 1.0) return u;
    return beta_ * u + (1.0 - beta_) * reference;
  }

  /// Chooses the next beta, weighs and resamples. Whether any particle has a finite energy.
  bool raise_temperature() {
    Eigen::VectorXd slope(count_);
    std::int64_t finite = 0;
    for (std::int64_t i = 0; i < count_; ++i) {
      const bool is_finite = std::isfinite(u_[i]);
      slope[i] = is_finite ? reference_u_[i] - u_[i] : -kInfinity;
      finite += is_finite ? 1 : 0;
    }
    if (finite == 0) return false;
    const double largest = slope.maxCoeff();
    const auto weights = [&](double step) {
      return Eigen::VectorXd(slope.unaryExpr(
          [&](double s) { return std::isfinite(s) ? std::exp(step * (s - largest)) : 0.0; }));
    };
    const auto share = [&](double step) {
      const Eigen::VectorXd w = weights(step);
      return w.sum() * w.sum() / w.squaredNorm() / static_cast<double>(finite);
    };
    double step = 1.0 - beta_;
    if (share(step) < options_.effective_share) {
      double low = std::log(1e-40), high = std::log(step);
      for (int i = 0; i < 45; ++i) {
        const double middle = 0.5 * (low + high);
        (share(std::exp(middle)) >= options_.effective_share ? low : high) = middle;
      }
      step = std::exp(low);
      beta_ += step;
    } else {
      beta_ = 1.0;
    }
    const Eigen::VectorXd w = weights(step);
    log_integral_ += step * largest + std::log(w.sum() / static_cast<double>(count_));
    const Eigen::VectorXd logs = step * slope;
    const Indices rows =
        resampled_rows({logs.data(), static_cast<std::size_t>(count_)}, random_.uniform());
    y_ = Points(y_(Eigen::all, rows));
    u_ = Eigen::VectorXd(u_(rows));
    reference_u_ = Eigen::VectorXd(reference_u_(rows));
    gradient_ = Points(gradient_(Eigen::all, rows));
    return true;
  }

  void fit_mixtures() {
    if (!(y_.cwiseAbs().maxCoeff() < kFarthest))
      fail<NumericalError>(
          "exploration: particles run away beyond {:g}: the integral of exp(-energy) seems to be "
          "infinite; check the sign of the energy, or give --bounds",
          kFarthest);
    const MixtureFitOptions options{.components = options_.components};
    for (const std::int64_t part : {0, 1}) {
      Mixture& mixture = mixtures_[static_cast<std::size_t>(part)];
      const Points other = y_.middleCols((1 - part) * half(), half());
      mixture = fit_mixture(other, mixture.components() > 0 ? &mixture : nullptr, options, random_);
    }
  }

  void move(bool capped, TemperedParticles& result) {
    start_ = y_;
    const bool last = beta_ >= 1.0;
    const std::int64_t most = last ? options_.final_sweeps : capped ? 1 : options_.sweeps;
    if (last) result.pool = Points(features_, 0);
    for (std::int64_t sweep = 0; sweep < most; ++sweep) {
      sweep_once(sweep == 0);
      result.correlation = correlation();
      if (last) {
        const std::int64_t kept = result.pool.cols();
        result.pool.conservativeResize(Eigen::NoChange, kept + count_);
        result.pool.rightCols(count_) = y_;
      } else if (result.correlation < 0.5) {
        break;
      }
    }
  }

  void sweep_once(bool first) {
    deviation_ = ((y_.colwise() - y_.rowwise().mean().eval()).array().square().rowwise().mean())
                     .sqrt()
                     .matrix()
                     .array() +
                 1e-300;
    const double acceptance = hamiltonian();
    step_ = std::clamp(step_ * std::exp(acceptance - 0.75), 1e-4,
                       1.8 * std::pow(static_cast<double>(features_), -0.1));
    const double total = scores_[kHamiltonian] + scores_[kDifference] + scores_[kPartDifference] +
                         scores_[kIndependence] + 1e-300;
    for (const Move kind : {kDifference, kPartDifference, kIndependence}) {
      const double share = scores_[kind] / total;
      const auto times =
          std::clamp<std::int64_t>(std::lround(9.0 * share), share > 0.02 || first ? 1 : 0, 5);
      if (times == 0) continue;
      double mean = 0.0;
      for (std::int64_t i = 0; i < times; ++i)
        mean += kind == kIndependence ? independence() : difference(kind == kPartDifference);
      scores_[kind] = 0.5 * scores_[kind] + 0.5 * mean / static_cast<double>(times);
    }
    if (scores_[kExchange] > 0.002 || first)
      scores_[kExchange] = 0.5 * scores_[kExchange] + 0.5 * exchange();
  }

  /// Squared way of accepted moves in units of the columns' deviations, summed.
  double accept(const Indices& particles, const Points& proposal, const EnergyBatch& batch,
                const Eigen::VectorXd& reference, const Eigen::VectorXd& log_ratio) {
    double way = 0.0;
    for (std::size_t j = 0; j < particles.size(); ++j) {
      const auto row = static_cast<std::int64_t>(j);
      const double logarithm = std::log(random_.uniform());
      if (!std::isfinite(batch.energy[row]) || !(logarithm < log_ratio[row])) continue;
      const std::int64_t i = particles[j];
      way += ((proposal.col(row) - y_.col(i)).array() / deviation_.array())
                 .square()
                 .matrix()
                 .dot(column_weights_);
      y_.col(i) = proposal.col(row);
      u_[i] = batch.energy[row];
      gradient_.col(i) = batch.gradient.col(row);
      reference_u_[i] = reference[row];
    }
    return way;
  }

  /// Metropolis and Hastings with log q(old)/q(new) of the proposal in `correction`.
  double metropolis(const Indices& particles, const Points& proposal,
                    const Eigen::VectorXd& correction) {
    const EnergyBatch batch = energy_(proposal);
    const Eigen::VectorXd reference = reference_energy(proposal).energy;
    const Eigen::VectorXd now = tempered(u_(particles), reference_u_(particles));
    const Eigen::VectorXd log_ratio = now - tempered(batch.energy, reference) + correction;
    return accept(particles, proposal, batch, reference, log_ratio);
  }

  /// Trajectories in the metric of a component drawn by its share in the particle, which the
  /// acceptance corrects. Gives the mean acceptance.
  double hamiltonian() {
    const auto leaps =
        static_cast<int>(std::clamp(std::ceil(1.5 / step_ * uniform(0.4, 1.2)), 1.0, 14.0));
    double acceptance = 0.0, way = 0.0;
    for (const std::int64_t part : {0, 1}) trajectories(part, leaps, acceptance, way);
    scores_[kHamiltonian] = 0.5 * scores_[kHamiltonian] +
                            0.5 * way / static_cast<double>(count_) / static_cast<double>(leaps);
    return acceptance / static_cast<double>(count_);
  }

  void trajectories(std::int64_t part, int leaps, double& acceptance, double& way) {
    const Mixture& mixture = mixtures_[static_cast<std::size_t>(part)];
    const std::int64_t count = half(), components = mixture.components();
    const Points unsorted = y_.middleCols(part * count, count);
    const Eigen::MatrixXd shares = responsibilities(mixture.component_log_densities(unsorted));
    std::vector<Indices> members(static_cast<std::size_t>(components));
    for (std::int64_t i = 0; i < count; ++i) {
      double left = random_.uniform();
      std::int64_t k = 0;
      while (k + 1 < components && (left -= shares(k, i)) >= 0.0) ++k;
      members[static_cast<std::size_t>(k)].push_back(i);
    }
    Indices order;  // particles of one component side by side
    std::vector<std::int64_t> begin;
    for (const Indices& group : members) {
      begin.push_back(static_cast<std::int64_t>(order.size()));
      order.insert(order.end(), group.begin(), group.end());
    }
    begin.push_back(count);
    Indices particles = order;
    for (std::int64_t& i : particles) i += part * count;
    const auto scaled = [&](const Points& vectors, bool transposed) {
      Points result(features_, count);
      for (std::int64_t k = 0; k < components; ++k) {
        const auto from = begin[static_cast<std::size_t>(k)];
        const std::int64_t size = begin[static_cast<std::size_t>(k) + 1] - from;
        if (size == 0) continue;
        const auto factor = mixture.factor(k).triangularView<Eigen::Lower>();
        if (transposed)
          result.middleCols(from, size) = factor.transpose() * vectors.middleCols(from, size);
        else
          result.middleCols(from, size) = factor * vectors.middleCols(from, size);
      }
      return result;
    };
    const auto log_shares = [&](const Points& y) {
      Eigen::VectorXd result = Eigen::VectorXd::Zero(count);
      if (components == 1) return result;
      const Eigen::MatrixXd logs = mixture.component_log_densities(y);
      result = -log_sum_exp(logs);
      for (std::int64_t k = 0; k < components; ++k)
        for (std::int64_t j = begin[static_cast<std::size_t>(k)];
             j < begin[static_cast<std::size_t>(k) + 1]; ++j)
          result[j] += logs(k, j);
      return result;
    };
    Eigen::RowVectorXd steps(count);
    for (std::int64_t j = 0; j < count; ++j)
      steps[j] = step_ *
                 (random_.uniform() < 0.3 ? std::pow(10.0, uniform(-1.5, 0.0)) : uniform(0.5, 1.1));
    const Points start = y_(Eigen::all, particles);
    Points momentum = normal_points(features_, count, random_);
    EnergyBatch reference = reference_energy(start);
    EnergyBatch batch{u_(particles), gradient_(Eigen::all, particles)};
    const Eigen::VectorXd before = tempered(batch.energy, reference.energy) +
                                   0.5 * momentum.colwise().squaredNorm().transpose();
    const auto kick = [&](double factor) {
      const Points slope =
          beta_ >= 1.0 ? batch.gradient
                       : Points(beta_ * batch.gradient + (1.0 - beta_) * reference.gradient);
      momentum -= scaled(slope, true) * (factor * steps).asDiagonal();
    };
    Points y = start;
    std::vector<bool> alive(static_cast<std::size_t>(count), true);
    kick(0.5);
    for (int leap = 0; leap < leaps; ++leap) {
      y += scaled(momentum, false) * steps.asDiagonal();
      for (std::int64_t j = 0; j < count; ++j)
        if (!y.col(j).allFinite()) y.col(j) = start.col(j);
      batch = energy_(y);
      reference = reference_energy(y);
      for (std::int64_t j = 0; j < count; ++j)
        if (!std::isfinite(batch.energy[j])) alive[static_cast<std::size_t>(j)] = false;
      kick(leap + 1 == leaps ? 0.5 : 1.0);
    }
    Eigen::VectorXd log_ratio = before - tempered(batch.energy, reference.energy) -
                                0.5 * momentum.colwise().squaredNorm().transpose() + log_shares(y) -
                                log_shares(start);
    for (std::int64_t j = 0; j < count; ++j) {
      if (!alive[static_cast<std::size_t>(j)] || !std::isfinite(log_ratio[j]))
        log_ratio[j] = -kInfinity;
      acceptance += std::exp(std::min(0.0, log_ratio[j]));
    }
    way += accept(particles, y, batch, reference.energy, log_ratio);
  }

  Indices permutation() {
    Indices order(static_cast<std::size_t>(count_));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size() - 1; i > 0; --i)
      std::swap(order[i], order[random_.below(i + 1)]);
    return order;
  }

  /// Jumps by the difference of two particles of the other half, in all columns or in some.
  double difference(bool in_part) {
    const Indices order = permutation();
    const auto middle = order.begin() + half();
    const std::array<Indices, 2> halves = {Indices(order.begin(), middle),
                                           Indices(middle, order.end())};
    double way = 0.0;
    for (const std::size_t side : {0U, 1U}) {
      const Indices& moved = halves[side];
      const Indices& others = halves[1 - side];
      Points proposal = y_(Eigen::all, moved);
      for (std::int64_t j = 0; j < half(); ++j) {
        const auto other = [&] {
          return others[random_.below(static_cast<std::uint64_t>(others.size()))];
        };
        const std::int64_t one = other(), two = other();
        Eigen::VectorXd way_to = y_.col(one) - y_.col(two);
        const auto features = static_cast<double>(features_);
        if (in_part) {
          const double most = std::max(-1.0, std::log2(features) * 0.7);
          const double share = std::min(1.0, std::exp2(uniform(-1.0, most)) / features);
          const auto sure =
              static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(features_)));
          for (std::int64_t i = 0; i < features_; ++i)
            if (random_.uniform() >= share && i != sure) way_to[i] = 0.0;
        } else if (random_.uniform() >= 0.5) {
          way_to *= 2.38 / std::sqrt(2.0 * features);
        }
        proposal.col(j) += way_to;
      }
      way += metropolis(moved, proposal, Eigen::VectorXd::Zero(half()));
    }
    return way / static_cast<double>(count_);
  }

  double independence() {
    double way = 0.0;
    for (const std::int64_t part : {0, 1}) {
      const Mixture& mixture = mixtures_[static_cast<std::size_t>(part)];
      Indices moved(static_cast<std::size_t>(half()));
      std::iota(moved.begin(), moved.end(), part * half());
      const Points proposal = mixture.draw(half(), random_);
      way += metropolis(moved, proposal,
                        mixture.log_density(y_.middleCols(part * half(), half())) -
                            mixture.log_density(proposal));
    }
    return way / static_cast<double>(count_);
  }

  /// Pairs exchange the values of some columns.
  double exchange() {
    const Indices order = permutation();
    const Indices one(order.begin(), order.begin() + half()),
        two(order.begin() + half(), order.end());
    const double draw = random_.uniform();
    const double share = draw < 1.0 / 3.0   ? 0.5
                         : draw < 2.0 / 3.0 ? 0.2
                                            : 1.0 / static_cast<double>(features_);
    Points first = y_(Eigen::all, one), second = y_(Eigen::all, two);
    std::vector<bool> exchanged;
    for (std::int64_t j = 0; j < half(); ++j)
      for (std::int64_t i = 0; i < features_; ++i) {
        exchanged.push_back(random_.uniform() < share);
        if (exchanged.back()) std::swap(first(i, j), second(i, j));
      }
    const EnergyBatch first_batch = energy_(first), second_batch = energy_(second);
    const Eigen::VectorXd first_reference = reference_energy(first).energy,
                          second_reference = reference_energy(second).energy;
    const Eigen::VectorXd log_ratio = tempered(u_(one), reference_u_(one)) +
                                      tempered(u_(two), reference_u_(two)) -
                                      tempered(first_batch.energy, first_reference) -
                                      tempered(second_batch.energy, second_reference);
    double way = 0.0;
    const Eigen::VectorXd always = Eigen::VectorXd::Constant(1, kInfinity);
    for (std::int64_t j = 0; j < half(); ++j) {
      const double logarithm = std::log(random_.uniform());
      if (!std::isfinite(first_batch.energy[j]) || !std::isfinite(second_batch.energy[j]) ||
          !(logarithm < log_ratio[j]))
        continue;
      const auto number = static_cast<std::size_t>(j);
      const auto take = [&](std::int64_t particle, const Points& proposal, const EnergyBatch& batch,
                            const Eigen::VectorXd& reference) {
        way += 0.5 * accept({particle}, proposal.col(j),
                            {batch.energy.segment(j, 1), batch.gradient.col(j)},
                            reference.segment(j, 1), always);
      };
      take(one[number], first, first_batch, first_reference);
      take(two[number], second, second_batch, second_reference);
      // An exchange renews nothing: the values at the start go along.
      for (std::int64_t i = 0; i < features_; ++i)
        if (exchanged[static_cast<std::size_t>(j * features_ + i)])
          std::swap(start_(i, one[number]), start_(i, two[number]));
    }
    return way / static_cast<double>(half());
  }

  /// Largest correlation of a column with its values at the start of the temperature; columns that
  /// are slow count more in what moves are worth.
  double correlation() {
    Eigen::VectorXd result(features_);
    for (std::int64_t i = 0; i < features_; ++i) {
      const Eigen::ArrayXd before = start_.row(i).array() - start_.row(i).mean();
      const Eigen::ArrayXd now = y_.row(i).array() - y_.row(i).mean();
      const double norm = std::sqrt(before.square().sum()) * std::sqrt(now.square().sum());
      result[i] = norm > 0.0 ? (before * now).sum() / norm : 0.0;
    }
    column_weights_ = result.cwiseMax(0.05).array().pow(4);
    column_weights_ /= column_weights_.sum();
    return result.maxCoeff();
  }

  UnboundedEnergy& energy_;
  const ReferenceDensity& reference_;
  const TemperingOptions& options_;
  RandomSequence& random_;
  const std::function<Haste()>& haste_;
  std::int64_t features_, count_;
  double beta_ = 0.0, log_integral_ = 0.0, step_;
  Points y_, gradient_, start_;
  Eigen::VectorXd u_, reference_u_, deviation_, column_weights_;
  std::array<Mixture, 2> mixtures_;
  std::array<double, 5> scores_ = {1.0, 0.5, 0.5, 0.5, 0.5};
};

}  // namespace

std::optional<TemperedParticles> temper(UnboundedEnergy& energy, const ReferenceDensity& reference,
                                        const TemperingOptions& options, RandomSequence& random,
                                        const std::function<Haste()>& haste) {
  return Island(energy, reference, options, random, haste).run();
}

Points refreshed(UnboundedEnergy& energy, const Points& y, const Mixture& mixture,
                 std::int64_t sweeps, RandomSequence& random) {
  const HeavyMixture reference(mixture);
  const TemperingOptions options{.particles = y.cols(), .mixture = &mixture};
  return Island(energy, reference, options, random, {}).refresh(y, sweeps);
}

}  // namespace thalweg

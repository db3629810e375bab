#include "thalweg/exploration/exploration.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/exploration/estimates.h"
#include "thalweg/exploration/evidence.h"
#include "thalweg/exploration/mixture.h"
#include "thalweg/exploration/modes.h"
#include "thalweg/exploration/reference_density.h"
#include "thalweg/exploration/scout.h"
#include "thalweg/exploration/tails.h"
#include "thalweg/exploration/tempering.h"
#include "thalweg/exploration/unbounded_energy.h"
#include "thalweg/metrics/importance.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostWeighed = 20000;
constexpr int kMostStages = 5;
constexpr std::int64_t kMostComponents = 24;

void check_options(const ExplorationOptions& options) {
  const auto check = [](const char* name, std::int64_t value, std::int64_t least) {
    if (value < least)
      fail<ConfigError>("exploration.{}: expected at least {}, got {}", name, least, value);
  };
  check("particles", options.particles, 100);
  check("islands", options.islands, 2);
  check("evaluations", options.evaluations, 10000);
  check("samples", options.samples, 100);
  if (!(options.seconds >= 0.0) || std::isinf(options.seconds))
    fail<ConfigError>("exploration.seconds: expected a number of at least 0, got {}",
                      options.seconds);
}

/// What the stages know, in one place.
class Explorer {
 public:
  Explorer(const std::shared_ptr<const Target>& target, std::span<const ColumnOptions> columns,
           const ExplorationOptions& options, std::uint64_t seed, ThreadPool& pool,
           const ExplorationCallbacks& callbacks)
      : target_(target),
        columns_(columns),
        options_(options),
        seed_(seed),
        pool_(pool),
        callbacks_(callbacks),
        energy_(target, columns, pool),
        random_(seed, Stream::kExploration, 0),
        particles_(std::max(options.particles, 10 * target->features())),
        budget_(options.evaluations) {
    for (std::int64_t i = 0; i < options.islands; ++i) {
      island_pools_.push_back(std::make_unique<ThreadPool>(1));
      island_energies_.push_back(
          std::make_unique<UnboundedEnergy>(target, columns, *island_pools_.back()));
    }
  }

  std::optional<Exploration> run() {
    tell(0.0, "looking for low points");
    const Scouted scouted = scout(energy_, random_);
    fit_to_budget();
    if (!first_stage(scouted)) return std::nullopt;
    check_slopes(target_, energy_, islands_.front().pool, columns_, pool_);
    add_minima(scouted);
    weigh();
    confirmed_ = weights_.share > 0.3 && weights_.shape < (weights_.share > 0.8 ? 0.7 : 0.3);
    adapt();
    const bool clean = weights_.clean();
    estimate_ = clean ? weights_.log_integral : tempered_.log_integral;
    error_ = clean ? weights_.error : tempered_.error;
    method_ = clean ? Method::kImportance : Method::kTempering;
    history_ = {tempered_.log_integral};
    settled_ = clean && added_ == 0;
    const double first_error = tempered_.error;
    int stage = 1;
    double drift = 0.0;
    while (!settled_ && stage < kMostStages && haste() == Haste::kNone &&
           (stage < 2 || evaluations() < 3 * budget_ / 4)) {
      ++stage;
      const double before = estimate_;
      if (!next_stage(stage)) return std::nullopt;
      drift = estimate_ - before;
      const double scale = std::hypot(error_, stage == 2 ? first_error : 0.01);
      settled_ = added_ == 0 ? std::abs(drift) < 2.0 * scale + 0.03 : stage >= 3;
      settled_ = settled_ && (stage > 2 || weights_.clean() ||
                              (method_ == Method::kTempering && weights_.share < kUselessShare));
    }
    // What is hard to reach from a broad start, as a funnel's neck, fills up from below.
    error_ = std::max(error_, confirmed_ ? 0.002 : kUnconfirmedError);
    // Estimates that still move tell of an error that their spread does not.
    const bool quiet = method_ == Method::kImportance && std::abs(drift) < 0.02;
    if (!quiet && stage > 2) error_ = std::hypot(error_, 0.5 * std::min(std::abs(drift), 0.5));
    if (haste() == Haste::kStop) return std::nullopt;
    return result();
  }

 private:
  enum class Method : std::uint8_t { kImportance, kBridge, kTempering };

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

  void tell(double share, const std::string& phase) const {
    if (callbacks_.progress) callbacks_.progress(share, phase);
  }

  /// For the caller's thread alone.
  Haste haste() {
    if (callbacks_.interrupted && callbacks_.interrupted()) stop_ = true;
    return elsewhere();
  }

  Haste elsewhere() const {
    if (stop_) return Haste::kStop;
    return options_.seconds > 0.0 && seconds() > options_.seconds ? Haste::kHurry : Haste::kNone;
  }

  std::int64_t evaluations() const {
    std::int64_t sum = energy_.evaluations();
    for (const auto& energy : island_energies_) sum += energy->evaluations();
    return sum;
  }

  /// Tempers all islands, each with random numbers of its own. Whether nobody interrupted.
  bool temper_islands(int stage, const TemperingOptions& options,
                      const std::function<const ReferenceDensity&(std::int64_t)>& reference) {
    std::vector<std::optional<TemperedParticles>> found(static_cast<std::size_t>(options_.islands));
    std::atomic<std::int64_t> done = 0;
    pool_.parallel(options_.islands, [&](std::int64_t island, int thread) {
      RandomSequence random(seed_, Stream::kExploration,
                            static_cast<std::uint64_t>(1000 * stage + island + 1));
      const auto number = static_cast<std::size_t>(island);
      found[number] = temper(*island_energies_[number], reference(island), options, random, [&] {
        if (thread != 0) return elsewhere();
        const double share = static_cast<double>(done) / static_cast<double>(options_.islands);
        tell((stage - 1 + share) / kMostStages, fmt::format("tempering, stage {}", stage));
        return haste();
      });
      ++done;
    });
    if (stop_) return false;
    islands_.clear();
    died_ = 0;
    for (auto& island : found)
      if (island)
        islands_.push_back(std::move(*island));
      else
        ++died_;
    if (islands_.empty())
      fail<NumericalError>(
          "exploration: no particle of any population has a finite energy; give --bounds, or "
          "choose "
          "units in which the density lies nearer to 0");
    std::vector<double> log_integrals;
    for (const TemperedParticles& island : islands_) log_integrals.push_back(island.log_integral);
    tempered_ = combined(log_integrals);
    return true;
  }

  /// Fewer particles where evaluations, or the time of those that were made, allow no more.
  void fit_to_budget() {
    constexpr std::int64_t kOfEachParticle = 400, kFewest = 100;
    if (options_.seconds > 0.0) {
      const double rate = static_cast<double>(evaluations()) / std::max(seconds(), 1e-6);
      const double left = std::max(options_.seconds - seconds(), 0.0) * rate;
      budget_ = std::min(budget_, static_cast<std::int64_t>(std::min(left, 1e15)));
    }
    particles_ = std::clamp(budget_ / (kOfEachParticle * options_.islands), kFewest, particles_);
  }

  bool first_stage(const Scouted& scouted) {
    std::vector<WideReference> references;
    for (const double factor : {1.0, 3.0}) {
      Eigen::VectorXd centre = scouted.centre, width = factor * scouted.width;
      for (std::int64_t i = 0; i < centre.size(); ++i)
        if (energy_.circular()[static_cast<std::size_t>(i)]) {
          centre[i] = 0.0;
          width[i] = 2.0;
        }
      references.emplace_back(centre, width);
    }
    const TemperingOptions options{.particles = particles_,
                                   .evaluations = 3 * budget_ / (5 * options_.islands)};
    if (!temper_islands(1, options, [&](std::int64_t island) -> const ReferenceDensity& {
          return references[static_cast<std::size_t>(island % 2)];
        }))
      return false;
    refit();
    return true;
  }

  /// The mixture of the particles of all islands, from the one of the island with the most mass.
  void refit() {
    constexpr std::int64_t kMost = 20000;
    Points pool = pooled(islands_).y;
    const std::int64_t total = pool.cols();
    const auto most = std::ranges::max_element(islands_, {}, &TemperedParticles::log_integral);
    if (total > kMost) {
      std::vector<std::int64_t> rows;
      for (std::int64_t i = 0; i < kMost; ++i) rows.push_back(i * total / kMost);
      pool = Points(pool(Eigen::all, rows));
    }
    const auto features = static_cast<double>(energy_.features());
    refitted_points_ = pool.cols();
    refitted_mean_ = pool.rowwise().mean();
    const Points centred = pool.colwise() - refitted_mean_;
    refitted_covariance_ = centred * centred.transpose() /
                           static_cast<double>(std::max<std::int64_t>(pool.cols() - 1, 1));
    // A group of a hundredth of the particles has to get a component of its own: splits are cheap.
    fitted_ = fit_mixture(
        pool, &most->mixture,
        {.cost = 1.0,
         .components = kMostComponents,
         .iterations = 6,
         .splits = energy_.features() <= 40 ? 30 : 5,
         .smallest_weight = std::max(8.0, 0.5 * features) / static_cast<double>(pool.cols())},
        random_);
    labels_ = fitted_;
  }

  /// Minima outside of the particles whose Gaussians have more than 1 % of the mass become
  /// components.
  void add_minima(const Scouted& scouted) {
    constexpr std::size_t kMost = 16;
    const auto features = static_cast<double>(energy_.features());
    const auto far = [&](const Eigen::VectorXd& y) {
      for (std::int64_t k = 0; k < fitted_.components(); ++k)
        if (fitted_.whitened(y, k).squaredNorm() <=
            features + 4.0 * std::sqrt(2.0 * features) + 10.0)
          return false;
      return true;
    };
    std::vector<std::pair<Eigen::VectorXd, Eigen::VectorXd>> candidates;
    for (std::int64_t i = 0; i < scouted.minima.cols() && candidates.size() < kMost; ++i) {
      const Eigen::VectorXd y = scouted.minima.col(i);
      const std::int64_t owner = fitted_.most_likely(y)[0];
      const Eigen::VectorXd deviation = fitted_.covariance(owner).diagonal().array().sqrt();
      const bool is_new =
          std::all_of(candidates.begin(), candidates.end(), [&](const auto& candidate) {
            return ((y - candidate.first).array() / candidate.second.array()).abs().maxCoeff() >
                   0.5;
          });
      if (is_new) candidates.emplace_back(y, deviation);
    }
    for (const auto& [y, deviation] : candidates) {
      if (!far(y)) continue;
      const auto fit = laplace_fit(energy_, y, deviation);
      if (!fit || fit->log_integral < tempered_.log_integral - 4.6 || !far(fit->minimum)) continue;
      const std::int64_t count = fitted_.components();
      Eigen::VectorXd weights(count + 1);
      weights << 0.9 * fitted_.weights(), 0.1;
      Points means(energy_.features(), count + 1);
      means << fitted_.means(), fit->minimum;
      std::vector<Eigen::MatrixXd> covariances;
      for (std::int64_t k = 0; k < count; ++k) covariances.push_back(fitted_.covariance(k));
      covariances.push_back(fit->covariance);
      fitted_ = Mixture(weights, means, covariances);
      ++added_;
    }
  }

  /// Weighs fresh draws of the fitted mixture.
  void weigh() {
    tell(0.9, "weighing fresh draws");
    const std::int64_t draws = std::clamp<std::int64_t>(budget_ / 10, 2000, kMostWeighed);
    weights_ = weighted_draws(energy_, HeavyMixture(fitted_), draws, random_);
    proposal_ = fitted_;
  }

  /// Adds to the mixture one fitted to its own weighted draws, where these say enough, as long as
  /// that helps (population Monte Carlo; Cappe et al. 2008). What it covered it goes on covering.
  void adapt() {
    constexpr int kMost = 2;
    constexpr double kEnough = 0.9;
    for (int round = 0; round < kMost && weights_.share > 0.05 && weights_.share < kEnough;
         ++round) {
      const std::vector<std::int64_t> rows = resampled_rows(
          {weights_.log_weights.data(), static_cast<std::size_t>(weights_.log_weights.size())},
          random_.uniform());
      const Mixture before = fitted_;
      const WeightedDraws old = weights_;
      const Mixture better =
          fit_mixture(weights_.y(Eigen::all, rows), &before,
                      {.components = kMostComponents, .iterations = 6, .splits = 6}, random_);
      fitted_ = Mixture(before, better);
      weigh();
      if (weights_.share > old.share) {
        labels_ = better;
        continue;
      }
      fitted_ = before;
      proposal_ = before;
      weights_ = old;
      break;
    }
  }

  /// Tempers again, from the fitted mixture.
  bool next_stage(int stage) {
    const auto features = static_cast<double>(energy_.features());
    const double parameters =
        static_cast<double>(fitted_.components()) * features * (features + 3.0) / 2.0;
    if (weights_.share < kUselessShare && added_ == 0 &&
        parameters > static_cast<double>(refitted_points_) / 10.0) {
      // The mixture is no use as a start: one wide Gaussian instead.
      fitted_ = Mixture(Eigen::VectorXd::Ones(1), refitted_mean_, {1.2 * refitted_covariance_});
      weigh();
    }
    const HeavyMixture reference(fitted_);
    const double left =
        std::max(static_cast<double>(budget_ - evaluations()), 0.3 * static_cast<double>(budget_));
    const TemperingOptions options{
        .particles = 2 * particles_,
        .effective_share = 0.85,
        .components = std::max<std::int64_t>(fitted_.components() + 4, 8),
        .sweeps = 6,
        .evaluations = static_cast<std::int64_t>(left / static_cast<double>(options_.islands) /
                                                 (stage > 2 ? 1.0 : 1.3)),
        .mixture = &fitted_};
    if (!temper_islands(stage, options,
                        [&](std::int64_t) -> const ReferenceDensity& { return reference; }))
      return false;
    const BridgeEstimate bridge = bridged(islands_, reference, weights_);
    bridge_ = bridge;
    if (weights_.share > 0.02 && weights_.shape < 0.7) {
      estimate_ = bridge.log_integral;
      error_ = std::max({bridge.error, weights_.error, 0.005});
      method_ = Method::kBridge;
    } else {
      estimate_ = tempered_.log_integral;
      error_ = tempered_.error;
      method_ = Method::kTempering;
    }
    if (weights_.share > kUselessShare) {
      const Mixture kept = fitted_;
      const WeightedDraws old = weights_;
      refit();
      weigh();
      if (weights_.share <= 0.7 * old.share) {
        fitted_ = kept;
        proposal_ = kept;
        weights_ = old;
      }
      adapt();
    }
    if (weights_.clean()) {
      estimate_ = weights_.log_integral;
      error_ = std::max(weights_.error, 0.002);
      method_ = Method::kImportance;
    } else if (weights_.share > 0.1 && weights_.shape < 1.0) {
      estimate_ = weights_.log_integral;
      error_ = std::max({weights_.error, std::abs(estimate_ - tempered_.log_integral) / 1.5,
                         std::abs(estimate_ - bridge.log_integral) / 1.5});
      method_ = Method::kImportance;
    }
    history_.push_back(estimate_);
    return true;
  }

  Evidence evidence() const {
    Evidence evidence{.islands = islands_,
                      .mixture = proposal_,
                      .tempered = tempered_,
                      .weights = weights_,
                      .bridge = bridge_,
                      .history = history_,
                      .log_integral = estimate_,
                      .error = error_,
                      .by_tempering = method_ == Method::kTempering,
                      .settled = settled_,
                      .populations = options_.islands,
                      .died = died_,
                      .evaluations = evaluations(),
                      .refused = energy_.refused(),
                      .refusal = energy_.refusal()};
    for (const auto& energy : island_energies_) {
      evidence.refused += energy->refused();
      if (evidence.refusal.empty()) evidence.refusal = energy->refusal();
    }
    return evidence;
  }

  /// As many samples as are wanted, from weighted draws, moved on so that equal ones part.
  Points fresh_samples(const WeightedDraws& draws) {
    constexpr std::int64_t kSweeps = 3;
    // Draws of nearly equal weights are hardly repeated; a small budget has nothing left for them.
    constexpr std::int64_t kSmall = 1000000;
    const bool equal = budget_ < kSmall || (method_ == Method::kImportance &&
                                            weights_.share > 0.8 && weights_.shape < 0.3);
    const std::int64_t parts = options_.islands;
    // Each part an even number.
    const std::int64_t size = (options_.samples + 2 * parts - 1) / (2 * parts) * 2;
    const std::vector<std::int64_t> rows = resampled_rows(
        {draws.log_weights.data(), static_cast<std::size_t>(draws.log_weights.size())},
        random_.uniform(), size * parts);
    Points samples(energy_.features(), size * parts);
    pool_.parallel(parts, [&](std::int64_t part, int) {
      // Neighbours are often equal.
      std::vector<std::int64_t> own;
      for (std::int64_t i = 0; i < size; ++i)
        own.push_back(rows[static_cast<std::size_t>(i * parts + part)]);
      RandomSequence random(seed_, Stream::kExploration, static_cast<std::uint64_t>(900000 + part));
      samples.middleCols(part * size, size) =
          equal ? Points(draws.y(Eigen::all, own))
                : refreshed(*island_energies_[static_cast<std::size_t>(part)],
                            draws.y(Eigen::all, own), labels_, kSweeps, random);
    });
    samples.conservativeResize(Eigen::NoChange, options_.samples);
    return samples;
  }

  Exploration result() {
    tell(0.95, "drawing samples");
    const std::vector<std::int64_t> mode_of_component = modes_of_components(energy_, proposal_);
    Exploration result;
    result.features = energy_.features();
    const Evidence found = evidence();
    const std::vector<std::string> names = names_of(*target_);
    RandomSequence random(seed_, Stream::kExploration, 800000);
    result.endless =
        infinite_integral(energy_, islands_.front().y, estimate_, columns_, names, random);
    if (!result.endless.empty()) result.warnings.push_back(result.endless);
    judge(found, mode_of_component, result);
    const WeightedDraws draws =
        method_ == Method::kImportance
            ? enough_draws(energy_, HeavyMixture(proposal_), weights_, options_.samples, random_)
            : pooled(islands_);
    const Points x = energy_.to_data(draws.y);
    Eigen::VectorXd weights =
        (draws.log_weights.array() - draws.log_weights.maxCoeff()).exp().matrix();
    result.modes =
        describe_modes(proposal_, mode_of_component, draws.y, x, weights, columns_, draws.islands);
    const Points samples = fresh_samples(draws), chosen = energy_.to_data(samples);
    result.x.assign(chosen.data(), chosen.data() + chosen.size());
    const Eigen::VectorXd log_target = energy_.log_density(chosen);
    result.log_target.assign(log_target.begin(), log_target.end());
    result.component = labels_.most_likely(samples);
    result.confirmed = confirmed_;
    result.log_integral = estimate_;
    result.log_integral_error = error_;
    result.method = method_ == Method::kImportance ? "importance sampling of a fitted mixture"
                    : method_ == Method::kBridge   ? "bridge from a fitted mixture"
                                                   : "tempering";
    result.effective_share = weights_.share;
    result.pareto_k = weights_.shape;
    result.infinite_share = (weights_.log_weights.array() < -1e300).cast<double>().mean();
    result.evaluations = evaluations();
    result.seconds = seconds();
    return result;
  }

  std::shared_ptr<const Target> target_;
  std::span<const ColumnOptions> columns_;
  const ExplorationOptions& options_;
  std::uint64_t seed_;
  ThreadPool& pool_;
  const ExplorationCallbacks& callbacks_;
  UnboundedEnergy energy_;
  // Islands run side by side, so each has one thread and an energy of its own.
  std::vector<std::unique_ptr<ThreadPool>> island_pools_;
  std::vector<std::unique_ptr<UnboundedEnergy>> island_energies_;
  RandomSequence random_;
  std::int64_t particles_, budget_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<bool> stop_ = false;

  std::vector<TemperedParticles> islands_;
  std::int64_t died_ = 0;
  IslandEstimate tempered_;
  Mixture fitted_, proposal_;
  Mixture labels_;  ///< one fit, not several side by side: what samples are told apart by
  std::int64_t refitted_points_ = 0, added_ = 0;
  Eigen::VectorXd refitted_mean_;
  Eigen::MatrixXd refitted_covariance_;
  WeightedDraws weights_;
  std::optional<BridgeEstimate> bridge_;
  double estimate_ = 0.0, error_ = 0.0;
  Method method_ = Method::kTempering;
  std::vector<double> history_;
  bool settled_ = false, confirmed_ = false;
};

}  // namespace

std::optional<Exploration> explore(const std::shared_ptr<const Target>& target,
                                   std::span<const ColumnOptions> columns,
                                   const ExplorationOptions& options, std::uint64_t seed,
                                   ThreadPool& pool, const ExplorationCallbacks& callbacks) {
  check_options(options);
  return Explorer(target, columns, options, seed, pool, callbacks).run();
}

}  // namespace thalweg

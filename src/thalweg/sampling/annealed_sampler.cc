#include "thalweg/sampling/annealed_sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/step_size_search.h"

namespace thalweg {
namespace {

constexpr double kWantedAcceptance = 0.8;
constexpr std::int64_t kPilots = 256;  // draws that step sizes are found with
constexpr std::int64_t kFirstSearch = 20, kFurtherSearch = 8;  // moves of each, a level

/// Each level, from 1 on, and each trial of the search there has numbers of its own; level 0 is for
/// the draws of the search.
std::uint64_t level_seed(std::uint64_t seed, std::size_t level, std::uint32_t trial) {
  return derived_seed(seed, Stream::kChains, level, trial);
}

std::vector<bool> angles_of(const Model& model) {
  std::vector<bool> angles(static_cast<std::size_t>(model.flow().features()), false);
  const std::vector<ColumnOptions>& columns = model.options().columns;
  for (std::size_t i = 0; i < columns.size(); ++i) angles[i] = columns[i].periodic;
  return angles;
}

void check(const Model& model, const Target* target, const AnnealingOptions& options) {
  const Flow& flow = model.flow();
  if (options.levels < 1 || options.leapfrog_steps < 1)
    fail<ConfigError>("annealing: expected at least 1 level and 1 leapfrog step, got {} and {}",
                      options.levels, options.leapfrog_steps);
  if (!(options.step_size >= 0.0 && std::isfinite(options.step_size)))
    fail<ConfigError>("annealing: expected a step size above 0, or 0 to find one, got {}",
                      options.step_size);
  if (target == nullptr || target->features() != flow.features())
    fail<ConfigError>("annealing: expected a target of {} columns, got {}", flow.features(),
                      target == nullptr ? "none" : std::to_string(target->features()));
  for (const ColumnOptions& column : model.options().columns)
    if (column.has_intervals())
      fail<ConfigError>(
          "annealing: expected a model of continuous columns, got one of separate values");
  if (flow.context_features() > 0 || flow.stochastic())
    fail<ConfigError>("annealing: expected a model without condition and random layers");
  if (!flow.exact_slopes())
    fail<ConfigError>(
        "annealing: the slopes of this model's log densities are estimates, by which no move keeps "
        "to a density: take --sampler importance");
}

/// Places and what is known of them; arrays are rows x features, or one number a row.
struct Points {
  std::vector<double> y, log_flow, log_target, flow_slopes, target_slopes;

  std::size_t rows() const { return log_flow.size(); }
  /// Whether it can be moved from, and to.
  bool is_good(std::size_t row) const {
    return std::isfinite(log_flow[row]) && std::isfinite(log_target[row]);
  }
  double difference(std::size_t row) const { return log_target[row] - log_flow[row]; }
  double log_density(std::size_t row, double power) const {
    return (1.0 - power) * log_flow[row] + power * log_target[row];
  }
  void take(std::size_t row, const Points& from) {
    const std::size_t width = y.size() / rows();
    const auto copy = [&](std::vector<double>& to, const std::vector<double>& source,
                          std::size_t size) {
      std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(row * size), size,
                  to.begin() + static_cast<std::ptrdiff_t>(row * size));
    };
    copy(y, from.y, width);
    copy(flow_slopes, from.flow_slopes, width);
    copy(target_slopes, from.target_slopes, width);
    copy(log_flow, from.log_flow, 1);
    copy(log_target, from.log_target, 1);
  }
};

}  // namespace

struct AnnealedSampler::Machine {
  const Model& model;
  const std::shared_ptr<const Target> target;
  const AnnealingOptions options;
  ThreadPool& pool;
  const std::size_t width;
  const std::vector<bool> angles;
  const bool in_unit_interval;  // what is not an angle
  ColumnMap columns;
  FlowSampler draws;
  std::optional<RowMap> flow_at, target_at, noise;
  std::vector<double> scales;  // of the columns; empty until they are found
  std::vector<AnnealingLevel> levels = {};
  std::int64_t evaluations = 0, undefined = 0, non_finite = 0;
  std::uint64_t drawn = 0;

  Machine(const Model& given, std::shared_ptr<const Target> wanted, const AnnealingOptions& asked,
          ThreadPool& threads)
      : model(given),
        target(std::move(wanted)),
        options(asked),
        pool(threads),
        width(static_cast<std::size_t>(given.flow().features())),
        angles(angles_of(given)),
        in_unit_interval(is_on_unit_interval(given.options())),
        columns(given, threads),
        draws(given, threads, asked.seed, asked.precision) {
    const Flow& flow = model.flow();
    const auto own = [](Value value, Value y) {  // a value of each row
      return value.batched() ? value : value + 0.0 * slice(y, 0, 1);
    };
    const auto slopes = [&](Value of, Value y) {
      return own(flow.base().along(vjp({of}, {}, {y})[0], {}), y);
    };
    {
      Graph graph(model.parameters());
      const Value y = graph.input({flow.features(), 1});
      const Mapped latent = flow.inverse(y, {}, 0, model.layers());
      Value log_flow = own(flow.log_base(latent.value) + latent.log_det, y);
      const Value by_y = slopes(log_flow, y);
      // Where an integration misses z nothing is known.
      if (latent.unsolved.valid())
        log_flow = select(less_equal(latent.unsolved, graph.constant(0.0)), log_flow,
                          graph.constant(-INFINITY));
      flow_at.emplace(graph, std::vector<Value>{log_flow, by_y}, pool, asked.precision);
    }
    {
      // In double: of large numbers the differences count.
      Graph graph(model.parameters());
      const Value y = graph.input({flow.features(), 1});
      const Mapped data = flow.forward(y, {}, model.layers());
      const Value log_target = own(target->log_density(data.value) + data.log_det, y);
      target_at.emplace(graph, std::vector<Value>{log_target, slopes(log_target, y)}, pool);
    }
    Graph random(model.parameters());
    const Value like = random.input({flow.features(), 1});
    noise.emplace(random,
                  std::vector<Value>{own(flow.base().along(random.normal(like.shape()), {}), like),
                                     own(random.uniform({2, 1}), like)},
                  pool);
    for (std::int64_t level = 1; level < options.levels; ++level)
      levels.push_back({static_cast<double>(level) / static_cast<double>(options.levels),
                        options.step_size, 0, 0});
  }

  Points at(std::vector<double> y) {
    Points points;
    points.y = std::move(y);
    evaluate(points);
    return points;
  }

  void evaluate(Points& points) {
    const auto rows = static_cast<std::int64_t>(points.y.size() / width);
    auto of_flow = flow_at->run({.rows = rows, .inputs = {points.y}});
    auto of_target = target_at->run({.rows = rows, .inputs = {points.y}});
    points.log_flow = std::move(of_flow[0]);
    points.flow_slopes = std::move(of_flow[1]);
    points.log_target = std::move(of_target[0]);
    points.target_slopes = std::move(of_target[1]);
    evaluations += rows;
    if (!in_unit_interval) return;
    // The maps of intervals go on beyond them, where the density is 0.
    for (std::size_t i = 0; i < points.y.size(); ++i)
      if (!angles[i % width] && (points.y[i] < 0.0 || points.y[i] > 1.0))
        points.log_flow[i / width] = -INFINITY;
  }

  /// Runs `work` on ranges of rows by all threads.
  void over_rows(std::size_t rows, const std::function<void(std::size_t)>& work) const {
    constexpr std::size_t kRows = 256;
    pool.parallel(static_cast<std::int64_t>((rows + kRows - 1) / kRows),
                  [&](std::int64_t part, int) {
                    const std::size_t first = static_cast<std::size_t>(part) * kRows;
                    for (std::size_t row = first; row < std::min(rows, first + kRows); ++row)
                      work(row);
                  });
  }

  /// Adds the slopes of the log density times `length` and the columns' scales to the momenta.
  void push(std::vector<double>& momenta, const Points& points, double power, double step,
            const std::vector<double>& lengths) const {
    over_rows(points.rows(), [&](std::size_t row) {
      for (std::size_t c = 0; c < width; ++c) {
        const std::size_t i = row * width + c;
        const double slope =
            (1.0 - power) * points.flow_slopes[i] + power * points.target_slopes[i];
        momenta[i] += step * lengths[row] * scales[c] * slope;
      }
    });
  }

  /// One Hamiltonian move of all points, the first of which has number `first`. Gives the
  /// probability with which each is accepted, NaN for those that cannot be moved; `accepted`
  /// counts.
  std::vector<double> move(Points& points, double power, double step_size, std::uint64_t seed,
                           std::uint64_t first, std::int64_t& accepted) {
    const std::size_t rows = points.rows();
    auto random = noise->run({.rows = static_cast<std::int64_t>(rows),
                              .inputs = {points.y},
                              .seed = seed,
                              .first_sample = first});
    std::vector<double>& momenta = random[0];
    const std::vector<double>& uniform = random[1];
    // Lengths that vary keep paths from closing on themselves (Neal 2011, section 3.2).
    std::vector<double> lengths(rows), kinetic(rows);
    for (std::size_t row = 0; row < rows; ++row)
      lengths[row] = step_size * (0.8 + 0.4 * uniform[2 * row]);
    const auto kinetic_energy = [&](std::size_t row) {
      double sum = 0.0;
      for (std::size_t c = 0; c < width; ++c)
        sum += momenta[row * width + c] * momenta[row * width + c];
      return 0.5 * sum;
    };
    over_rows(rows, [&](std::size_t row) { kinetic[row] = kinetic_energy(row); });
    Points moved = points;
    push(momenta, moved, power, 0.5, lengths);
    for (std::int64_t step = 0; step < options.leapfrog_steps; ++step) {
      if (step > 0) push(momenta, moved, power, 1.0, lengths);
      over_rows(rows, [&](std::size_t row) {
        for (std::size_t c = 0; c < width; ++c) {
          double& value = moved.y[row * width + c];
          value += lengths[row] * scales[c] * momenta[row * width + c];
          if (angles[c]) value = std::remainder(value, 2.0 * std::numbers::pi);
        }
      });
      evaluate(moved);
    }
    push(momenta, moved, power, 0.5, lengths);
    std::vector<double> probabilities(rows, 0.0);
    for (std::size_t row = 0; row < rows; ++row) {
      if (!points.is_good(row)) {
        probabilities[row] = NAN;
        continue;
      }
      const double log_ratio = moved.log_density(row, power) - points.log_density(row, power) +
                               kinetic[row] - kinetic_energy(row);
      // Comparisons with NaN are false: such moves are refused.
      if (!moved.is_good(row) || !(log_ratio > -INFINITY)) continue;
      probabilities[row] = std::exp(std::min(log_ratio, 0.0));
      if (!(std::log(uniform[2 * row + 1]) < log_ratio)) continue;
      points.take(row, moved);
      ++accepted;
    }
    return probabilities;
  }

  /// How far draws of each column are apart: their deviation, of angles sqrt(2 - 2 R) with R the
  /// length of their mean direction.
  std::vector<double> spreads(const std::vector<double>& y) const {
    std::vector<double> result;
    const auto rows = static_cast<double>(y.size() / width);
    for (std::size_t c = 0; c < width; ++c) {
      double sine = 0.0, cosine = 0.0, sum = 0.0, square = 0.0;
      for (std::size_t i = c; i < y.size(); i += width) {
        sine += std::sin(y[i]) / rows;
        cosine += std::cos(y[i]) / rows;
        sum += y[i] / rows;
        square += y[i] * y[i] / rows;
      }
      result.push_back(std::sqrt(
          std::max(angles[c] ? 2.0 - 2.0 * std::hypot(sine, cosine) : square - sum * sum, 0.0)));
    }
    return result;
  }

  /// What steps of one size are of each column: 1 / root mean square of the slopes of log q, and no
  /// more than its draws are apart, where a column is nearly flat between bounds or on a circle.
  void find_scales(const Points& points) {
    std::vector<double> squares(width, 0.0), counts(width, 0.0);
    bool any = false;
    for (std::size_t row = 0; row < points.rows(); ++row) {
      if (!points.is_good(row)) continue;
      any = true;
      for (std::size_t c = 0; c < width; ++c) {
        const double slope = points.flow_slopes[row * width + c];
        if (!std::isfinite(slope)) continue;
        squares[c] += slope * slope;
        ++counts[c];
      }
    }
    if (!any)
      fail<NumericalError>("annealing: none of {} draws of the flow has a finite energy", kPilots);
    for (std::size_t c = 0; c < width; ++c) squares[c] /= std::max(counts[c], 1.0);
    std::vector<double> most = spreads(points.y);
    if (model.flow().base().mean_free_dimensions() > 0) {  // Directions of space are alike.
      const auto mean = [&](const std::vector<double>& values) {
        return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(width);
      };
      squares.assign(width, mean(squares));
      most.assign(width, mean(most));
    }
    for (std::size_t c = 0; c < width; ++c) {
      const double scale = std::min(1.0 / std::sqrt(squares[c]), most[c]);
      scales.push_back(scale > 0.0 && std::isfinite(scale) ? scale : 1.0);
    }
  }

  /// Scales of the columns, and step sizes that are not given, by draws of their own.
  void search() {
    FlowSampler pilots(model, pool, level_seed(options.seed, 0, 1), options.precision);
    Points points = at(pilots.next_layers(kPilots).y);
    find_scales(points);
    if (options.step_size > 0.0) return;
    std::vector<double> log_weights(points.rows(), 0.0);
    StepSizeSearch found;
    found.log_step_size = std::log(StepSizeSearch::kFirst);
    for (std::size_t k = 0; k < levels.size(); ++k) {
      for (std::size_t row = 0; row < points.rows(); ++row)
        if (points.is_good(row))
          log_weights[row] += points.difference(row) / static_cast<double>(options.levels);
      const std::int64_t trials = k == 0 ? kFirstSearch : kFurtherSearch;
      double sum = 0.0;  // of the second half's logarithms
      for (std::int64_t trial = 0; trial < trials; ++trial) {
        if (2 * trial >= trials) sum += found.log_step_size;
        std::int64_t accepted = 0;
        const std::vector<double> probabilities = move(
            points, levels[k].power, std::exp(found.log_step_size),
            level_seed(options.seed, k + 1, static_cast<std::uint32_t>(trial) + 1), 0, accepted);
        found.update(usual_acceptance(probabilities, log_weights), kWantedAcceptance);
      }
      levels[k].step_size = std::exp(sum / static_cast<double>(trials - (trials + 1) / 2));
    }
  }

  /// Mean of the probabilities, in which rows count by their weights, but none more than the median
  /// does: draws that hardly weigh, as those whose atoms overlap, must not decide.
  static double usual_acceptance(const std::vector<double>& probabilities,
                                 const std::vector<double>& log_weights) {
    std::vector<double> known;
    for (std::size_t row = 0; row < probabilities.size(); ++row)
      if (!std::isnan(probabilities[row])) known.push_back(log_weights[row]);
    const auto middle = known.begin() + std::ssize(known) / 2;
    std::ranges::nth_element(known, middle);
    double total = 0.0, sum = 0.0;
    for (std::size_t row = 0; row < probabilities.size(); ++row) {
      if (std::isnan(probabilities[row])) continue;
      const double weight = std::exp(std::min(log_weights[row] - *middle, 0.0));
      total += weight;
      sum += weight * probabilities[row];
    }
    return sum / total;
  }
};

AnnealedSampler::AnnealedSampler(const Model& model, std::shared_ptr<const Target> target,
                                 const AnnealingOptions& options, ThreadPool& pool) {
  check(model, target.get(), options);
  machine_ = std::make_unique<Machine>(model, std::move(target), options, pool);
}

AnnealedSampler::~AnnealedSampler() = default;

std::vector<double> AnnealedSampler::next(std::int64_t count, std::vector<double>& log_weights) {
  Machine& machine = *machine_;
  if (machine.scales.empty() && !machine.levels.empty()) machine.search();
  LayerDraws drawn = machine.draws.next_layers(count);
  Points points = machine.at(std::move(drawn.y));
  const double share = 1.0 / static_cast<double>(machine.options.levels);
  log_weights.assign(points.rows(), 0.0);
  for (std::size_t row = 0; row < points.rows(); ++row) {
    double& log_target = points.log_target[row];
    if (std::isnan(log_target)) {
      log_target = -INFINITY;  // as counted_log_density() has it
      ++machine.undefined;
    }
  }
  // Of draws that do not move, the density that they were drawn with.
  const auto weigh = [&](bool first) {
    for (std::size_t row = 0; row < points.rows(); ++row) {
      const double log_flow =
          first || !points.is_good(row) ? drawn.log_density[row] : points.log_flow[row];
      log_weights[row] +=
          std::isfinite(log_flow) ? share * (points.log_target[row] - log_flow) : -INFINITY;
    }
  };
  weigh(true);
  for (std::size_t k = 0; k < machine.levels.size(); ++k) {
    AnnealingLevel& level = machine.levels[k];
    const std::vector<double> probabilities =
        machine.move(points, level.power, level.step_size,
                     level_seed(machine.options.seed, k + 1, 0), machine.drawn, level.accepted);
    level.moves += std::ranges::count_if(probabilities, [](double p) { return !std::isnan(p); });
    weigh(false);
  }
  machine.drawn += static_cast<std::uint64_t>(count);
  std::vector<double> x = machine.columns.to_data(std::move(points.y));
  machine.non_finite += finish_samples(machine.model, x, machine.pool, Drawn::kAsItIs);
  return x;
}

const std::vector<AnnealingLevel>& AnnealedSampler::levels() const { return machine_->levels; }
std::int64_t AnnealedSampler::evaluations() const { return machine_->evaluations; }
std::int64_t AnnealedSampler::undefined() const { return machine_->undefined; }
std::int64_t AnnealedSampler::non_finite() const { return machine_->non_finite; }
std::int64_t AnnealedSampler::unsolved() const { return machine_->draws.statistics().unsolved; }

}  // namespace thalweg

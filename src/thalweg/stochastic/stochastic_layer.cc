#include "thalweg/stochastic/stochastic_layer.h"

#include <cmath>
#include <utility>

#include "thalweg/bases/mean_free_normal.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

Value square_norm(Value a) { return sum(square(a), Axis::kFeatures); }

/// What all layers share: the energy, its slope, noise and the size of each step.
class StochasticLayer : public Transform {
 public:
  StochasticLayer(ParameterStore& parameters, const std::string& name,
                  std::shared_ptr<const Energy> energy, const StochasticOptions& options)
      : Transform(name, energy->features()), energy_(std::move(energy)), options_(options) {
    if (options.trainable)
      log_step_size_ = parameters.add(name + ".log_step_size", 1, 1, std::log(options.step_size));
  }
  bool stochastic() const override { return true; }

 protected:
  Mapped build_forward(Value z, Value /*context*/) const override { return move(z, false); }
  Mapped build_inverse(Value x, Value /*context*/) const override { return move(x, true); }
  /// The moves, from either side; backward ones take the step sizes from the last to the first.
  virtual Mapped move(Value start, bool backward) const = 0;

  const StochasticOptions& options() const { return options_; }
  Value energy(Value y) const { return (*energy_)(y); }
  /// du/dy. An energy without a slope, a constant, gives zeros.
  Value slope(Value y) const { return allowed(vjp({energy(y)}, {}, {y})[0]); }
  /// Moves are numbered from 0 in the order in which they are made.
  Value step_size(Graph& graph, std::int64_t number, bool backward) const {
    if (backward) number = options_.steps - 1 - number;
    const double ratio =
        options_.last_step_size > 0.0 && options_.steps > 1
            ? std::pow(options_.last_step_size / options_.step_size,
                       static_cast<double>(number) / static_cast<double>(options_.steps - 1))
            : 1.0;
    if (!options_.trainable) return graph.constant(options_.step_size * ratio);
    return exp(graph.parameter(log_step_size_)) * ratio;
  }
  static Domain domain(Value start) { return start.batched() ? start.domain() : 0; }
  Value noise(Value start) const {
    return allowed(start.graph->normal({features(), 1}, domain(start)));
  }
  /// Whether a move to this energy, with this log ratio of probabilities of Metropolis and
  /// Hastings, is accepted; NaN is not, nor is an energy that is not finite.
  static Value accepted(Value start, Value proposed, Value log_ratio) {
    return is_finite(proposed) * less(log(start.graph->uniform({1, 1}, domain(start))), log_ratio);
  }
  /// Log ratio of accepted moves. From where the density is 0 nothing leads back; what has not
  /// moved has ratio 1.
  static Value log_ratio_of(Value start_energy, Value end_energy) {
    Graph& graph = *start_energy.graph;
    const Value left =
        select(is_finite(end_energy), graph.constant(-INFINITY), graph.constant(0.0));
    return select(is_finite(start_energy), end_energy - start_energy, left);
  }
  static bool trains(Value start) { return start.graph->phase() == Phase::kTraining; }

 private:
  /// The part of a direction that keeps the centre of mass of particles.
  Value allowed(Value direction) const {
    return options_.mean_free_dimensions > 0 ? mean_free(direction, options_.mean_free_dimensions)
                                             : direction;
  }

  std::shared_ptr<const Energy> energy_;
  StochasticOptions options_;
  ParameterId log_step_size_;
};

class Metropolis final : public StochasticLayer {
 public:
  using StochasticLayer::StochasticLayer;

 protected:
  Mapped move(Value start, bool backward) const override {
    // Which moves are accepted has no derivative, so the chain runs on values alone, and what is
    // differentiable is made of its outcome.
    const Value origin = stop_gradient(start);
    Value y = origin, current = energy(y);
    Value shift = start.graph->constant({features(), 1}, zeros());
    for (std::int64_t number = 0; number < options().steps; ++number) {
      const Value size = step_size(*start.graph, number, backward);
      const Value made = noise(start);
      const Value next = y + stop_gradient(size) * made;
      const Value proposed = energy(next);
      const Value accept = accepted(start, proposed, current - proposed);
      y = select(accept, next, y);
      current = select(accept, proposed, current);
      if (options().trainable) shift = shift + size * select(accept, made, 0.0 * made);
    }
    if (!options().trainable) shift = stop_gradient(y - origin);
    const Value end = start + shift;
    return {end, log_ratio_of(energy(start), energy(end))};
  }

 private:
  std::vector<double> zeros() const {
    return std::vector<double>(static_cast<std::size_t>(features()), 0.0);
  }
};

class Langevin final : public StochasticLayer {
 public:
  using StochasticLayer::StochasticLayer;

 protected:
  Mapped move(Value start, bool backward) const override {
    Value y = start, force = slope(y), log_ratio = start.graph->constant(0.0);
    for (std::int64_t number = 0; number < options().steps; ++number) {
      const Value size = step_size(*start.graph, number, backward);
      const Value made = noise(start);
      y = y - size * force + sqrt(2.0 * size) * made;
      const Value next_force = slope(y);
      const Value back = sqrt(0.5 * size) * (force + next_force) - made;
      log_ratio = log_ratio - 0.5 * (square_norm(back) - square_norm(made));
      force = next_force;
    }
    return {y, log_ratio};
  }
};

class Inertial final : public StochasticLayer {
 public:
  using StochasticLayer::StochasticLayer;

 protected:
  Mapped move(Value start, bool backward) const override {
    Value y = start, force = slope(y), velocity = noise(start);
    Value log_ratio = start.graph->constant(0.0);
    for (std::int64_t number = 0; number < options().steps; ++number) {
      const Value size = step_size(*start.graph, number, backward);
      // Half a step of friction and noise, before and after.
      velocity = after_friction(velocity, size, start);
      const Value before = square_norm(velocity);
      velocity = velocity - 0.5 * size * force;
      y = y + size * velocity;
      force = slope(y);
      velocity = velocity - 0.5 * size * force;
      log_ratio = log_ratio - 0.5 * (square_norm(velocity) - before);
      velocity = after_friction(velocity, size, start);
    }
    return {y, log_ratio};
  }

 private:
  Value after_friction(Value velocity, Value size, Value start) const {
    // The root below has no derivative at 0.
    if (options().friction == 0.0) return velocity;
    const Value kept = exp(-0.5 * options().friction * size);
    const Value fresh = sqrt(-expm1(-options().friction * size));
    return kept * velocity + fresh * noise(start);
  }
};

class Mala final : public StochasticLayer {
 public:
  using StochasticLayer::StochasticLayer;

 protected:
  Mapped move(Value start, bool backward) const override {
    Value y = start, force = slope(y), current = stop_gradient(energy(y));
    for (std::int64_t number = 0; number < options().steps; ++number) {
      const Value size = step_size(*start.graph, number, backward);
      const Value made = noise(start);
      const Value next = y - size * force + sqrt(2.0 * size) * made;
      const Value proposal = stop_gradient(next);
      const Value proposed = energy(proposal);
      const Value next_force = slope(proposal);
      const Value back = stop_gradient(sqrt(0.5 * size) * (force + next_force) - made);
      const Value accept = accepted(
          start, proposed, current - proposed - 0.5 * (square_norm(back) - square_norm(made)));
      y = select(accept, next, y);
      current = select(accept, proposed, current);
      // Where derivatives are wanted, the slope is worked out at accepted points alone.
      force = trains(start) ? slope(y) : select(accept, next_force, force);
    }
    return {y, log_ratio_of(energy(start), energy(y))};
  }
};

class Hmc final : public StochasticLayer {
 public:
  using StochasticLayer::StochasticLayer;

 protected:
  Mapped move(Value start, bool backward) const override {
    Value y = start;
    for (std::int64_t number = 0; number < options().steps; ++number) {
      const Value size = step_size(*start.graph, number, backward);
      const Value velocity = noise(start);
      const Value origin = stop_gradient(y);
      const auto [end, last] = leapfrog(origin, velocity, stop_gradient(size));
      const Value proposed = energy(end);
      const Value accept =
          accepted(start, proposed,
                   energy(origin) - proposed + 0.5 * (square_norm(velocity) - square_norm(last)));
      // Where derivatives are wanted, accepted paths run again and rejected ones stand still.
      y = trains(start) ? leapfrog(y, velocity, select(accept, size, 0.0 * size)).first
                        : select(accept, end, y);
    }
    return {y, log_ratio_of(energy(start), energy(y))};
  }

 private:
  std::pair<Value, Value> leapfrog(Value y, Value velocity, Value size) const {
    velocity = velocity - 0.5 * size * slope(y);
    for (std::int64_t number = 0; number < options().leapfrog_steps; ++number) {
      y = y + size * velocity;
      const bool last = number + 1 == options().leapfrog_steps;
      velocity = velocity - (last ? 0.5 : 1.0) * size * slope(y);
    }
    return {y, velocity};
  }
};

template <typename Layer>
StochasticKind kind(std::string name, std::string summary, std::vector<std::string> settings) {
  for (const char* key : {"stochastic.steps", "stochastic.step_size", "stochastic.last_step_size",
                          "stochastic.trainable"})
    settings.emplace_back(key);
  return {.name = std::move(name),
          .summary = std::move(summary),
          .settings = std::move(settings),
          .make = [](ParameterStore& parameters, const std::string& layer,
                     std::shared_ptr<const Energy> energy, const StochasticOptions& options) {
            return std::make_shared<Layer>(parameters, layer, std::move(energy), options);
          }};
}

}  // namespace

KindTable<StochasticKind>& stochastic_kinds() {
  static KindTable<StochasticKind> table({
      kind<Metropolis>("metropolis", "y + step_size noise, accepted by the energy", {}),
      kind<Langevin>("langevin", "overdamped Langevin steps without a test", {}),
      kind<Inertial>("inertial", "Langevin steps with velocities, drawn afresh in each layer",
                     {"stochastic.friction"}),
      kind<Mala>("mala", "a langevin step, accepted so that exp(-u) stays as it is", {}),
      kind<Hmc>("hmc", "fresh velocities and leapfrog steps, accepted likewise",
                {"stochastic.leapfrog_steps"}),
  });
  return table;
}

std::shared_ptr<const Transform> make_stochastic_layer(ParameterStore& parameters,
                                                       const std::string& name,
                                                       std::shared_ptr<const Energy> energy,
                                                       const StochasticOptions& options) {
  if (!energy) fail<ConfigError>("{}: expected an energy, got none", name);
  const auto positive = [](double value) { return value > 0.0 && std::isfinite(value); };
  if (options.steps < 1)
    fail<ConfigError>("stochastic.steps: expected at least 1, got {}", options.steps);
  if (!positive(options.step_size))
    fail<ConfigError>("stochastic.step_size: expected a positive number, got {}",
                      options.step_size);
  if (options.last_step_size != 0.0 && !positive(options.last_step_size))
    fail<ConfigError>("stochastic.last_step_size: expected a positive number or 0, got {}",
                      options.last_step_size);
  if (options.leapfrog_steps < 1)
    fail<ConfigError>("stochastic.leapfrog_steps: expected at least 1, got {}",
                      options.leapfrog_steps);
  if (!(options.friction >= 0.0 && std::isfinite(options.friction)))
    fail<ConfigError>("stochastic.friction: expected a number of at least 0, got {}",
                      options.friction);
  return stochastic_kinds()
      .find("stochastic.kind", options.kind)
      .make(parameters, name, std::move(energy), options);
}

}  // namespace thalweg

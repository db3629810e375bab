#include "thalweg/transforms/continuous.h"

#include <boost/numeric/odeint/algebra/vector_space_algebra.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_dopri5.hpp>
#include <numbers>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

constexpr double kPlaceTolerance = 1e-3;   // of x, against 1 + |x|
constexpr double kLogDetTolerance = 0.01;  // nats

const Network& checked(const std::string& name, const std::unique_ptr<const Network>& velocity) {
  if (!velocity) fail<ConfigError>("{}: expected a network for the velocity, got none", name);
  if (velocity->outputs() != velocity->inputs() ||
      velocity->context_features() < Continuous::kTimeFeatures)
    fail<ConfigError>(
        "{}: expected a velocity with as many outputs as inputs and a context of at least {} "
        "features for the time, got {} to {} and {}",
        name, Continuous::kTimeFeatures, velocity->inputs(), velocity->outputs(),
        velocity->context_features());
  return *velocity;
}

Value length(Value a) { return sqrt(sum(square(a))); }

}  // namespace

/// What is integrated, with the operations of a vector space.
struct Continuous::State {
  Value x, log_det;

  friend State operator+(const State& a, const State& b) {
    return {a.x + b.x, a.log_det + b.log_det};
  }
  friend State operator*(double factor, const State& a) {
    return factor == 1.0 ? a : State{factor * a.x, factor * a.log_det};
  }
};

Continuous::Continuous(const std::string& name, std::unique_ptr<const Network> velocity,
                       const ContinuousOptions& options)
    : Transform(name, checked(name, velocity).inputs(),
                checked(name, velocity).context_features() - kTimeFeatures),
      options_(options),
      velocity_(std::move(velocity)) {
  if (options.steps < 1)
    fail<ConfigError>("flow.steps: expected at least 1, got {}", options.steps);
}

Value Continuous::velocity(Value x, Value t, Value context) const {
  const Value angle = std::numbers::pi * t;
  std::vector<Value> given{t, sin(angle), cos(angle)};
  if (context.valid()) given.push_back(context);
  return (*velocity_)(x, concat(given));
}

Mapped Continuous::integrate(Value start, Value context, double from, double to) const {
  namespace odeint = boost::numeric::odeint;
  Graph& graph = *start.graph;
  const Value identity = identity_matrix(graph, features());
  const auto field = [&](const State& at, State& slope, double t) {
    slope.x = velocity(at.x, graph.constant(t), context);
    slope.log_det = sum(jacobian(slope.x, at.x) * identity);
  };
  odeint::runge_kutta_dopri5<State, double, State, double, odeint::vector_space_algebra> stepper;
  State state{start, graph.constant(0.0)}, error;
  Value place_error = graph.constant(0.0), log_det_error = graph.constant(0.0);
  const double step = (to - from) / static_cast<double>(options_.steps);
  for (std::int64_t i = 0; i < options_.steps; ++i) {
    stepper.do_step(field, state, from + static_cast<double>(i) * step, step, error);
    place_error = place_error + length(error.x);
    log_det_error = log_det_error + abs(error.log_det);
  }
  const Value placed = less_equal(place_error, kPlaceTolerance * (1.0 + length(state.x)));
  const Value good = placed * less_equal(log_det_error, graph.constant(kLogDetTolerance));
  return {state.x, state.log_det, 1.0 - good, 1.0 - placed};
}

Mapped Continuous::build_forward(Value z, Value context) const {
  return integrate(z, context, 0.0, 1.0);
}

Mapped Continuous::build_inverse(Value x, Value context) const {
  return integrate(x, context, 1.0, 0.0);
}

}  // namespace thalweg

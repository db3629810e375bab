#include "thalweg/transforms/free_form.h"

#include <cmath>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg {
namespace {

constexpr double kTolerance = 1e-4;        // of |g(z) - x|, against 1 + |x|
constexpr double kShortened = 0.25;        // of a Newton step that leads away
constexpr std::int64_t kFewFeatures = 16;  // whose Newton steps cost little

/// Steps of the search for z.
struct Steps {
  int encoder;  // without a derivative
  int newton;
  int smooth;  // Newton steps through which derivatives go
};
constexpr Steps steps_of(std::int64_t features) {
  return features <= kFewFeatures ? Steps{3, 5, 2} : Steps{8, 0, 1};
}

/// The encoder, if it and the decoder fit.
const Network& checked(const std::string& name, const std::unique_ptr<const Network>& encoder,
                       const std::unique_ptr<const Network>& decoder) {
  if (!encoder || !decoder)
    fail<ConfigError>("{}: expected an encoder and a decoder, got {}", name,
                      encoder ? "no decoder" : "no encoder");
  const std::int64_t features = encoder->inputs();
  if (encoder->outputs() != features || decoder->inputs() != features ||
      decoder->outputs() != features)
    fail<ConfigError>(
        "{}: expected an encoder and a decoder of equal dimension, got {} to {} and {} to {}: a "
        "free-form flow keeps the number of features",
        name, encoder->inputs(), encoder->outputs(), decoder->inputs(), decoder->outputs());
  if (encoder->context_features() != decoder->context_features())
    fail<ConfigError>(
        "{}: expected an encoder and a decoder with the same context, got {} and {} features", name,
        encoder->context_features(), decoder->context_features());
  return *encoder;
}

Value squared_length(Value a) { return sum(square(a), Axis::kFeatures); }

Value newton_step(Value jacobian, Value residual) { return matmul(inverse(jacobian), residual); }

}  // namespace

/// A candidate for the z of an x.
struct FreeForm::Place {
  Value z, decoded, error;  // error: |g(z) - x|^2

  /// This one, or `other` where it is nearer: a place that is no number is not.
  Place or_nearer(const Place& other) const {
    const Value nearer = less(other.error, error);
    return {select(nearer, other.z, z), select(nearer, other.decoded, decoded),
            select(nearer, other.error, error)};
  }
};

FreeForm::FreeForm(const std::string& name, std::unique_ptr<const Network> encoder,
                   std::unique_ptr<const Network> decoder, const FreeFormOptions& options)
    : Transform(name, checked(name, encoder, decoder).inputs(),
                checked(name, encoder, decoder).context_features()),
      options_(options),
      encoder_(std::move(encoder)),
      decoder_(std::move(decoder)) {}

Value FreeForm::encode(Value x, Value context) const {
  const Value z = (*encoder_)(x, context);
  return options_.global_skip ? x + z : z;
}

Value FreeForm::decode(Value z, Value context) const {
  const Value x = (*decoder_)(z, context);
  return options_.global_skip ? z + x : x;
}

Mapped FreeForm::build_forward(Value z, Value context) const {
  const Value x = decode(z, context);
  return {x, log_abs_determinant(jacobian(x, z))};
}

FreeForm::Place FreeForm::solve(Value x, Value context) const {
  const auto at = [&](Value z) {
    const Value decoded = decode(z, context);
    return Place{z, decoded, squared_length(decoded - x)};
  };
  const Value encoded = encode(x, context);
  Place place = at(encoded);
  for (int step = 0; step < steps_of(features()).encoder; ++step)
    place = place.or_nearer(at(place.z + encoded - encode(place.decoded, context)));
  for (int step = 0; step < steps_of(features()).newton; ++step) {
    const Value decoded = decode(place.z, context);
    const Value move = newton_step(jacobian(decoded, place.z), x - decoded);
    place = place.or_nearer(at(place.z + move)).or_nearer(at(place.z + kShortened * move));
  }
  return place;
}

Mapped FreeForm::build_inverse(Value x, Value context) const {
  Graph& graph = *x.graph;
  const Value allowed = square(kTolerance * (1.0 + sqrt(squared_length(x))));
  const auto solved = [&](Value error) { return less_equal(error, stop_gradient(allowed)); };
  const Place place = solve(x, context);
  // Where nothing was found, steps would lead anywhere: f(x) stands there.
  const Value found = solved(stop_gradient(place.error) * 1e-4);
  Value z = select(found, stop_gradient(place.z), encode(x, context));
  for (int step = 0; step < steps_of(features()).smooth; ++step) {
    const Value decoded = decode(z, context);
    const Value safe = select(found, jacobian(decoded, z), identity_matrix(graph, features()));
    z = z + select(found, newton_step(safe, x - decoded), graph.constant(0.0));
  }
  const Value decoded = decode(z, context);
  const Value unsolved = 1.0 - solved(squared_length(decoded - x));
  return {z, -log_abs_determinant(jacobian(decoded, z)), unsolved, unsolved};
}

Mapped FreeForm::inverse_by(FreeFormDensity density, Value x, Value context) const {
  if (density == FreeFormDensity::kExact) return inverse(x, context);
  const Value z = encode(x, context);
  if (density == FreeFormDensity::kEncoder) return {z, log_abs_determinant(jacobian(z, x))};
  return {z, -log_abs_determinant(jacobian(decode(z, context), z))};
}

FreeForm::Estimate FreeForm::estimate(Value x, Value context, Value probes) const {
  const Value z = encode(x, context);
  const Value decoded = decode(z, context);
  const Value pushed = stop_gradient(jvp_columns(decoded, z, probes));
  const Value back = jvp_columns(z, x, pushed);
  return {z, sum(probes * back) * (1.0 / static_cast<double>(probes.items())),
          squared_length(decoded - x)};
}

Value orthogonal_probes(Graph& graph, Domain domain, const Base& base, Value context,
                        std::int64_t count) {
  if (count < 1 || count > base.least_dimension())
    fail<ConfigError>(
        "training.probes: expected 1 to {}, the number of {}, got {}", base.least_dimension(),
        base.mean_free_dimensions() > 0 ? "directions that keep the centre of mass of any row"
                                        : "columns",
        count);
  const Value drawn = graph.normal({base.features(), count}, domain);
  std::vector<Value> probes;
  // Gram and Schmidt, each direction freed of the others as soon as they are known.
  for (std::int64_t column = 0; column < count; ++column) {
    Value probe = base.along(slice(drawn, column, 1, Axis::kItems), context);
    for (const Value& other : probes) probe = probe - sum(probe * other, Axis::kFeatures) * other;
    probes.push_back(probe / sqrt(squared_length(probe)));
  }
  return sqrt(base.dimension(graph, context)) * concat(probes, Axis::kItems);
}

}  // namespace thalweg

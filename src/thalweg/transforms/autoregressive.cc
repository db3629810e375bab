#include "thalweg/transforms/autoregressive.h"

#include "thalweg/core/error.h"

namespace thalweg {

Autoregressive::Autoregressive(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const AutoregressiveOptions& options)
    : Transform(name, features, options.context_features),
      map_(options.map),
      scale_map_(options.scale_map),
      spline_(options.spline) {
  std::int64_t outputs_each = scale_map_ == ScaleMap::kNone ? 1 : 2;
  if (map_ == AutoregressiveMap::kSpline) {
    check_spline_options(name, spline_);
    if (spline_.circular)
      fail<ConfigError>("{}: autoregressive splines cannot be circular: use spline couplings",
                        name);
    outputs_each = spline_parameters(spline_);
  } else if (scale_map_ == ScaleMap::kTanh) {
    log_amplitude_ = parameters.add(name + ".log_amplitude", 1, 1, -1.0);
  }
  MlpOptions network = options.network;
  network.context_features = options.context_features;
  network_ = std::make_unique<MaskedMlp>(parameters, name + ".network", random, features,
                                         outputs_each, network);
}

/// `raw` holds the parameters of all features of `from`.
Mapped Autoregressive::move(Value raw, Value from, bool to_data) const {
  const std::int64_t features = from.features();
  if (map_ == AutoregressiveMap::kSpline) {
    const Splines splines =
        make_splines(reshape(raw, {spline_parameters(spline_), features}), spline_);
    return to_data ? invert_splines(splines, from) : apply_splines(splines, from);
  }
  const AffineParameters affine = affine_parameters(raw, features, scale_map_, log_amplitude_);
  return to_data ? apply_affine(affine, scale_map_, from) : invert_affine(affine, scale_map_, from);
}

Mapped Autoregressive::build_inverse(Value x, Value context) const {
  return move((*network_)(x, context), x, false);
}

Mapped Autoregressive::build_forward(Value z, Value context) const {
  std::vector<Value> found;
  Value log_det;
  for (std::int64_t i = 0; i < features(); ++i) {
    const Value before = found.empty() ? Value{} : concat(found);
    const Mapped moved =
        move(network_->outputs_of(*z.graph, i, before, context, z.domain()), slice(z, i, 1), true);
    found.push_back(moved.value);
    log_det = log_det.valid() ? log_det + moved.log_det : moved.log_det;
  }
  return {concat(found), log_det};
}

}  // namespace thalweg

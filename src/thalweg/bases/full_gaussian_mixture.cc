#include "thalweg/bases/full_gaussian_mixture.h"

#include <Eigen/Core>
#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/bases/choice.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// `count` unit matrices of `features` rows, one below the other.
std::vector<double> unit_matrices(std::int64_t features, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count * features * features), 0.0);
  for (std::int64_t row = 0; row < count * features; ++row)
    values[static_cast<std::size_t>(row * features + row % features)] = 1.0;
  return values;
}

}  // namespace

FullGaussianMixture::FullGaussianMixture(ParameterStore& parameters, const std::string& name,
                                         std::int64_t features, std::int64_t components)
    : Base(name, features), components_(components) {
  if (components < 1)
    fail<ConfigError>("{}: expected at least 1 component, got {}", name, components);
  logits_ = parameters.add(name + ".logits", 1, components, 0.0, false);
  means_ = parameters.add(name + ".means", features, components, 0.0, false);
  factors_ = parameters.add(name + ".factors", components * features, features,
                            unit_matrices(features, components), false);
  whitening_ = parameters.add(name + ".whitening", components * features, features,
                              unit_matrices(features, components), false);
}

void FullGaussianMixture::set(ParameterStore& parameters, std::span<const double> weights,
                              std::span<const double> means,
                              std::span<const double> factors) const {
  const std::int64_t width = features(), size = width * width;
  const auto expect = [&](const char* what, std::size_t got, std::int64_t expected) {
    if (static_cast<std::int64_t>(got) != expected)
      fail<ShapeError>("{}: {}: expected {} values, got {}", name(), what, expected, got);
  };
  expect("weights", weights.size(), components_);
  expect("means", means.size(), components_ * width);
  expect("factors", factors.size(), components_ * size);
  const auto logits = parameters.values(logits_);
  const auto columns = parameters.values(means_);
  const auto kept = parameters.values(factors_);
  const auto inverses = parameters.values(whitening_);
  for (std::int64_t k = 0; k < components_; ++k) {
    logits[static_cast<std::size_t>(k)] = std::log(weights[static_cast<std::size_t>(k)]);
    for (std::int64_t i = 0; i < width; ++i)
      columns[static_cast<std::size_t>(i * components_ + k)] =
          means[static_cast<std::size_t>(k * width + i)];
    const RowMatrix factor = Eigen::Map<const RowMatrix>(factors.data() + k * size, width, width)
                                 .triangularView<Eigen::Lower>();
    if (!(factor.diagonal().array() > 0.0).all())
      fail<NumericalError>("{}: the factor of component {} has a diagonal that is not positive",
                           name(), k);
    Eigen::Map<RowMatrix>(kept.data() + k * size, width, width) = factor;
    Eigen::Map<RowMatrix>(inverses.data() + k * size, width, width) =
        factor.triangularView<Eigen::Lower>().solve(RowMatrix::Identity(width, width));
  }
}

Value FullGaussianMixture::build_log_prob(Value z, Value /*context*/) const {
  Graph& graph = *z.graph;
  const std::int64_t width = features();
  const Value whitening = graph.parameter(whitening_);
  std::vector<std::int32_t> owner, diagonal;
  for (std::int64_t row = 0; row < components_ * width; ++row)
    owner.push_back(static_cast<std::int32_t>(row / width));
  for (std::int64_t i = 0; i < width; ++i)
    diagonal.push_back(static_cast<std::int32_t>(i * (width + 1)));
  const Value means = take(transpose(graph.parameter(means_)), owner);
  const Value whitened = dense(whitening, z, -sum(whitening * means, Axis::kItems));
  const Value squares = sum(square(reshape(whitened, {components_, width})), Axis::kItems);
  const Value log_det =
      sum(log(take(reshape(whitening, {components_, width * width}), diagonal, Axis::kItems)),
          Axis::kItems);
  const double constant = 0.5 * static_cast<double>(width) * std::log(2.0 * std::numbers::pi);
  const Value offset = log_softmax(transpose(graph.parameter(logits_))) + (log_det - constant);
  return log_sum_exp(offset - 0.5 * squares);
}

Value FullGaussianMixture::build_draw(Graph& graph, Domain domain, Value /*context*/) const {
  const std::int64_t width = features();
  const Value standard = graph.normal({width, 1}, domain);
  const Value chosen = choose_part(graph, domain, softmax(transpose(graph.parameter(logits_))));
  const Value factors = reshape(graph.parameter(factors_), {components_, width * width});
  const Value factor = reshape(dense(factors, chosen, {}, true), {width, width});
  return dense(graph.parameter(means_), chosen) + sum(factor * transpose(standard), Axis::kItems);
}

}  // namespace thalweg

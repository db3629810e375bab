// Networks that minimise the free-form loss of two Gaussians, for several weights.
#include <cmath>
#include <memory>
#include <numbers>

#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/core/normal_quantile.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/objectives/objective.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/training/optimizer.h"
#include "thalweg/training/schedule.h"

namespace thalweg {
namespace {

constexpr double kMean = 2.0, kDeviation = 0.3;
constexpr std::int64_t kRows = 1000;
constexpr std::int64_t kSteps = 3000;

/// Points of equal weight in the middle of as many equal shares of the data, which are cut off at 5
/// deviations.
std::vector<double> data_points() {
  constexpr double kTail = 2.866515718791933e-7;  // of a normal below -5
  std::vector<double> points;
  for (std::int64_t i = 0; i < kRows / 2; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(kRows / 2);
    const double off = kDeviation * normal_quantile(kTail + (1.0 - 2.0 * kTail) * share);
    points.insert(points.end(), {-kMean + off, kMean + off});
  }
  return points;
}

/// The encoder or the decoder of one of the starts, with a network that starts at 0 added to it.
class Start : public Network {
 public:
  Start(ParameterStore& parameters, const std::string& name, RandomSequence& random, bool folded,
        bool encoder)
      : Network(name, 1, 1, 0),
        network_(parameters, name, random, 1, 1,
                 {.hidden = {64, 64}, .activation = Activation::kTanh, .zero_output = true}),
        folded_(folded),
        encoder_(encoder) {}

 protected:
  Value build(Value x, Value) const override {
    const Value change = network_(x);
    if (!folded_) return x + change;
    // Both Gaussians go to the base, and their means come back.
    const Value start =
        encoder_ ? (x - kMean * tanh(5.0 * x)) * (1.0 / kDeviation) : kDeviation * x;
    return start + change;
  }

 private:
  Mlp network_;
  bool folded_, encoder_;
};

struct Solution {
  double loss = 0.0, likelihood = 0.0, reconstruction = 0.0;
  std::vector<double> x, encoded, z, decoded;  // for a picture
};

Solution solve(double weight, bool folded, std::int64_t seed, ThreadPool& pool) {
  ParameterStore parameters;
  RandomSequence random(static_cast<std::uint64_t>(seed), Stream::kInitialisation);
  const auto base = std::make_shared<Normal>(parameters, "base", 1);
  auto encoder = std::make_unique<Start>(parameters, "encoder", random, folded, true);
  auto decoder = std::make_unique<Start>(parameters, "decoder", random, folded, false);
  const auto layer = std::make_shared<FreeForm>("layer", std::move(encoder), std::move(decoder),
                                                FreeFormOptions{.global_skip = false});
  const Flow flow(base, {layer});
  Graph graph(parameters, Phase::kTraining);
  const Value x = graph.input({1, 1});
  const Mapped latent = inverse_by(FreeFormDensity::kEncoder, flow, x);
  const Value likelihood = batch_mean(-(flow.log_base(latent.value) + latent.log_det));
  const Value reconstruction = batch_mean(square(layer->decode(latent.value) - x));
  std::vector<Value> leaves, outputs = {likelihood, reconstruction};
  std::vector<ParameterId> trainable;
  for (std::size_t i = 0; i < parameters.infos().size(); ++i)
    if (parameters.infos()[i].trainable) {
      trainable.push_back({static_cast<std::int32_t>(i)});
      leaves.push_back(graph.parameter(trainable.back()));
    }
  for (const Value& part : gradient(likelihood + weight * reconstruction, leaves))
    outputs.push_back(part);
  const std::vector<double> points = data_points();
  const std::vector<std::int64_t> counts = {kRows};
  const std::vector<std::uint64_t> firsts = {0};
  const std::vector<BatchInput<double>> inputs = {{points.data(), nullptr}};
  Executor<double> executor(std::make_shared<Program<double>>(graph, outputs), pool);
  Optimizer<double> optimizer(parameters, trainable, {});
  const Schedule schedule({.kind = "cosine", .warm_up = 100, .final_factor = 0.01}, kSteps);
  std::vector<double> values(parameters.flat().begin(), parameters.flat().end());
  std::vector<std::span<const double>> gradients(leaves.size());
  Solution solution;
  for (std::int64_t step = 0; step <= kSteps; ++step) {
    executor.run({.parameters = values.data(),
                  .inputs = inputs,
                  .counts = counts,
                  .first_samples = firsts,
                  .seed = 1,
                  .outputs = {}});
    solution.likelihood = executor.shared_output(0)[0];
    solution.reconstruction = executor.shared_output(1)[0];
    if (step == kSteps) break;
    for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] = executor.shared_output(2 + i);
    const double norm = optimizer.gradient_norm(gradients, pool);
    if (!std::isfinite(norm)) continue;
    optimizer.step(3e-3 * schedule.factor(step), std::min(1.0, 1.0 / norm), gradients,
                   values.data(), pool);
  }
  solution.loss = solution.likelihood + weight * solution.reconstruction;

  Graph picture(parameters);
  const Value point = picture.input({1, 1});
  RowMap map(picture, {layer->encode(point), layer->decode(point)}, pool);
  for (int i = 0; i <= 300; ++i) {
    solution.x.push_back(3.5 * (i / 150.0 - 1.0));
    solution.z.push_back(4.0 * (i / 150.0 - 1.0));
  }
  const auto at = [&](const std::vector<double>& places, std::size_t output) {
    return map.run({.rows = static_cast<std::int64_t>(places.size()),
                    .inputs = {places},
                    .parameters = values})[output];
  };
  solution.encoded = at(solution.x, 0);
  solution.decoded = at(solution.z, 1);
  return solution;
}

}  // namespace

std::vector<Metric> weight_metrics_of_two(const std::string& row, const std::string& column,
                                          std::int64_t seed, ThreadPool& pool) {
  const double weight = weight_of("free_form_weights", row);
  if (column != "identity" && column != "folded")
    fail<ConfigError>("free_form_weights: expected columns identity and folded, got '{}'", column);
  const Solution solution = solve(weight, column == "folded", seed, pool);
  const double entropy = std::log(2.0) + 0.5 * std::log(2.0 * std::numbers::pi * std::numbers::e) +
                         std::log(kDeviation);
  const double split = entropy - std::log(2.0) + weight * kMean * kMean;
  return {{"loss", "loss", solution.loss},
          {"negative_log_likelihood", "its likelihood part", solution.likelihood},
          {"reconstruction", "its reconstruction", solution.reconstruction},
          {"invertible", "theorem 7.6, invertible", entropy},
          {"split", "theorem 7.6, split in two", split},
          {"critical_weight", "critical weight", std::log(2.0) / (kMean * kMean)}};
}

std::vector<DrawnPlot> draw_weights_of_two(ThreadPool& pool) {
  std::vector<DrawnPlot> plots;
  for (const double weight : {0.01, 0.1, 1.0, 10.0}) {
    // The better one of the two starts.
    const Solution identity = solve(weight, false, 1, pool), folded = solve(weight, true, 1, pool);
    const Solution& best = identity.loss <= folded.loss ? identity : folded;
    LineChart chart{.title = fmt::format("weight {}", weight), .x_label = "x", .y_label = "z"};
    chart.series.push_back({.name = "f", .x = best.x, .y = best.encoded, .colour = 0});
    chart.series.push_back(
        {.name = "g", .x = best.decoded, .y = best.z, .style = LineStyle::kDashed, .colour = 1});
    plots.push_back({fmt::format("weight-{}", weight), std::move(chart)});
  }
  return plots;
}

}  // namespace thalweg

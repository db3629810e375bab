// The main job at full length: two rings learnt with a Gaussian and with a resampled base (Stimper
// et al. 2022, section 4.1).
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "thalweg/metrics/grid_divergence.h"
#include "thalweg/runs/presets.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/normaliser.h"
#include "thalweg/targets/target.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

struct Learnt {
  double divergence = 0.0;  ///< KL(target || model) in nats
  double integral = 0.0;    ///< of the density
  double smallest_ratio =
      0.0;  ///< smallest model density over true density along both rings, 360 angles
};

Learnt learn(const char* preset) {
  const auto target = make_target("two_rings");
  RunOptions options = find_preset(preset)->options();
  options.training.checkpoint_interval = 0;
  Model model(options.model, 1);
  ThreadPool pool;
  TrainingData data;
  data.generator = [&target](std::uint64_t first, std::int64_t count, double* out) {
    for (std::int64_t i = 0; i < count; ++i) {
      RandomSequence random(1, Stream::kTarget, first + static_cast<std::uint64_t>(i));
      for (const double value : target->sample(random)) *out++ = value;
    }
  };
  Trainer(model, data, options.training, pool).run();
  estimate_normaliser(model, 1 << 22, 2, pool);

  DensityEvaluator evaluator(model, pool, Precision::kDouble);
  const PlaneLogDensity log_model = [&](std::span<const double> x) {
    return evaluator.log_prob(x);
  };
  const PlaneLogDensity log_target = [&](std::span<const double> points) {
    std::vector<double> values;
    for (std::size_t i = 0; i + 1 < points.size(); i += 2) {
      const double radius = std::hypot(points[i], points[i + 1]);
      const auto ring = [radius](double centre) {
        return std::exp(-0.5 * std::pow((radius - centre) / 0.125, 2));
      };
      values.push_back(std::log(ring(1.0) + ring(2.0) + 1e-300));
    }
    return values;
  };
  Learnt learnt;
  learnt.divergence = grid_divergence(log_target, *target->log_normaliser(), log_model).nats;
  learnt.integral = grid_integral(log_model).value;
  std::vector<double> rings;
  for (const double radius : {1.0, 2.0})
    for (int degree = 0; degree < 360; ++degree) {
      rings.push_back(radius * std::cos(degree * M_PI / 180.0));
      rings.push_back(radius * std::sin(degree * M_PI / 180.0));
    }
  const std::vector<double> truth = log_target(rings);
  const std::vector<double> found = log_model(rings);
  learnt.smallest_ratio = INFINITY;
  for (std::size_t i = 0; i < found.size(); ++i)
    learnt.smallest_ratio =
        std::min(learnt.smallest_ratio, std::exp(found[i] - truth[i] + *target->log_normaliser()));
  return learnt;
}

TEST(TwoRings, AResampledBaseClosesTheRings) {
  const Learnt gaussian = learn("rings-normal");
  const Learnt resampled = learn("rings-resampled");
  for (const auto& [name, learnt] :
       {std::pair{"Gaussian", gaussian}, std::pair{"resampled", resampled}})
    std::printf(
        "%-9s base: KL %.4f nats, integral %.4f, smallest density on the rings %.3f of the true "
        "one\n",
        name, learnt.divergence, learnt.integral, learnt.smallest_ratio);
  EXPECT_LE(resampled.divergence, 0.6 * gaussian.divergence);
  EXPECT_GE(resampled.smallest_ratio, 0.5);
  EXPECT_NEAR(1.0, resampled.integral, 1e-2);
  EXPECT_NEAR(1.0, gaussian.integral, 1e-2);
}

}  // namespace
}  // namespace thalweg

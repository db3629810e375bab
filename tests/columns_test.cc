// Columns far from 0, near their bounds and of any scale: standardised in double whatever the
// precision of the layers.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "small_model.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

using testing::small_model;

std::vector<double> normals(std::int64_t count, std::uint64_t seed) {
  RandomSequence random(seed, Stream::kEvaluation);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.normal();
  return values;
}

/// GPS times of a few hundredths of a second, and a column of tiny numbers.
std::vector<ColumnOptions> extreme_columns() {
  return {{.name = "time", .mean = 1126259462.0, .scale = 0.02},
          {.name = "tiny", .mean = 3e-40, .scale = 1e-40}};
}

std::vector<double> extreme_points(const std::vector<double>& standard) {
  const std::vector<ColumnOptions> columns = extreme_columns();
  std::vector<double> x = standard;
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = columns[i % 2].mean + columns[i % 2].scale * x[i];
  return x;
}

TEST(Columns, FarFromZeroHaveTheDensityOfStandardOnes) {
  ModelOptions options = small_model(2);
  Model plain(options, 1);
  options.columns = extreme_columns();
  Model shifted(options, 1);
  // The layers have the same parameters; columns have their own, first of all.
  for (Model* model : {&plain, &shifted})
    for (const ParameterInfo& info : model->parameters().infos()) {
      if (!info.trainable) continue;
      RandomSequence random(static_cast<std::uint64_t>(info.name.size() + info.name.back()),
                            Stream::kEvaluation);
      for (double& value : model->parameters().values(model->parameters().find(info.name)))
        value += 0.1 * random.normal();
    }
  const std::vector<double> y = normals(200, 3);
  ThreadPool pool(2);
  const double log_scales = std::log(0.02) + std::log(1e-40);
  for (const Precision precision : {Precision::kFloat, Precision::kDouble}) {
    const std::vector<double> expected = DensityEvaluator(plain, pool, precision).log_prob(y);
    const std::vector<double> found =
        DensityEvaluator(shifted, pool, precision).log_prob(extreme_points(y));
    // The times themselves are rounded to 1.2e-7 of a second, 6e-6 of their scale.
    for (std::size_t row = 0; row < expected.size(); ++row)
      EXPECT_NEAR(found[row], expected[row] - log_scales, 3e-4) << row;
    // Samples are those of the plain model, moved.
    std::vector<double> log_density;
    const std::vector<double> moved =
        FlowSampler(shifted, pool, 5, precision).next(100, {}, &log_density);
    const std::vector<double> samples =
        extreme_points(FlowSampler(plain, pool, 5, precision).next(100));
    const std::vector<double> density = DensityEvaluator(shifted, pool, precision).log_prob(moved);
    for (std::size_t i = 0; i < samples.size(); ++i)
      EXPECT_NEAR(moved[i], samples[i], i % 2 == 0 ? 2.4e-7 : 1e-50);
    for (std::size_t row = 0; row < density.size(); ++row)
      EXPECT_NEAR(density[row], log_density[row], 3e-4);
  }
}

TEST(Columns, FarFromZeroTrainAsStandardOnes) {
  const std::vector<double> y = normals(400, 7), validation = normals(40, 8);
  ThreadPool pool(2);
  const auto losses = [&](bool far) {
    ModelOptions options = small_model(2);
    if (far) options.columns = extreme_columns();
    Model model(options, 1);
    const std::vector<double> rows = far ? extreme_points(y) : y;
    const std::vector<double> held_out = far ? extreme_points(validation) : validation;
    TrainingOptions training;
    training.batch_size = 100;
    training.iterations = 20;
    Trainer trainer(model, {.rows = rows, .validation_rows = held_out}, training, pool);
    std::vector<double> result;
    for (int step = 0; step < 20; ++step) result.push_back(trainer.step());
    result.push_back(trainer.validation_loss());
    trainer.update_model();
    if (far) {
      const auto mean = model.parameters().values(model.parameters().find("columns.standard.mean"));
      EXPECT_EQ(mean[0], 1126259462.0);  // single precision has 1126259456
      EXPECT_EQ(mean[1], 3e-40);
    }
    return result;
  };
  const std::vector<double> expected = losses(false), found = losses(true);
  const double log_scales = std::log(0.02) + std::log(1e-40);
  for (std::size_t step = 0; step < expected.size(); ++step)
    EXPECT_NEAR(found[step], expected[step] + log_scales, 2e-3) << step;
}

TEST(Columns, ConditionsFarFromZeroAreSeenExactly) {
  ModelOptions options = small_model(2);
  options.context_features = 1;
  options.context_columns = {{.name = "standard"}};
  Model plain(options, 1);
  options.context_columns = {{.name = "day", .mean = 2460000.5, .scale = 0.06}};
  Model shifted(options, 1);
  for (Model* model : {&plain, &shifted}) {
    RandomSequence random(9, Stream::kEvaluation);
    for (double& value : model->parameters().flat()) value += 0.2 * random.normal();
  }
  const std::vector<double> y = normals(100, 3), given = normals(50, 4);
  std::vector<double> days = given;
  for (double& day : days) day = 2460000.5 + 0.06 * day;
  ThreadPool pool(1);
  const std::vector<double> expected = DensityEvaluator(plain, pool).log_prob(y, given);
  const std::vector<double> found = DensityEvaluator(shifted, pool).log_prob(y, days);
  for (std::size_t row = 0; row < expected.size(); ++row)
    EXPECT_NEAR(found[row], expected[row], 1e-5);
  const std::vector<double> samples = FlowSampler(plain, pool, 2).next(50, given);
  const std::vector<double> moved = FlowSampler(shifted, pool, 2).next(50, days);
  for (std::size_t i = 0; i < samples.size(); ++i) EXPECT_NEAR(moved[i], samples[i], 1e-5);
}

TEST(Columns, OutsideOfBoundsTheDensityIsZero) {
  ModelOptions options = small_model(2);
  options.columns = {{.name = "a", .lower = 0.0, .mean = 0.5, .scale = 2.0},
                     {.name = "b", .lower = -1.0, .upper = 1.0}};
  const Model model(options, 1);
  ThreadPool pool(1);
  const std::vector<double> inside = {2e-8, 1.0 - 2e-8};
  const std::vector<double> outside = {-0.1, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, -1.0, 1.0, 3.0};
  for (const Precision precision : {Precision::kFloat, Precision::kDouble}) {
    DensityEvaluator evaluator(model, pool, precision);
    EXPECT_TRUE(std::isfinite(evaluator.log_prob(inside)[0]));
    for (const double value : evaluator.log_prob(outside)) EXPECT_EQ(value, -INFINITY);
    EXPECT_TRUE(std::isnan(evaluator.log_prob(std::vector<double>{NAN, 0.0})[0]));
    EXPECT_TRUE(std::isnan(evaluator.to_latent(outside)[0]));
  }
}

TEST(Columns, MapThereAndBackWithOppositeDeterminants) {
  ModelOptions options = small_model(3);
  options.columns = {{.name = "a", .lower = 0.0, .mean = -1.0, .scale = 2.0},
                     {.name = "b", .lower = 1e6, .upper = 1e6 + 1.0, .scale = 1.5},
                     {.name = "c", .upper = 3.0, .mean = 0.2, .scale = 0.7}};
  const Model model(options, 1);
  ThreadPool pool(1);
  ColumnMap map(model, pool);
  const std::vector<double> y = normals(300, 2);
  std::vector<double> forward, backward;
  const std::vector<double> x = map.to_data(y, &forward);
  const std::vector<double> again = map.to_layers(x, &backward);
  for (std::size_t i = 0; i < y.size(); ++i)
    EXPECT_NEAR(again[i], y[i], i % 3 == 1 ? 1e-7 : 1e-12);  // b is known to 1e-10 of its width
  for (std::size_t row = 0; row < forward.size(); ++row)
    EXPECT_NEAR(forward[row], -backward[row], 1e-7);
}

TEST(Columns, SayWhetherSinglePrecisionWillDo) {
  EXPECT_TRUE(fits_single_precision({.name = "a", .mean = 12.0, .scale = 3.0}));
  EXPECT_TRUE(fits_single_precision({.name = "a", .lower = 0.0, .mean = 2.0, .scale = 0.5}));
  EXPECT_TRUE(
      fits_single_precision({.name = "a", .lower = -180.0, .upper = 180.0, .periodic = true}));
  EXPECT_TRUE(fits_single_precision({.name = "a", .integer = true, .mean = 5e6, .scale = 1e5}));
  EXPECT_FALSE(fits_single_precision({.name = "a", .mean = 1126259462.0, .scale = 0.02}));
  EXPECT_FALSE(fits_single_precision({.name = "a", .mean = 3e-40, .scale = 1e-40}));
  EXPECT_FALSE(fits_single_precision({.name = "a", .scale = 1e35}));
  EXPECT_FALSE(
      fits_single_precision({.name = "a", .lower = 2460000.0, .mean = -2.0, .scale = 1.0}));
  EXPECT_FALSE(
      fits_single_precision({.name = "a", .integer = true, .mean = 123456020.0, .scale = 1e6}));
}

TEST(Columns, LargeWholeNumbersKeepTheirOddValues) {
  ModelOptions options = small_model(1);
  options.flow.kind = "elementwise_spline";
  options.columns = {{.name = "id",
                      .integer = true,
                      .origin = 123456000.0,
                      .step = 1.0,
                      .mean = 123456020.0,
                      .scale = 10.0}};
  const Model model(options, 1);
  ThreadPool pool(1);
  int odd = 0;
  for (const double value : FlowSampler(model, pool, 1).next(1000)) {
    EXPECT_EQ(value, std::floor(value));
    odd += std::fmod(value, 2.0) == 1.0 ? 1 : 0;
  }
  // Of 1000 samples 500 +- 16; missed by six deviations once in 10^9 seeds.
  EXPECT_NEAR(odd, 500, 95);
}

}  // namespace
}  // namespace thalweg

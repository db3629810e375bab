// Densities, samples and normalisers of whole models: the same whatever the threads and blocks, and
// right.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"
#include "thalweg/sampling/normaliser.h"

namespace thalweg {
namespace {

ModelOptions small_model(const std::string& base) {
  ModelOptions options;
  options.features = 3;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.flow.permutation = "lu";
  options.base.kind = base;
  options.base.hidden = {16};
  options.base.truncation = 20;
  return options;
}

/// A model away from its identity start.
std::unique_ptr<Model> disturbed_model(const ModelOptions& options) {
  auto model = std::make_unique<Model>(options, 3);
  RandomSequence random(5, Stream::kEvaluation);
  for (const ParameterInfo& info : model->parameters().infos())
    if (info.trainable)
      for (std::int64_t i = 0; i < info.size(); ++i)
        model->parameters().flat()[static_cast<std::size_t>(info.offset + i)] +=
            0.2 * random.normal();
  ThreadPool pool(1);
  estimate_normaliser(*model, 4096, 7, pool);
  return model;
}

std::vector<double> points(std::int64_t rows, std::int64_t features) {
  RandomSequence random(11, Stream::kEvaluation);
  std::vector<double> x(static_cast<std::size_t>(rows * features));
  for (double& value : x) value = random.normal();
  return x;
}

class Evaluation : public testing::TestWithParam<std::string> {};

TEST_P(Evaluation, GivesTheSameBitsForAnyThreadsAndBlocks) {
  const auto model = disturbed_model(small_model(GetParam()));
  const std::vector<double> x = points(70001, 3);  // more than one block, ragged in tiles
  for (const Precision precision : {Precision::kFloat, Precision::kDouble}) {
    ThreadPool one(1);
    const std::vector<double> log_prob = DensityEvaluator(*model, one, precision).log_prob(x);
    const std::vector<double> samples = FlowSampler(*model, one, 13, precision).next(3001);
    for (const int threads : {2, 3}) {
      ThreadPool pool(threads);
      EXPECT_EQ(log_prob, DensityEvaluator(*model, pool, precision).log_prob(x));
      FlowSampler sampler(*model, pool, 13, precision);
      std::vector<double> joined;
      for (const std::int64_t count : {1, 64, 0, 1000, 1936}) {
        const std::vector<double> part = sampler.next(count);
        joined.insert(joined.end(), part.begin(), part.end());
      }
      EXPECT_EQ(samples, joined);
      EXPECT_EQ(3001, sampler.statistics().samples);
    }
  }
}

TEST_P(Evaluation, RoundTripAndDensityAgree) {
  const auto model = disturbed_model(small_model(GetParam()));
  ThreadPool pool(2);
  DensityEvaluator evaluator(*model, pool, Precision::kDouble);
  const std::vector<double> x = points(37, 3);
  std::vector<double> inverse_log_det;
  std::vector<double> forward_log_det;
  const std::vector<double> z = evaluator.to_latent(x, {}, &inverse_log_det);
  const std::vector<double> back = evaluator.to_data(z, {}, &forward_log_det);
  ASSERT_EQ(x.size(), back.size());
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], back[i], 1e-9);
  ASSERT_EQ(37U, inverse_log_det.size());
  for (std::size_t i = 0; i < 37; ++i) EXPECT_NEAR(inverse_log_det[i], -forward_log_det[i], 1e-9);
}

TEST(PullBack, TakesGradientsBySamplesToPointsOfTheBase) {
  ModelOptions options = small_model("normal");
  options.context_features = 1;
  options.columns.resize(3);
  options.columns[0].mean = 2.0;
  options.columns[0].scale = 3.0;
  options.columns[1].lower = -1.0;
  options.columns[2].lower = 0.0;
  options.columns[2].upper = 4.0;
  const auto model = disturbed_model(options);
  ThreadPool pool(2);
  DensityEvaluator evaluator(*model, pool, Precision::kDouble);
  const std::int64_t rows = 9;
  const std::vector<double> z = points(rows, 3), context = points(rows, 1);
  std::vector<double> cotangent = points(rows, 3);
  std::ranges::reverse(cotangent);
  const std::vector<double> pulled = evaluator.pull_back(z, cotangent, context);
  const double step = 1e-5;
  for (std::size_t column = 0; column < 3; ++column) {
    std::vector<double> up = z, down = z;
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      up[3 * row + column] += step;
      down[3 * row + column] -= step;
    }
    const std::vector<double> above = evaluator.to_data(up, context);
    const std::vector<double> below = evaluator.to_data(down, context);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      double slope = 0.0;
      for (std::size_t i = 3 * row; i < 3 * row + 3; ++i)
        slope += cotangent[i] * (above[i] - below[i]) / (2.0 * step);
      EXPECT_NEAR(pulled[3 * row + column], slope, 1e-7 * (1.0 + std::fabs(slope)));
    }
  }
  EXPECT_THROW(evaluator.pull_back(z, points(rows, 2), context), ShapeError);
}

TEST_P(Evaluation, SamplesComeWithTheirDensities) {
  const auto model = disturbed_model(small_model(GetParam()));
  ThreadPool pool(2);
  FlowSampler sampler(*model, pool, 13, Precision::kDouble);
  const std::vector<double> first = sampler.next(100);
  std::vector<double> log_density;
  const std::vector<double> rest = sampler.next(2000, {}, &log_density);
  ASSERT_EQ(log_density.size(), 2000U);
  const auto expected = DensityEvaluator(*model, pool, Precision::kDouble).log_prob(rest);
  for (std::size_t row = 0; row < expected.size(); ++row)
    EXPECT_NEAR(log_density[row], expected[row], 1e-9);
  // With or without densities, the samples are the same.
  std::vector<double> joined = first;
  joined.insert(joined.end(), rest.begin(), rest.end());
  EXPECT_EQ(joined, FlowSampler(*model, pool, 13, Precision::kDouble).next(2100));
}

TEST(SampleWeights, AreThoseOfValuesWhereTheyWereDrawn) {
  ModelOptions options = small_model("normal");
  options.columns.resize(3);
  for (ColumnOptions& column : options.columns) column.mean = 0.5;
  options.columns[0].lowest = 0.0;
  options.columns[1].digits = 1;
  const auto model = disturbed_model(options);
  ThreadPool pool(2);
  std::vector<double> log_density;
  const std::vector<double> x =
      FlowSampler(*model, pool, 13, Precision::kDouble).next(500, {}, &log_density);
  const auto expected = DensityEvaluator(*model, pool, Precision::kDouble).log_prob(x);
  std::int64_t outside = 0;
  for (std::size_t row = 0; row < expected.size(); ++row) {
    EXPECT_NEAR(log_density[row], expected[row], 1e-9);
    outside += x[3 * row] < 0.0 ? 1 : 0;
  }
  EXPECT_GT(outside, 20);
  // Samples without densities are as the data are.
  const std::vector<double> finished = FlowSampler(*model, pool, 13, Precision::kDouble).next(500);
  for (std::size_t row = 0; row < expected.size(); ++row) {
    EXPECT_DOUBLE_EQ(finished[3 * row], std::abs(x[3 * row]));
    EXPECT_NEAR(finished[3 * row + 1], x[3 * row + 1], 0.5 * std::abs(x[3 * row + 1]));
    EXPECT_EQ(finished[3 * row + 2], x[3 * row + 2]);
  }
}

TEST(PathWeights, OfAStochasticFlowAreExact) {
  ModelOptions options = small_model("normal");
  options.flow.index_features = 1;
  const auto model = std::make_unique<Model>(options, 3);
  // Weak networks, so that the indices' two densities are alike and weights have a variance.
  for (double& value : model->parameters().flat()) value *= 0.6;
  ThreadPool pool(2);
  std::vector<double> log_density;
  constexpr std::int64_t kRows = 40000;
  const std::vector<double> x =
      FlowSampler(*model, pool, 17, Precision::kDouble).next(kRows, {}, &log_density);
  // A normal density of deviation 0.7 integrates to 1, and x0^2 has the mean 0.49 under it.
  constexpr double kWidth = 0.7;
  double sums[2] = {}, squares[2] = {};
  for (std::size_t row = 0; row < static_cast<std::size_t>(kRows); ++row) {
    double log_normal = -1.5 * std::log(2.0 * M_PI * kWidth * kWidth);
    for (std::size_t i = 0; i < 3; ++i)
      log_normal -= 0.5 * x[3 * row + i] * x[3 * row + i] / (kWidth * kWidth);
    const double weight = std::exp(log_normal - log_density[row]);
    const double values[2] = {weight, weight * x[3 * row] * x[3 * row]};
    for (int k = 0; k < 2; ++k) {
      sums[k] += values[k] / kRows;
      squares[k] += values[k] * values[k] / kRows;
    }
  }
  // Five standard errors: a fixed seed fails by chance once in a million.
  for (int k = 0; k < 2; ++k) {
    const double error = std::sqrt((squares[k] - sums[k] * sums[k]) / kRows);
    EXPECT_LT(error, 0.02);
    EXPECT_NEAR(sums[k], k == 0 ? 1.0 : kWidth * kWidth, 5.0 * error);
  }
}

TEST_P(Evaluation, FloatAgreesWithDouble) {
  const auto model = disturbed_model(small_model(GetParam()));
  ThreadPool pool(2);
  const std::vector<double> x = points(200, 3);
  const std::vector<double> single = DensityEvaluator(*model, pool, Precision::kFloat).log_prob(x);
  const std::vector<double> exact = DensityEvaluator(*model, pool, Precision::kDouble).log_prob(x);
  for (std::size_t i = 0; i < exact.size(); ++i)
    EXPECT_NEAR(exact[i], single[i], 1e-4 * (1.0 + std::abs(exact[i])));
}

/// Importance weights of samples against a normal of half their width integrate the density:
/// E_p[q / p] = 1 for a q whose tails p covers. 100 000 samples; the weights' standard error is
/// used, so five of them leave odds of 6e-7 (seed fixed).
TEST_P(Evaluation, SamplesFollowTheDensity) {
  const auto model = disturbed_model(small_model(GetParam()));
  ThreadPool pool(2);
  const std::vector<double> x = FlowSampler(*model, pool, 17, Precision::kDouble).next(100000);
  const std::vector<double> log_prob =
      DensityEvaluator(*model, pool, Precision::kDouble).log_prob(x);
  double centre[3] = {};
  double width[3] = {};
  for (std::size_t i = 0; i < x.size(); ++i)
    centre[i % 3] += 3.0 * x[i] / static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    width[i % 3] +=
        3.0 * (x[i] - centre[i % 3]) * (x[i] - centre[i % 3]) / static_cast<double>(x.size());
  for (double& value : width) value = 0.5 * std::sqrt(value);
  double sum = 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    double log_q = 0.0;
    for (std::size_t k = 0; k < 3; ++k) {
      const double scaled = (x[3 * i + k] - centre[k]) / width[k];
      log_q -= 0.5 * scaled * scaled + std::log(width[k] * std::sqrt(2.0 * M_PI));
    }
    const double weight = std::exp(log_q - log_prob[i]);
    sum += weight;
    squares += weight * weight;
  }
  const auto n = static_cast<double>(log_prob.size());
  const double mean = sum / n;
  const double error = std::sqrt((squares / n - mean * mean) / n);
  EXPECT_LT(error, 0.05);
  EXPECT_NEAR(1.0, mean,
              5.0 * error + 0.002);  // Z itself is known to 1e-3 from 4096 proposals at worst
}

INSTANTIATE_TEST_SUITE_P(Bases, Evaluation, testing::Values("normal", "mixture", "resampled"),
                         [](const auto& test) { return test.param; });

TEST(Normaliser, HasAnErrorThatShrinksAndCoversTheTruth) {
  const auto model = disturbed_model(small_model("resampled"));
  ThreadPool pool(2);
  const NormaliserEstimate coarse = estimate_normaliser(*model, 1000, 1, pool).at(0);
  const NormaliserEstimate fine = estimate_normaliser(*model, 400000, 2, pool).at(0);
  EXPECT_GT(coarse.standard_error, 10.0 * fine.standard_error);
  // Two independent estimates: five standard errors leave odds of 6e-7 (seeds fixed).
  EXPECT_NEAR(coarse.value, fine.value,
              5.0 * std::hypot(coarse.standard_error, fine.standard_error));
  EXPECT_EQ(fine.value, model->parameters().values(model->resampled()->normaliser())[0]);
  EXPECT_THROW(estimate_normaliser(*model, 1, 1, pool), ConfigError);
}

TEST(EvaluationErrors, AreClear) {
  const auto model = disturbed_model(small_model("normal"));
  ThreadPool pool(1);
  DensityEvaluator evaluator(*model, pool);
  EXPECT_THROW(evaluator.log_prob(points(1, 2)), ShapeError);
  EXPECT_THROW(evaluator.log_prob(points(2, 3), points(2, 1)), ShapeError);
  EXPECT_THROW(FlowSampler(*model, pool, 1).next(-1), ShapeError);
  EXPECT_TRUE(evaluator.log_prob({}).empty());
}

TEST(ModelErrors, NameTheOption) {
  ModelOptions options;
  options.features = 1;
  EXPECT_THROW(Model(options, 1), ConfigError);
  options.features = 2;
  options.flow.permutation = "rotate";
  try {
    Model(options, 1);
    FAIL() << "a permutation that does not exist was accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("flow.permutation"), std::string::npos)
        << error.what();
  }
}

TEST(EvaluationFarAway, GivesNoDensityWhereTheLatentPointOverflows) {
  ModelOptions options = small_model("resampled");
  options.flow.blocks = 8;
  const auto model = disturbed_model(options);
  ThreadPool pool(2);
  std::vector<double> x = points(4000, 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] *= std::pow(10.0, static_cast<double>(i % 12) / 3);
  const std::vector<double> wide = DensityEvaluator(*model, pool, Precision::kDouble).log_prob(x);
  const std::vector<double> narrow = DensityEvaluator(*model, pool).log_prob(x);
  std::int64_t overflown = 0;
  for (std::size_t row = 0; row < narrow.size(); ++row) {
    ASSERT_FALSE(std::isnan(narrow[row]) || std::isnan(wide[row])) << row;
    if (narrow[row] != -INFINITY) continue;
    ++overflown;
    // Where double has room, it gives the far smaller density that single precision cannot.
    EXPECT_LT(wide[row], -1e30) << row;
  }
  EXPECT_GT(overflown, 100);
  EXPECT_LT(overflown, 3900);
}

TEST(EvaluationFarAway, KeepsNotANumberWhereInputOrModelHasIt) {
  const auto model = disturbed_model(small_model("normal"));
  ThreadPool pool(1);
  std::vector<double> x = points(3, 3);
  x[4] = NAN;
  const std::vector<double> values = DensityEvaluator(*model, pool).log_prob(x);
  EXPECT_TRUE(std::isfinite(values[0]));
  EXPECT_TRUE(std::isnan(values[1]));
  for (double& value : model->parameters().flat()) value = NAN;
  for (const double value : DensityEvaluator(*model, pool).log_prob(x))
    EXPECT_TRUE(std::isnan(value));
}

/// Two classes, 0 and 1, with a base that depends on them.
ModelOptions class_model(const std::string& conditional) {
  ModelOptions options = small_model("resampled");
  options.context_features = 1;
  options.base.conditional = conditional;
  options.base.classes = {0.0, 1.0};
  return options;
}

TEST(ClassConditional, NamesAConditionThatIsNoClass) {
  ModelOptions options = class_model("both");
  options.base.classes = {100000.0, 100001.0};
  options.context_columns = {{.name = "id", .mean = 100000.5, .scale = 0.5}};
  const auto model = disturbed_model(options);
  ThreadPool pool(1);
  DensityEvaluator density(*model, pool);
  const std::vector<double> x(2 * static_cast<std::size_t>(options.features), 0.3);
  const std::vector<double> both = density.log_prob(x, std::vector<double>{100000.0, 100001.0});
  EXPECT_GT(std::abs(both[0] - both[1]), 1e-3);
  try {
    density.log_prob(x, std::vector<double>{100000.0, 100000.25});
    FAIL();
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(),
                 "log_prob: row 2 of the condition, id = 100000.25, is none of the 2 classes that "
                 "the model was trained with; give their very values");
  }
}

TEST(ClassConditional, SamplesOfEachClassFollowItsDensity) {
  // The mean log density of samples of a class against its own mean over the other class' samples,
  // reweighted: both are means over the class' density. The deviations are a few units; 5 standard
  // errors fail by chance once in 10^6.
  for (const char* conditional : {"proposal", "acceptance", "both"}) {
    SCOPED_TRACE(conditional);
    const auto model = disturbed_model(class_model(conditional));
    ThreadPool pool(2);
    estimate_normaliser(*model, 1 << 20, 7, pool);
    constexpr std::int64_t kCount = 40000;
    std::vector<double> context(kCount);
    for (std::size_t i = 0; i < context.size(); ++i) context[i] = i % 3 == 0 ? 1.0 : 0.0;
    const std::vector<double> x = FlowSampler(*model, pool, 5).next(kCount, context);
    DensityEvaluator density(*model, pool, Precision::kDouble);
    const std::vector<double> own = density.log_prob(x, context);
    std::vector<double> flipped = context;
    for (double& value : flipped) value = 1.0 - value;
    const std::vector<double> other = density.log_prob(x, flipped);
    // Over samples of class c the mean of p(x | other) / p(x | c) is 1.
    for (const double number : {0.0, 1.0}) {
      double sum = 0.0, squares = 0.0, count = 0.0;
      for (std::size_t i = 0; i < context.size(); ++i) {
        if (context[i] != number) continue;
        const double ratio = std::exp(other[i] - own[i]);
        sum += ratio;
        squares += ratio * ratio;
        count += 1.0;
      }
      const double mean = sum / count;
      const double deviation = std::sqrt(squares / count - mean * mean);
      EXPECT_GT(deviation, 0.01);  // the classes differ
      EXPECT_NEAR(mean, 1.0, 5.0 * deviation / std::sqrt(count)) << "class " << number;
    }
  }
}

TEST(ClassConditional, SamplesAreTheSameWhateverTheBlocks) {
  const auto model = disturbed_model(class_model("both"));
  ThreadPool pool(2);
  std::vector<double> context(1001);
  for (std::size_t i = 0; i < context.size(); ++i) context[i] = i % 2 == 0 ? 1.0 : 0.0;
  const std::vector<double> once = FlowSampler(*model, pool, 5).next(1001, context);
  FlowSampler sampler(*model, pool, 5);
  std::vector<double> joined = sampler.next(300, std::span(context).first(300));
  const std::vector<double> rest = sampler.next(701, std::span(context).subspan(300));
  joined.insert(joined.end(), rest.begin(), rest.end());
  EXPECT_EQ(joined, once);
  EXPECT_GT(sampler.statistics().proposals, 1001);
}

TEST(ClassConditional, UnknownClassesAndUnfitOptionsAreRefused) {
  const auto model = disturbed_model(class_model("proposal"));
  ThreadPool pool(1);
  const std::vector<double> point = {0.0, 0.0, 0.0}, unknown = {2.0};
  EXPECT_THROW(DensityEvaluator(*model, pool).log_prob(point, unknown), DataError);
  EXPECT_THROW(FlowSampler(*model, pool, 1).next(1, unknown), DataError);
  ModelOptions options = class_model("both");
  options.context_features = 0;
  EXPECT_THROW(Model(options, 1), ConfigError);
  options = class_model("acceptance");
  options.base.kind = "normal";
  EXPECT_THROW(Model(options, 1), ConfigError);
  options = class_model("classes");
  EXPECT_THROW(Model(options, 1), ConfigError);
}

}  // namespace
}  // namespace thalweg

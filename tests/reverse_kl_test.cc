// Reverse KL: gradients against closed forms, variance of the two score estimators, and training.
#include "thalweg/objectives/reverse_kl.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "thalweg/bases/gaussian_mixture.h"
#include "thalweg/bases/normal.h"
#include "thalweg/bases/resampled.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/program.h"
#include "thalweg/flows/model.h"
#include "thalweg/training/trainer.h"

namespace thalweg {
namespace {

constexpr double kWidth = 1.5;  // deviation of the target

/// A normal density around 0.5, times a constant.
class OffsetNormal : public Target {
 public:
  explicit OffsetNormal(double offset) : Target("offset_normal", 1), offset_(offset) {}
  std::vector<double> sample(RandomSequence& random) const override {
    return {0.5 + kWidth * random.normal()};
  }
  double half_width() const override { return 4.0 * kWidth; }

 protected:
  Value build_log_density(Value x) const override {
    return -0.5 * square((x - 0.5) / kWidth) -
           std::log(kWidth * std::sqrt(2.0 * std::numbers::pi)) + offset_;
  }

 private:
  double offset_;
};

/// Gradients by location and log scale of a mixture of one component, which is not reparameterised.
class MixtureGradient {
 public:
  MixtureGradient(double offset, ScoreEstimator estimator)
      : target_(std::make_shared<OffsetNormal>(offset)) {
    RandomSequence random(1, Stream::kInitialisation);
    auto base = std::make_shared<GaussianMixture>(
        parameters_, "base", random, 1,
        GaussianMixtureOptions{.components = 1, .location_scale = 0.0, .scale = 0.8});
    parameters_.values(parameters_.find("base.locations"))[0] = kLocation;
    const Flow flow(base, {});
    Graph graph(parameters_, Phase::kTraining);
    const TrainingStep step =
        training_step(graph, flow, ReverseKl(target_, {.estimator = estimator}));
    executor_ = std::make_unique<Executor<double>>(
        std::make_shared<Program<double>>(
            graph, std::vector<Value>{step.loss, step.gradients[0], step.gradients[1]}),
        pool_);
  }

  /// Loss, and gradients by location and log scale.
  std::array<double, 3> operator()(std::int64_t count, std::uint64_t seed) {
    const std::vector<double> ones(static_cast<std::size_t>(count), 1.0);
    const BatchInput<double> input{ones.data(), nullptr};
    executor_->run({.parameters = parameters_.flat().data(),
                    .inputs = {&input, 1},
                    .counts = {&count, 1},
                    .seed = seed,
                    .outputs = {}});
    return {executor_->shared_output(0)[0], executor_->shared_output(1)[0],
            executor_->shared_output(2)[0]};
  }

  static constexpr double kLocation = -0.3, kScale = 0.8;

 private:
  std::shared_ptr<const Target> target_;
  ParameterStore parameters_;
  ThreadPool pool_{1};
  std::unique_ptr<Executor<double>> executor_;
};

TEST(ReverseKl, CovarianceGradientIsThatOfTheClosedForm) {
  // KL of two normals; its derivatives by location and log scale.
  const double m = MixtureGradient::kLocation, s = MixtureGradient::kScale;
  const double kl =
      std::log(kWidth / s) + (s * s + (m - 0.5) * (m - 0.5)) / (2.0 * kWidth * kWidth) - 0.5;
  const double by_location = (m - 0.5) / (kWidth * kWidth);
  const double by_log_scale = s * s / (kWidth * kWidth) - 1.0;
  MixtureGradient gradient(0.0, ScoreEstimator::kCovariance);
  // Standard errors are below 0.004; five of them fail by chance once in 600 000 fixed seeds.
  const auto [loss, location, log_scale] = gradient(400000, 3);
  EXPECT_NEAR(loss, kl, 0.02);
  EXPECT_NEAR(location, by_location, 0.02);
  EXPECT_NEAR(log_scale, by_log_scale, 0.02);
}

TEST(ReverseKl, AConstantDoesNotChangeTheCovarianceGradient) {
  const auto plain = MixtureGradient(0.0, ScoreEstimator::kCovariance)(512, 5);
  const auto shifted = MixtureGradient(50.0, ScoreEstimator::kCovariance)(512, 5);
  EXPECT_NEAR(shifted[0], plain[0] - 50.0, 1e-10);
  EXPECT_NEAR(shifted[1], plain[1], 1e-11);
  EXPECT_NEAR(shifted[2], plain[2], 1e-11);
}

TEST(ReverseKl, CovarianceHasLessVarianceWhereTheTargetIsNotNormalised) {
  // For a normalised target and two normals it can have more (the ratio is then 0.7), since the
  // mean of the integrand is then no better a baseline than 0.
  MixtureGradient covariance(50.0, ScoreEstimator::kCovariance);
  MixtureGradient plain(50.0, ScoreEstimator::kPlain);
  for (std::size_t parameter = 0; parameter < 2; ++parameter) {
    const auto variance = [&](MixtureGradient& gradient) {
      // 400 batches give a variance to 7 %; the ratios are 600 and more.
      constexpr int kBatches = 400;
      double sum = 0.0, squares = 0.0;
      for (int batch = 0; batch < kBatches; ++batch) {
        const double value = gradient(256, static_cast<std::uint64_t>(100 + batch))[1 + parameter];
        sum += value;
        squares += value * value;
      }
      return squares / kBatches - (sum / kBatches) * (sum / kBatches);
    };
    EXPECT_GT(variance(plain), 100.0 * variance(covariance)) << parameter;
  }
}

/// A target times a constant, so that its integral is exp(log_integral).
class Rescaled : public Target {
 public:
  Rescaled(std::unique_ptr<Target> target, double log_integral)
      : Target(target->name(), target->features()),
        target_(std::move(target)),
        offset_(log_integral - target_->log_normaliser().value()) {}
  std::vector<double> sample(RandomSequence& random) const override {
    return target_->sample(random);
  }
  double half_width() const override { return target_->half_width(); }

 protected:
  Value build_log_density(Value x) const override { return target_->log_density(x) + offset_; }

 private:
  std::unique_ptr<Target> target_;
  double offset_;
};

/// Exact samples of a base by rejection, row-major.
std::vector<double> base_samples(const ParameterStore& parameters, const ResampledBase& base,
                                 std::int64_t count, std::uint64_t seed) {
  Graph graph(parameters);
  const Value z = base.draw(graph, 0);
  ThreadPool pool(1);
  Executor<double> executor(
      std::make_shared<Program<double>>(
          graph, std::vector<Value>{z, base.acceptance(z), graph.uniform({1, 1})}),
      pool);
  const std::int64_t proposals = 40 * count;
  const std::int64_t features = base.features();
  std::vector<double> drawn(static_cast<std::size_t>(proposals * features)),
      accepted(static_cast<std::size_t>(proposals)), uniform(accepted.size());
  const std::array<double*, 3> outputs{drawn.data(), accepted.data(), uniform.data()};
  executor.run({.parameters = parameters.flat().data(),
                .counts = {&proposals, 1},
                .seed = seed,
                .outputs = outputs});
  std::vector<double> samples;
  std::int64_t rejected = 0;
  for (std::size_t row = 0; row < uniform.size(); ++row) {
    if (uniform[row] >= accepted[row] && ++rejected < base.truncation()) continue;
    rejected = 0;
    const auto first = drawn.begin() + static_cast<std::ptrdiff_t>(row) * features;
    samples.insert(samples.end(), first, first + features);
  }
  samples.resize(static_cast<std::size_t>(count * features));
  return samples;
}

TEST(ReverseKl, GradientOfAResampledBaseIsThatOfQuadrature) {
  ParameterStore parameters;
  RandomSequence random(4, Stream::kInitialisation);
  auto proposal = std::make_shared<Normal>(parameters, "proposal", 1, false);
  auto acceptance =
      std::make_unique<Mlp>(parameters, "acceptance", random, 1, 1,
                            MlpOptions{.hidden = {6}, .activation = Activation::kTanh});
  const auto base = std::make_shared<ResampledBase>(
      parameters, "base", proposal, std::move(acceptance),
      ResampledBaseOptions{.truncation = 4, .average_rate = 1.0, .training_proposals = 1 << 18});
  for (double& value : parameters.flat()) value *= 3.0;  // so that acceptance is no constant
  const auto target = std::make_shared<const OffsetNormal>(2.0);

  // The density on a grid, with Z by quadrature; then the divergence.
  constexpr std::int64_t kPoints = 4001;
  constexpr double kStep = 16.0 / (kPoints - 1);
  std::vector<double> grid(kPoints), log_base(kPoints), accepted(kPoints), log_target(kPoints);
  for (std::size_t i = 0; i < grid.size(); ++i) grid[i] = -8.0 + kStep * static_cast<double>(i);
  ThreadPool pool(2);
  Graph on_grid(parameters);
  const Value point = on_grid.input({1, 1});
  Executor<double> evaluate(
      std::make_shared<Program<double>>(
          on_grid, std::vector<Value>{base->log_prob(point), base->acceptance(point),
                                      target->log_density(point)}),
      pool);
  const auto divergence = [&] {
    const BatchInput<double> input{grid.data(), nullptr};
    const std::array<double*, 3> outputs{log_base.data(), accepted.data(), log_target.data()};
    const std::int64_t count = kPoints;
    const auto run = [&] {
      evaluate.run({.parameters = parameters.flat().data(),
                    .inputs = {&input, 1},
                    .counts = {&count, 1},
                    .outputs = outputs});
    };
    run();
    double z = 0.0, sum = 0.0;
    for (std::size_t i = 0; i < grid.size(); ++i)
      z += kStep * accepted[i] * std::exp(-0.5 * grid[i] * grid[i]) * std::numbers::inv_sqrtpi /
           std::numbers::sqrt2;
    parameters.values(base->normaliser())[0] = z;
    run();
    for (std::size_t i = 0; i < grid.size(); ++i)
      sum += kStep * std::exp(log_base[i]) * (log_base[i] - log_target[i]);
    return sum;
  };
  const double exact = divergence();

  // Samples at the middle of equal shares of the probability: a mean over them is a quadrature too.
  constexpr std::int64_t kSamples = 40000;
  std::vector<double> samples;
  double below = 0.0;
  for (std::size_t i = 0; i + 1 < grid.size(); ++i) {
    const double share = 0.5 * kStep * (std::exp(log_base[i]) + std::exp(log_base[i + 1]));
    for (;;) {
      const double wanted = (static_cast<double>(samples.size()) + 0.5) / kSamples;
      if (wanted > below + share || samples.size() == kSamples) break;
      samples.push_back(grid[i] + kStep * (wanted - below) / share);
    }
    below += share;
  }
  EXPECT_NEAR(below, 1.0, 1e-6);
  while (samples.size() < kSamples) samples.push_back(grid.back());

  const Flow flow(base, {});
  Graph graph(parameters, Phase::kTraining);
  const TrainingStep step = training_step(graph, flow, ReverseKl(target));
  std::vector<Value> outputs{step.loss};
  outputs.insert(outputs.end(), step.gradients.begin(), step.gradients.end());
  Executor<double> train(std::make_shared<Program<double>>(graph, outputs), pool);
  const std::vector<double> ones(kSamples, 1.0);
  const std::array<BatchInput<double>, 2> inputs{BatchInput<double>{samples.data(), nullptr},
                                                 BatchInput<double>{ones.data(), nullptr}};
  const std::array<std::int64_t, 2> counts{kSamples, 1 << 18};
  train.run({.parameters = parameters.flat().data(),
             .inputs = inputs,
             .counts = counts,
             .seed = 6,
             .outputs = {}});
  // What is random is Z alone, known to 1e-3 of itself from 262 144 proposals; the tolerances are
  // five such errors or more, so a fixed seed fails by chance once in a million.
  EXPECT_NEAR(train.shared_output(0)[0], exact, 5e-3);
  for (std::size_t tensor = 0; tensor < step.trainable.size(); ++tensor) {
    const std::span<double> values = parameters.values(step.trainable[tensor]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double saved = values[i];
      values[i] = saved + 1e-4;
      const double above = divergence();
      values[i] = saved - 1e-4;
      const double difference = (above - divergence()) / 2e-4;
      values[i] = saved;
      EXPECT_NEAR(train.shared_output(1 + tensor)[i], difference, 1e-3)
          << parameters.info(step.trainable[tensor]).name << ' ' << i;
    }
  }
}

ModelOptions small_model(const std::string& base) {
  ModelOptions options;
  options.flow.blocks = 4;
  options.flow.hidden = {16, 16};
  options.base.kind = base;
  options.base.hidden = {32, 32};
  options.base.proposals = 256;
  return options;
}

TrainingOptions training_options(std::int64_t iterations) {
  TrainingOptions options;
  options.objective = "reverse_kl";
  options.iterations = iterations;
  options.batch_size = 200;
  options.annealing_steps = 20;
  return options;
}

std::vector<double> trained(const std::string& base, int threads, std::int64_t stop_at) {
  ThreadPool pool(threads);
  TrainingData data;
  data.target = make_target("two_rings");
  Model model(small_model(base), 1);
  auto trainer = std::make_unique<Trainer>(model, data, training_options(30), pool);
  for (std::int64_t step = 0; step < stop_at; ++step) trainer->step();
  const TrainerState state = trainer->state();
  Model again(small_model(base), 1);
  trainer = std::make_unique<Trainer>(again, data, training_options(30), pool);
  trainer->restore(state);
  for (std::int64_t step = stop_at; step < 30; ++step) trainer->step();
  return trainer->state().parameters;
}

TEST(ReverseKl, TrainsToTheSameBitsWithAnyThreadsAndAfterAResume) {
  for (const char* base : {"normal", "mixture", "resampled"}) {
    const std::vector<double> once = trained(base, 1, 0);
    EXPECT_EQ(trained(base, 2, 0), once) << base;
    EXPECT_EQ(trained(base, 3, 17), once) << base;
  }
}

TEST(ReverseKl, LowersTheDivergence) {
  for (const char* base : {"normal", "mixture", "resampled"}) {
    ThreadPool pool(2);
    TrainingData data;
    data.target = make_target("two_rings");
    Model model(small_model(base), 1);
    TrainingOptions options = training_options(600);
    options.annealing_steps = 0;
    options.learning_rate = 3e-3;
    options.precision = "double";
    Trainer trainer(model, data, options, pool);
    const double first = trainer.step();
    while (trainer.counters().step < 600) trainer.step();
    EXPECT_LT(trainer.counters().smoothed_loss, first - 1.0) << base;
    EXPECT_EQ(trainer.counters().bad_steps, 0) << base;
  }
}

/// Median over the base's parameters of the plain estimator's variance over that of the covariance.
double median_variance_ratio(const Model& model, const std::shared_ptr<const Target>& target) {
  constexpr int kBatches = 100;
  constexpr std::int64_t kBatch = 256;
  std::vector<std::vector<double>> variances;  // of each estimator, of each parameter
  ThreadPool pool(2);
  for (const ScoreEstimator estimator : {ScoreEstimator::kPlain, ScoreEstimator::kCovariance}) {
    Graph graph(model.parameters(), Phase::kTraining);
    const TrainingStep step =
        training_step(graph, model.flow(), ReverseKl(target, {.estimator = estimator}));
    std::vector<Value> gradients;
    for (std::size_t i = 0; i < step.trainable.size(); ++i)
      if (model.parameters().info(step.trainable[i]).name.starts_with("base."))
        gradients.push_back(step.gradients[i]);
    Executor<double> executor(std::make_shared<Program<double>>(graph, gradients), pool);
    std::vector<double> sum, squares;
    const std::vector<double> ones(kBatch, 1.0);
    for (int batch = 0; batch < kBatches; ++batch) {
      const auto seed = static_cast<std::uint64_t>(1000 + batch);
      const std::vector<double> z =
          base_samples(model.parameters(), *model.resampled(), kBatch, seed);
      const std::array<BatchInput<double>, 2> inputs{BatchInput<double>{z.data(), nullptr},
                                                     BatchInput<double>{ones.data(), nullptr}};
      const std::array<std::int64_t, 2> counts{kBatch, model.options().base.proposals};
      executor.run({.parameters = model.parameters().flat().data(),
                    .inputs = inputs,
                    .counts = counts,
                    .seed = seed,
                    .outputs = {}});
      std::size_t place = 0;
      for (std::size_t i = 0; i < gradients.size(); ++i)
        for (const double value : executor.shared_output(i)) {
          if (place == sum.size()) {
            sum.push_back(0.0);
            squares.push_back(0.0);
          }
          sum[place] += value;
          squares[place++] += value * value;
        }
    }
    variances.emplace_back();
    for (std::size_t i = 0; i < sum.size(); ++i)
      variances.back().push_back(squares[i] / kBatches - (sum[i] / kBatches) * (sum[i] / kBatches));
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < variances[0].size(); ++i)
    if (variances[1][i] > 0.0) ratios.push_back(variances[0][i] / variances[1][i]);
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::nth_element(ratios.begin(), middle, ratios.end());
  return *middle;
}

TEST(ReverseKl, CovarianceHasLessVarianceForAResampledBase) {
  // The gain is about 1 + mean^2 / variance of the integrand: small while the model is bad in a
  // thousand ways (1.2 to 2.9 untrained), large once it has settled on a part of the target. Here
  // after 1 000 steps, at the same parameters: 51, 2.4 and 118 for the three targets; each is the
  // median over 1 200 parameters of ratios that 100 batches give to 15 %.
  for (const char* name : {"dual_moon", "two_rings"}) {
    ThreadPool pool(2);
    TrainingData data;
    data.target = make_target(name);
    Model model(small_model("resampled"), 1);
    TrainingOptions options = training_options(1000);
    options.precision = "double";
    Trainer trainer(model, data, options, pool);
    while (trainer.counters().step < 1000) trainer.step();
    const std::vector<double> trained = trainer.state().parameters;
    std::copy(trained.begin(), trained.end(), model.parameters().flat().begin());
    EXPECT_GT(median_variance_ratio(model, std::make_shared<Rescaled>(make_target(name), 0.0)), 2.0)
        << name;
    EXPECT_GT(median_variance_ratio(model, std::make_shared<Rescaled>(make_target(name), 50.0)),
              2.0)
        << name;
  }
}

TEST(ReverseKl, RefusesWhatItCannotDo) {
  ThreadPool pool(1);
  Model model(small_model("normal"), 1);
  EXPECT_THROW(Trainer(model, {}, training_options(1), pool), DataError);
  TrainingData data;
  data.target = std::make_shared<OffsetNormal>(0.0);
  EXPECT_THROW(Trainer(model, data, training_options(1), pool), ShapeError);
  data.target = make_target("two_rings");
  TrainingOptions one = training_options(1);
  one.batch_size = 1;
  Model resampled(small_model("resampled"), 1);
  EXPECT_THROW(Trainer(resampled, data, one, pool), ConfigError);
  // Angles on the plane have no normaliser; on the circle they have one.
  data.target = make_target("two_angles");
  ModelOptions angles = small_model("normal");
  angles.features = 2;
  Model plane(angles, 1);
  EXPECT_THROW(Trainer(plane, data, training_options(1), pool), ConfigError);
  angles.columns = angle_columns(2);
  angles.flow.kind = "spline";
  angles.flow.permutation = "swap";
  angles.flow.act_norm = false;
  Model circle(angles, 1);
  Trainer trainer(circle, data, training_options(1), pool);
  EXPECT_NO_THROW(trainer.run());
}

TEST(ReverseKl, GivesUpWhereNothingIsAccepted) {
  ThreadPool pool(2);
  ModelOptions options = small_model("resampled");
  options.base.truncation = 0;
  Model model(options, 1);
  for (const ParameterInfo& info : model.parameters().infos())
    if (info.name == "base.acceptance.2.bias")
      model.parameters().values(model.parameters().find(info.name))[0] = -200.0;
  TrainingData data;
  data.target = make_target("two_rings");
  TrainingOptions few = training_options(1);
  few.batch_size = 2;
  Trainer trainer(model, data, few, pool);
  EXPECT_THROW(trainer.step(), NumericalError);
}

}  // namespace
}  // namespace thalweg

// Markov chains in latent space against quadrature and closed forms.
#include "thalweg/sampling/markov_chains.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/flows/flow.h"
#include "thalweg/targets/expression.h"

namespace thalweg {
namespace {

/// y = width asinh(steepness z): steep where z is 0, so that a normal base gives two modes.
class Stretch : public Transform {
 public:
  Stretch(double steepness, double width)
      : Transform("stretch", 1), steepness_(steepness), width_(width) {}

 protected:
  Mapped build_forward(Value z, Value /*context*/) const override {
    const Value t = steepness_ * z;
    const Value root = sqrt(square(t) + 1.0);
    return {width_ * sign(t) * log(abs(t) + root), std::log(width_ * steepness_) - log(root)};
  }
  Mapped build_inverse(Value x, Value /*context*/) const override {
    const Value e = exp(x * (1.0 / width_));
    const Value cosh = 0.5 * (e + reciprocal(e));
    return {(0.5 / steepness_) * (e - reciprocal(e)), log(cosh) - std::log(width_ * steepness_)};
  }

 private:
  double steepness_, width_;
};

constexpr double kSteepness = 8.0, kWidth = 0.8;

/// A density on the line, by quadrature.
class Line {
 public:
  explicit Line(const std::function<double(double)>& density) {
    double sum = 0.0;
    for (int i = 0; i < kPoints; ++i) {
      sum += density(place(i + 0.5));
      cumulative_.push_back(sum);
    }
    for (double& value : cumulative_) value /= sum;
  }
  double probability_below(double z) const {
    const double at = std::clamp((z + kReach) / kStep, 0.0, static_cast<double>(kPoints));
    const auto cell = std::min(static_cast<std::size_t>(at), cumulative_.size() - 1);
    const double low = cell == 0 ? 0.0 : cumulative_[cell - 1];
    return low + (at - static_cast<double>(cell)) * (cumulative_[cell] - low);
  }
  double draw(double uniform) const {
    const auto cell = std::lower_bound(cumulative_.begin(), cumulative_.end(), uniform);
    const auto index = static_cast<int>(cell - cumulative_.begin());
    const double low = index == 0 ? 0.0 : *(cell - 1);
    return place(index + (uniform - low) / (*cell - low));
  }
  /// Kolmogorov's distance times the root of the count: beyond 2.7 with odds of 1e-6 if all is
  /// right.
  double distance(std::vector<double> z) const {
    std::ranges::sort(z);
    double largest = 0.0;
    const auto count = static_cast<double>(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double p = probability_below(z[i]);
      largest = std::max({largest, p - static_cast<double>(i) / count,
                          (static_cast<double>(i) + 1.0) / count - p});
    }
    return largest * std::sqrt(count);
  }

 private:
  static constexpr int kPoints = 200000;
  static constexpr double kReach = 9.0, kStep = 2.0 * kReach / kPoints;
  static double place(double cell) { return -kReach + kStep * cell; }
  std::vector<double> cumulative_;
};

double normal_density(double z) {
  return std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
}
double slope(double z) {
  return kWidth * kSteepness / std::sqrt(1.0 + kSteepness * kSteepness * z * z);
}
constexpr char kEnergy[] = "0.5*(x-0.4)^2 + 1.2*cos(2.5*x)";
double energy(double x) { return 0.5 * (x - 0.4) * (x - 0.4) + 1.2 * std::cos(2.5 * x); }

class OneDimension : public ::testing::Test {
 protected:
  OneDimension()
      : flow_(std::make_shared<Normal>(parameters_, "base", 1),
              {std::make_shared<Stretch>(kSteepness, kWidth)}) {}

  static Line truth(ChainTarget target) {
    return Line([&](double z) {
      if (target == ChainTarget::kModel) return normal_density(z);
      if (target == ChainTarget::kSharpened) return normal_density(z) / slope(z);
      return std::exp(-energy(kWidth * std::asinh(kSteepness * z))) * slope(z);
    });
  }

  LatentDensity density(ChainTarget target) const {
    return {flow_, parameters_, target,
            target == ChainTarget::kEnergy ? make_expression_target(kEnergy, {"x"}) : nullptr};
  }

  /// The distance from the target after a few steps from exact draws of it.
  double distance(ChainTarget target, std::vector<WeightedKernel> kernels, double step_size,
                  int steps = 10) {
    ChainOptions options;
    options.chains = 30000;
    options.burn_in = 0;
    options.step_size = step_size;
    options.seed = 5;
    MarkovChains chains(density(target), std::move(kernels), options, pool_);
    const Line line = truth(target);
    RandomSequence random(11, Stream::kTarget);
    std::vector<double> z;
    for (std::int64_t i = 0; i < options.chains; ++i) z.push_back(line.draw(random.uniform()));
    EXPECT_LT(line.distance(z), 2.7);
    chains.start_at(z);
    for (int step = 0; step < steps; ++step) chains.step();
    for (const KernelStatistics& kernel : chains.statistics())
      EXPECT_GT(kernel.acceptance(), 0.1) << kernel.kernel;
    return line.distance(chains.state().z);
  }

  ParameterStore parameters_;
  ThreadPool pool_;
  Flow flow_;
};

/// A kernel that has lost its acceptance: every proposal is taken.
class AlwaysAccepted : public ChainKernel {
 public:
  explicit AlwaysAccepted(std::shared_ptr<const ChainKernel> kernel)
      : ChainKernel(kernel->name()), kernel_(std::move(kernel)) {}
  ProposedMove propose(const LatentDensity& density, const ChainPoint& from, Value step_size,
                       Value context) const override {
    return kernel_->propose(density, from, step_size, context);
  }
  Value log_proposal_ratio(const LatentDensity& /*density*/, const ChainPoint& from,
                           const ChainPoint& to, const ProposedMove& /*move*/, Value /*step_size*/,
                           Value /*context*/) const override {
    return from.log_density - to.log_density;
  }
  bool serves(ChainTarget target) const override { return kernel_->serves(target); }
  bool needs_gradient() const override { return kernel_->needs_gradient(); }
  bool needs_score() const override { return kernel_->needs_score(); }

 private:
  std::shared_ptr<const ChainKernel> kernel_;
};

struct KernelCase {
  const char* kernel;
  ChainTarget target;
  double step_size;
};

// Odds of a false alarm: 1e-6 a comparison, 2e-5 in all.
TEST_F(OneDimension, EachKernelLeavesItsTargetInvariantAndNotWithoutItsAcceptance) {
  for (const KernelCase& entry :
       {KernelCase{"independence", ChainTarget::kSharpened, 1.0},
        KernelCase{"independence", ChainTarget::kEnergy, 1.0},
        KernelCase{"mala", ChainTarget::kModel, 1.2},
        KernelCase{"mala", ChainTarget::kSharpened, 0.3},
        KernelCase{"mala", ChainTarget::kEnergy, 0.25}, KernelCase{"hmc", ChainTarget::kModel, 0.9},
        KernelCase{"hmc", ChainTarget::kSharpened, 0.2},
        KernelCase{"hmc", ChainTarget::kEnergy, 0.15},
        KernelCase{"sails", ChainTarget::kSharpened, 0.4}}) {
    SCOPED_TRACE(testing::Message() << entry.kernel << " on " << statement(entry.target));
    const std::shared_ptr<const ChainKernel> kernel = make_chain_kernel(entry.kernel);
    EXPECT_LT(distance(entry.target, {{kernel, 1.0}}, entry.step_size), 2.7);
    EXPECT_GT(
        distance(entry.target, {{std::make_shared<AlwaysAccepted>(kernel), 1.0}}, entry.step_size),
        4.0);
  }
}

TEST_F(OneDimension, MixturesLeaveTheirTargetInvariant) {
  for (const KernelCase& entry : {KernelCase{"sails", ChainTarget::kSharpened, 0.4},
                                  KernelCase{"mala", ChainTarget::kEnergy, 0.25}})
    EXPECT_LT(distance(entry.target,
                       {{make_chain_kernel(entry.kernel), 0.3},
                        {make_chain_kernel("independence"), 0.5},
                        {make_chain_kernel("hmc", 3), 0.2}},
                       entry.step_size),
              2.7)
        << entry.kernel;
}

TEST_F(OneDimension, ThePublishedKernelMissesItsTargetAndLessSoWithSmallSteps) {
  const std::vector<WeightedKernel> published = {{make_chain_kernel("sails_published"), 1.0}};
  const double large = distance(ChainTarget::kSharpened, published, 0.4, 200);
  const double small = distance(ChainTarget::kSharpened, published, 0.1, 200);
  EXPECT_GT(large, 6.0);
  EXPECT_LT(small, large);
  RecordProperty("distance_at_0.4", std::to_string(large));
  RecordProperty("distance_at_0.1", std::to_string(small));
}

// The share between the modes tells which density is sampled: q_Z/|J| leaves far less there.
TEST_F(OneDimension, SharpenedIsNotTheFlowsOwnDensity) {
  const auto share = [](const Line& line) {
    return line.probability_below(0.2) - line.probability_below(-0.2);
  };
  const double sharpened = share(truth(ChainTarget::kSharpened));
  const double own = share(truth(ChainTarget::kModel));
  EXPECT_GT(own, 4.0 * sharpened);
  ChainOptions options;
  options.chains = 20000;
  options.burn_in = 100;
  MarkovChains chains(density(ChainTarget::kSharpened),
                      {{make_chain_kernel("sails"), 0.5}, {make_chain_kernel("independence"), 0.5}},
                      options, pool_);
  chains.start();
  while (!chains.step()) {
  }
  double found = 0.0;
  for (const double z : chains.state().z) found += std::abs(z) < 0.2 ? 1.0 : 0.0;
  found /= static_cast<double>(options.chains);
  // Five standard errors: odds of 6e-7.
  const double error =
      std::sqrt(sharpened * (1.0 - sharpened) / static_cast<double>(options.chains));
  EXPECT_NEAR(found, sharpened, 5.0 * error);
}

}  // namespace
}  // namespace thalweg

#include "thalweg/training/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"

namespace thalweg {
namespace {

const std::array<std::string, 5> kKinds = {"constant", "step", "exponential", "cosine",
                                           "one_cycle"};
constexpr double kCycleStart = 1.0 / 25.0;
constexpr double kCyclePeak = 0.3;  // share of the steps before the peak

/// Half a period of a cosine from `start` to `end` for progress in [0, 1].
double cosine_between(double start, double end, double progress) {
  return end + (start - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace

std::int64_t Pace::place(std::int64_t step, double seconds) {
  constexpr double kSlowStart = 0.05;  // share of the time
  const double share = budget_ > 0.0 ? seconds / budget_ : 0.0;
  if (share >= kSlowStart) {
    const auto steps = static_cast<double>(iterations_ - first_);
    const auto due = first_ + static_cast<std::int64_t>(std::min(share, 1.0) * steps);
    reached_ = std::max(reached_, std::min(due, iterations_ - 1));
  }
  if (reached_ > step) shortened_ = true;
  return std::max(step, reached_);
}

Schedule::Schedule(const ScheduleOptions& options, std::int64_t iterations)
    : options_(options), iterations_(iterations) {
  const auto* kind = std::find(kKinds.begin(), kKinds.end(), options.kind);
  if (kind == kKinds.end())
    fail<ConfigError>("training.schedule: unknown '{}'{}", options.kind,
                      name_hint(options.kind, kKinds));
  kind_ = static_cast<Kind>(kind - kKinds.begin());
  if (options.warm_up < 0)
    fail<ConfigError>("training.warm_up: expected at least 0, got {}", options.warm_up);
  if (!(options.decay_factor > 0.0 && options.decay_factor <= 1.0))
    fail<ConfigError>("training.decay_factor: expected a number in (0, 1], got {}",
                      options.decay_factor);
  if (options.decay_every < 1)
    fail<ConfigError>("training.decay_every: expected at least 1, got {}", options.decay_every);
  for (std::size_t i = 0; i < options.milestones.size(); ++i)
    if (options.milestones[i] < 1 || (i > 0 && options.milestones[i] <= options.milestones[i - 1]))
      fail<ConfigError>("training.milestones: expected increasing steps of at least 1, got {}{}",
                        options.milestones[i],
                        i > 0 ? fmt::format(" after {}", options.milestones[i - 1]) : "");
  if (!(options.final_factor >= 0.0 && options.final_factor <= 1.0))
    fail<ConfigError>("training.final_factor: expected a number in [0, 1], got {}",
                      options.final_factor);
}

double Schedule::factor(std::int64_t step) const {
  if (step < options_.warm_up)
    return static_cast<double>(step + 1) / static_cast<double>(options_.warm_up);
  const auto since = static_cast<double>(step - options_.warm_up);
  const auto total = static_cast<double>(std::max<std::int64_t>(1, iterations_ - options_.warm_up));
  const double progress = std::min(1.0, since / total);
  const double periods = since / static_cast<double>(options_.decay_every);
  const auto& milestones = options_.milestones;
  switch (kind_) {
    case Kind::kConstant:
      return 1.0;
    case Kind::kStep: {
      const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step);
      return std::pow(options_.decay_factor,
                      milestones.empty() ? std::floor(periods)
                                         : static_cast<double>(passed - milestones.begin()));
    }
    case Kind::kExponential:
      return std::pow(options_.decay_factor, periods);
    case Kind::kCosine:
      return cosine_between(1.0, options_.final_factor, progress);
    case Kind::kOneCycle:
      if (progress < kCyclePeak) return cosine_between(kCycleStart, 1.0, progress / kCyclePeak);
      return cosine_between(1.0, options_.final_factor,
                            (progress - kCyclePeak) / (1.0 - kCyclePeak));
  }
  return 1.0;
}

}  // namespace thalweg

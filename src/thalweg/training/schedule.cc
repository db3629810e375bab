#include "thalweg/training/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// Half a period of a cosine from `start` to `end` for progress in [0, 1].
double cosine_between(double start, double end, double progress) {
  return end + (start - end) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

double steps_factor(const ScheduleOptions& options, const SchedulePlace& place) {
  const auto& milestones = options.milestones;
  const auto passed = std::upper_bound(milestones.begin(), milestones.end(), place.step);
  return std::pow(options.decay_factor,
                  milestones.empty()
                      ? std::floor(place.since / static_cast<double>(options.decay_every))
                      : static_cast<double>(passed - milestones.begin()));
}

/// Smith and Topin 2019.
double cycle_factor(const ScheduleOptions& options, const SchedulePlace& place) {
  constexpr double kStart = 1.0 / 25.0, kPeak = 0.3;
  if (place.progress < kPeak) return cosine_between(kStart, 1.0, place.progress / kPeak);
  return cosine_between(1.0, options.final_factor, (place.progress - kPeak) / (1.0 - kPeak));
}

}  // namespace

KindTable<ScheduleKind>& schedule_kinds() {
  using Options = ScheduleOptions;
  using Place = SchedulePlace;
  static KindTable<ScheduleKind> kinds({
      {.name = "constant",
       .summary = "the same learning rate throughout",
       .make = [](const Options&, const Place&) { return 1.0; }},
      {.name = "step",
       .summary = "times a factor at each milestone, or every so many steps",
       .settings = {"training.decay_factor", "training.decay_every", "training.milestones"},
       .make = steps_factor},
      {.name = "exponential",
       .summary = "the same decay, smoothly",
       .settings = {"training.decay_factor", "training.decay_every"},
       .make =
           [](const Options& options, const Place& place) {
             return std::pow(options.decay_factor,
                             place.since / static_cast<double>(options.decay_every));
           }},
      {.name = "cosine",
       .summary = "half a period of a cosine, down to the last factor",
       .settings = {"training.final_factor"},
       .make =
           [](const Options& options, const Place& place) {
             return cosine_between(1.0, options.final_factor, place.progress);
           }},
      {.name = "one_cycle",
       .summary = "by cosines up from 1/25 over the first 30 %, then down to the last factor",
       .settings = {"training.final_factor"},
       .make = cycle_factor},
  });
  return kinds;
}

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
    : options_(options),
      make_(schedule_kinds().find("training.schedule", options.kind).make),
      iterations_(iterations) {
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
  return make_(options_, {step, since, std::min(1.0, since / total)});
}

}  // namespace thalweg

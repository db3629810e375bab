// Learning-rate schedules.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "thalweg/core/kind_table.h"

namespace thalweg {

struct ScheduleOptions {
  std::string kind = "constant";     ///< a name of schedule_kinds()
  std::int64_t warm_up = 0;          ///< first steps, in which the rate grows linearly; at least 0
  double decay_factor = 0.5;         ///< step, exponential: in (0, 1]
  std::int64_t decay_every = 10000;  ///< step, exponential: at least 1
  std::vector<std::int64_t> milestones = {};  ///< step: used in place of decay_every; increasing
  double final_factor = 0.0;                  ///< cosine, one_cycle: in [0, 1]
};

/// Where a step is in a schedule.
struct SchedulePlace {
  std::int64_t step;  ///< from 0
  double since;       ///< steps since the warm-up's end
  double progress;    ///< their share of all that follow the warm-up, in [0, 1]
};

/// One kind of schedule: `make` gives its factor on the learning rate after the warm-up.
struct ScheduleKind {
  std::string name, summary;
  std::vector<std::string> settings = {};  ///< keys of the settings that it reads
  std::function<double(const ScheduleOptions&, const SchedulePlace&)> make;
};

/// What setting training.schedule chooses from, and what a program adds to it.
KindTable<ScheduleKind>& schedule_kinds();

/// How far on schedule and annealing are where time is short: so far that they end when it does.
class Pace {
 public:
  /// Of steps from `first` to `iterations` within `budget` seconds; 0: no limit.
  Pace(double budget, std::int64_t first, std::int64_t iterations)
      : budget_(budget), first_(first), iterations_(iterations) {}

  /// The step, counted from 0, that schedule and annealing take for step number `step`, `seconds`
  /// after the first: itself where time suffices. Never falls from call to call, and stays below
  /// `iterations`. Until a twentieth of the time is over nothing is shortened: first steps are
  /// slow.
  std::int64_t place(std::int64_t step, double seconds);
  /// Whether a place has been beyond its step.
  bool shortened() const { return shortened_; }

 private:
  double budget_;
  std::int64_t first_, iterations_, reached_ = 0;
  bool shortened_ = false;
};

/// Factor on the learning rate. Thread safe.
class Schedule {
 public:
  /// `iterations` is the whole training, warm-up included. Throws ConfigError that names the key.
  Schedule(const ScheduleOptions& options, std::int64_t iterations);

  /// For step 0, 1, ...: (step + 1) / warm_up in the warm-up, then the schedule with the steps
  /// counted from the warm-up's end (milestones count from step 0). Beyond the last iteration the
  /// cosines stay at their end.
  double factor(std::int64_t step) const;

 private:
  ScheduleOptions options_;
  std::function<double(const ScheduleOptions&, const SchedulePlace&)> make_;
  std::int64_t iterations_;
};

}  // namespace thalweg

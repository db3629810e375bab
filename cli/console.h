// What the commands share: exit codes, interruption, times, run folders given by users.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "thalweg/core/interrupts.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/runs/simulation.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::cli {

enum ExitStatus : int {
  kDone = 0,
  kDefect = 1,
  kUsageError = 2,
  kDataError = 3,
  kNumericalError = 4,
  kCheckFailed = 5,
  kInterrupted = 130,
};

/// Ends the tool with this code after what was printed; thrown by commands.
struct ExitCode {
  int value = 0;
};

/// From now on the first Ctrl-C (or SIGTERM) only sets interrupted(); the second one quits.
void catch_interrupts();
bool interrupted();

/// While this lives, that first one ends the calling thread's work at its next task, by an
/// InterruptedError that main() tells of: for commands that write their results at the end.
class StopsByInterrupt {
 public:
  StopsByInterrupt() : scope_(interrupted) { catch_interrupts(); }

 private:
  InterruptScope scope_;
};

/// Seconds of "90", "90s", "10m", "1h30m"; throws ConfigError.
double seconds_of(std::string_view text);

/// Adds --ignore-hash, with which a model is read that is not the one which its run wrote.
void add_ignore_hash(CLI::App& command, bool& ignore);

/// Adds --precision, which is the run's own unless given.
void add_precision(CLI::App& command, std::string& precision);
/// What was given there.
std::optional<Precision> precision_of(const std::string& precision);

/// Shows how far something is on standard error: a bar on a terminal, else a line every tenth.
class ProgressDisplay {
 public:
  /// A quiet display shows nothing.
  explicit ProgressDisplay(bool quiet);
  /// Takes the bar away.
  ~ProgressDisplay();
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  /// Whether a call of show() now would be seen: the text need not be made else.
  bool wanted(double fraction);
  void show(double fraction, const std::string& text);
  /// A text without a bar; off a terminal only where the last one was another.
  void show(const std::string& text);
  bool terminal() const { return terminal_; }
  /// Takes the bar away, for lines of another kind or a bar that begins anew.
  void clear();

 private:
  void draw(const std::string& line);

  bool quiet_, terminal_, unicode_, drawn_ = false;
  double last_time_ = -1.0, next_fraction_ = 0.0;
  std::string text_;  // without a bar
};

/// While this lives, shows what part of its work the calling thread is at, once that takes more
/// than a moment. The display must outlive it.
class ShowsWork {
 public:
  explicit ShowsWork(ProgressDisplay& display);

 private:
  void show(const std::string& part, double share);

  ProgressDisplay& display_;
  std::string part_;
  double part_began_ = 0.0, call_began_ = 0.0, share_ = 0.0;
  ProgressScope scope_;
};

/// Trains with a progress bar (unless quiet) until done or until Ctrl-C, which ends the tool with
/// all saved and says that `resume_hint` goes on.
TrainingOutcome train_with_progress(const RunPlan& plan, ThreadPool& pool, bool quiet,
                                    const std::string& resume_hint);

/// Shows how far a simulation is, prints its notes unless `quiet`, and lets Ctrl-C end it. The
/// display must outlive them.
SimulationCallbacks simulation_callbacks(ProgressDisplay& display, bool quiet);

}  // namespace thalweg::cli

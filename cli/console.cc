#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>

#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/training_text.h"

namespace thalweg::cli {

namespace {

volatile std::sig_atomic_t interrupts = 0;

void handle_interrupt(int) {
  interrupts = interrupts + 1;
  if (interrupts > 1) _exit(kInterrupted);
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, handle_interrupt);
  std::signal(SIGTERM, handle_interrupt);
}

bool interrupted() { return interrupts > 0; }

double seconds_of(std::string_view text) {
  double total = 0.0;
  std::string_view rest = text;
  bool valid = !rest.empty();
  while (valid && !rest.empty()) {
    double value = 0.0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    valid = error == std::errc() && std::isfinite(value) && value >= 0.0;
    if (!valid) break;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const char unit = rest.empty() ? 's' : rest.front();
    if (!rest.empty()) rest.remove_prefix(1);
    valid = unit == 's' || unit == 'm' || unit == 'h';
    total += value * (unit == 's' ? 1.0 : unit == 'm' ? 60.0 : 3600.0);
  }
  if (!valid || total <= 0.0)
    fail<ConfigError>("'{}' is not a time: expected 90s, 10m or 1h30m", text);
  return total;
}

void add_ignore_hash(CLI::App& command, bool& ignore) {
  command.add_flag(
      "--ignore-hash", ignore,
      "read a model.safetensors or config.toml that was changed after its run wrote it");
}

void add_precision(CLI::App& command, std::string& precision) {
  command.add_option("--precision", precision, "float or double; else that of the run's training")
      ->check(CLI::IsMember({"float", "double"}));
}

std::optional<Precision> precision_of(const std::string& precision) {
  if (precision.empty()) return std::nullopt;
  return precision == "double" ? Precision::kDouble : Precision::kFloat;
}

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Columns that a line may fill without being broken.
std::size_t terminal_width() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col - 1u : 79u;
}

}  // namespace

ProgressDisplay::ProgressDisplay(bool quiet)
    : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0), unicode_(environment_is_utf8()) {}

ProgressDisplay::~ProgressDisplay() { clear(); }

bool ProgressDisplay::wanted(double fraction) {
  if (quiet_) return false;
  if (!terminal_) return fraction >= next_fraction_;
  return now() - last_time_ >= 0.1;
}

void ProgressDisplay::clear() {
  if (drawn_) fmt::print(stderr, "\r\033[K");
  drawn_ = false;
  next_fraction_ = 0.0;
}

void ProgressDisplay::draw(const std::string& line) {
  fmt::print(stderr, "\r\033[K{}", line);
  std::fflush(stderr);
  drawn_ = true;
  last_time_ = now();
}

void ProgressDisplay::show(double fraction, const std::string& text) {
  if (!wanted(fraction)) return;
  if (!terminal_) {
    fmt::print(stderr, "{:3.0f}%  {}\n", 100.0 * fraction, text);
    next_fraction_ = std::floor(10.0 * fraction + 1e-9) / 10.0 + 0.1;
    return;
  }
  draw(progress_line(fraction, text, terminal_width(), unicode_));
}

void ProgressDisplay::show(const std::string& text) {
  if (quiet_ || (terminal_ && now() - last_time_ < 0.1)) return;
  if (terminal_)
    draw(fitted_text(text, terminal_width(), unicode_));
  else if (text != text_)
    fmt::print(stderr, "{}\n", text);
  text_ = text;
}

ShowsWork::ShowsWork(ProgressDisplay& display)
    : display_(display),
      scope_([this](const std::string& part, double share) { show(part, share); }) {}

void ShowsWork::show(const std::string& part, double share) {
  constexpr double kMoment = 2.0;  // seconds
  const double time = now();
  if (part != part_) {
    part_ = part;
    part_began_ = call_began_ = time;
    display_.clear();
  } else if (share < share_) {
    call_began_ = time;  // of the pool, another one
  }
  share_ = share;
  if (time - part_began_ < kMoment) return;
  // Of many short calls no share of one says anything; a file wants no bars of each part.
  if (!display_.terminal() || time - call_began_ < kMoment)
    display_.show(part);
  else if (display_.wanted(share))
    display_.show(share, part);
}

TrainingOutcome train_with_progress(const RunPlan& plan, ThreadPool& pool, bool quiet,
                                    const std::string& resume_hint) {
  catch_interrupts();
  TrainingOutcome outcome;
  {
    // A training ends between two steps, with all saved, whatever else would end it at a task.
    const InterruptScope whole_steps([] { return false; });
    ProgressDisplay display(quiet);
    const ShowsWork shows(display);
    RunCallbacks callbacks;
    callbacks.progress = [&](const TrainingProgress& progress) {
      const double done = training_share(progress);
      if (display.wanted(done))
        display.show(done, training_text(progress, plan.options.training.objective));
    };
    callbacks.exploring = [&](double share, const std::string& phase) {
      if (display.wanted(share)) display.show(share, "exploring: " + phase);
    };
    callbacks.explored = [&](const Exploration& exploration) {
      display.clear();
      if (quiet) return;
      fmt::print("{}", exploration_text(exploration));
      std::fflush(stdout);
    };
    callbacks.searched = [&](const ReconstructionSearch& search) {
      display.clear();
      if (quiet) return;
      for (const ReconstructionTrial& trial : search.trials)
        fmt::print("reconstruction weight {:g}: {} nats, z found for {:.1f} % of rows, {}\n",
                   trial.weight, number_text(trial.loss, 4), 100.0 * trial.solved_share,
                   trial.stable ? "stable" : "not stable");
      fmt::print("trained with a weight of {:g}\n", search.weight);
      std::fflush(stdout);
    };
    callbacks.fitting = [&](double share, const std::string& what) {
      if (display.wanted(share)) display.show(share, "fitting: " + what);
    };
    callbacks.interrupted = interrupted;
    outcome = run_training(plan, pool, callbacks);
  }
  if (outcome.unjudged) {
    fmt::print(stderr,
               "thalweg: interrupted after the training, which is over and saved in {}, before it "
               "was evaluated; `thalweg report {}` makes up for it\n",
               outcome.folder, outcome.folder);
    throw ExitCode{kInterrupted};
  }
  if (outcome.reason != StopReason::kCallback) return outcome;
  if (outcome.folder.empty()) {
    fmt::print(stderr, "thalweg: interrupted while the {}; nothing was written\n",
               plan.options.training.reconstruction_search ? "reconstruction weight was looked for"
               : plan.data                                 ? "stack was fitted"
                                                           : "energy was explored");
    throw ExitCode{kInterrupted};
  }
  if (outcome.folder != plan.out)
    fmt::print(stderr,
               "thalweg: interrupted after {} steps; {} is as it was, the new run is saved; resume "
               "with: thalweg train --resume --out {}\n",
               outcome.steps, plan.out, outcome.folder);
  else
    fmt::print(stderr, "thalweg: interrupted after {} steps; all is saved; resume with: {}\n",
               outcome.steps, resume_hint);
  throw ExitCode{kInterrupted};
}

SimulationCallbacks simulation_callbacks(ProgressDisplay& display, bool quiet) {
  SimulationCallbacks callbacks;
  callbacks.progress = [&display](const SimulationProgress& progress) {
    const double done = static_cast<double>(progress.step) / static_cast<double>(progress.steps);
    if (!display.wanted(done)) return;
    const double left = static_cast<double>(progress.steps - progress.step) /
                        std::max(progress.steps_per_second, 1e-9);
    display.show(done,
                 fmt::format("energy {}{}{}  {:.0f} steps/s  {} left",
                             number_text(progress.mean_energy, 2), progress.unit.empty() ? "" : " ",
                             progress.unit, progress.steps_per_second, format_duration(left)));
  };
  callbacks.note = [&display, quiet](const std::string& text) {
    display.clear();
    if (!quiet) fmt::print("{}\n", text);
  };
  callbacks.warning = [&display](const std::string& text) {
    display.clear();
    fmt::print(stderr, "warning: {}\n", text);
  };
  callbacks.interrupted = interrupted;
  return callbacks;
}

}  // namespace thalweg::cli

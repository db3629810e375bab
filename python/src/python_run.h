// What thalweg._core.Run is.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "python_energy.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/density_potential.h"

namespace thalweg::python {

/// A loaded run with the threads and the compiled programs of its calls, one of which works at a
/// time while others wait, without the interpreter's lock.
class PythonRun {
 public:
  PythonRun(std::string path, int threads, bool verify, const nanobind::object& energy,
            const std::string& name)
      : loading_{.verify = verify, .energy_function = python_energy(energy, name, false)},
        threads_(threads) {
    const nanobind::gil_scoped_release unlocked;
    run_ = load_run(path, loading_);
  }

  const LoadedRun& run() const { return run_; }
  const LoadOptions& loading() const { return loading_; }

  struct Work {
    explicit Work(int threads) : pool(threads) {}
    std::mutex mutex;
    ThreadPool pool;
    std::optional<DensityEvaluator> density;
    std::optional<DensityEvaluator> latent;  // in double
    std::optional<DensitySlopes> slopes;
    std::unique_ptr<const DensityPotential> potential;  // of single configurations
  };

  /// What `action` makes of the run's threads and programs.
  template <typename Action>
  auto work(const Action& action) {
    Work& own = current_work();
    const nanobind::gil_scoped_release unlocked;
    const std::lock_guard lock(own.mutex);
    return action(own);
  }

 private:
  /// With the interpreter's lock.
  Work& current_work() {
    // A forked child has none of the threads; the object that waits for them is left alone.
    if (work_ && process_ != getpid()) (void)work_.release();
    if (!work_) {
      work_ = std::make_unique<Work>(threads_);
      process_ = getpid();
    }
    return *work_;
  }

  LoadOptions loading_;
  LoadedRun run_;
  int threads_;
  pid_t process_ = 0;
  std::unique_ptr<Work> work_;
};

}  // namespace thalweg::python

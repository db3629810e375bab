// The runs of an experiment on disk: trained one after another, kept, and judged.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/runs/experiment.h"
#include "thalweg/runs/training_run.h"

namespace thalweg {

/// Which part of an experiment is wanted, how long its trainings are, and where they go.
struct ReproductionRequest {
  std::string out = "reproduce";
  std::string data = {};  ///< folder with the tables and pictures that rows name
  std::vector<std::string> rows = {}, columns = {};  ///< keys; empty: all
  double scale = 1.0;                                ///< length of each training, > 0; 0.1: a tenth
  std::int64_t seeds = 0;  ///< runs of each kind; 0: what the experiment says
  bool force = false;      ///< train again what is there
};

/// What is known of one finished run.
struct RunResult {
  std::int64_t seed = 0, steps = 0;
  double seconds = 0.0;  ///< of training
  std::vector<Metric> metrics;

  /// Null if there is no metric of that name.
  const Metric* find(const std::string& name) const;
};

/// All results of an experiment.
struct ExperimentResults {
  std::vector<std::vector<std::vector<RunResult>>> runs;  ///< row, column, seed
  std::vector<std::vector<RunResult>> truths;             ///< of exact samples: row, seed
  std::int64_t failed = 0;                                ///< runs that diverged, and are left out
};

/// A run that is trained next.
struct ReproductionStep {
  std::size_t number = 1, total = 1;  ///< run `number` of `total`
  std::string row, column;            ///< as people read them
  std::int64_t seed = 1;
};

/// How trainings tell of themselves; each may be empty.
struct ReproductionCallbacks {
  std::function<void(const ReproductionStep&)> begins = {};
  /// Trains a run; in place of run_training without callbacks.
  std::function<TrainingOutcome(const RunPlan&)> train = {};
  /// One run that diverges is a finding, not the end of a table.
  std::function<void(const ReproductionStep&, const NumericalError&)> failed = {};
};

/// An experiment whose runs are in OUT/EXPERIMENT/scale-S/ROW/COLUMN/seed-N, each with its metrics
/// in metrics.json. Not thread safe.
class Reproduction {
 public:
  /// Throws ConfigError for rows and columns that the experiment does not have.
  Reproduction(Experiment experiment, ReproductionRequest request);

  /// Without the rows and columns that are not wanted.
  const Experiment& experiment() const { return experiment_; }
  const ReproductionRequest& request() const { return request_; }
  const ExperimentResults& results() const { return results_; }
  std::int64_t seeds() const { return seeds_; }
  /// Where tables and pictures go.
  const std::string& page_folder() const { return page_folder_; }

  /// Gathers what is there already. Throws ConfigError for settings that do not fit together or
  /// that are not those of what is there, DataError for damaged metrics.
  void load();

  /// Trains and judges what is not there yet, seed by seed, so that a whole table stands early and
  /// its errors follow. An interrupted training is continued. False if a training was interrupted:
  /// it was saved, and the next call goes on with it. Before the first training, throws ConfigError
  /// for settings that do not fit together and DataError for missing data; ConfigError for a run
  /// that was made with other settings or from other files.
  bool train(ThreadPool& pool, const ReproductionCallbacks& callbacks = {});

  /// Whether some row and column has no result.
  bool lacks_results() const;

  /// The first seed's run of a cell, if it is finished; columns that differ in their sampler may
  /// share it.
  std::optional<LoadedRun> first_run(std::size_t row, std::size_t column) const;

 private:
  /// A place in the table.
  struct Cell {
    std::size_t row = 0, column = 0;
    std::int64_t seed = 1;
  };

  void clear();
  std::string part_folder(std::size_t row, const std::string& part, std::int64_t seed) const;
  std::string cell_folder(const Cell& cell) const;
  std::string run_folder(const Cell& cell) const;
  std::string truth_folder(std::size_t row, std::int64_t seed) const;
  std::string settings_text(std::size_t row, const ExperimentPart* column) const;
  /// With an empty `data` results of any files.
  std::optional<RunResult> known_cell(const Cell& cell, const std::string& data) const;
  std::optional<RunResult> known_truth(std::size_t row, std::int64_t seed,
                                       const std::string& data) const;
  /// Of the files that a cell is learnt from and judged by; empty if there are none.
  std::string data_hash(const Cell& cell);
  RunOptions options(const Cell& cell) const;
  void check(bool data) const;
  RunResult judge_truth(std::size_t row, std::int64_t seed, ThreadPool& pool) const;
  RunResult judge(const Cell& cell, const LoadedRun& run, const std::optional<PreparedData>& data,
                  ThreadPool& pool) const;
  RunResult compute(const Cell& cell, ThreadPool& pool) const;
  RunPlan training_request(const Cell& cell);

  Experiment experiment_;
  ReproductionRequest request_;
  std::int64_t seeds_ = 0;
  std::string runs_folder_, page_folder_;
  std::map<std::string, std::string> file_hashes_;  // of files that were read
  std::set<std::string> renewed_;                   // runs that were trained anew by force
  ExperimentResults results_;
};

}  // namespace thalweg

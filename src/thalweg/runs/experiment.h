// A published table or figure as an experiment: which runs it takes, and what was published.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/runs/dynamics_metrics.h"
#include "thalweg/runs/histogram_metrics.h"
#include "thalweg/runs/profile.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/runs/sampler_metrics.h"

namespace thalweg {

/// An experiment file that is part of the tool.
struct ExperimentFile {
  const char* name;  ///< "rbd/table-1"
  const char* text;  ///< TOML
};
const std::vector<ExperimentFile>& experiment_files();

/// A published value; NaN where there is none.
struct Published {
  double value = 0.0, error = 0.0;
};

/// What is known of a metric, and how well.
struct KnownValue {
  std::string metric;
  double value = 0.0, error = 0.0;
};

/// One line or one column of a table: settings on top of the experiment's own.
struct ExperimentPart {
  std::string key;       ///< folder name: "dual-moon"
  std::string name;      ///< as people read it
  std::string settings;  ///< TOML, as in a config file
  std::string data;      ///< rows: folder of the table under --data; empty: none is needed
  /// rows: one a column; columns: one a metric of the first table
  std::vector<Published> published;
  /// Rows: for each column one value a metric of the first table.
  std::vector<std::vector<Published>> published_metrics;
  std::vector<KnownValue> known;  ///< rows: truths of metrics, which runs are held against
  /// Columns: the sampler that is judged; empty: the run itself is.
  std::string sampler;
  std::string run;              ///< columns: folder of the runs, which columns may share
  bool published_only = false;  ///< columns: there are published values, and no runs
};

/// Two columns whose difference is of interest: `to` minus `from`.
struct Comparison {
  std::string from, to;
};

/// What is drawn of the first seed's runs.
struct ExperimentPicture {
  std::string kind;  ///< name of a PictureKind
  std::string title;
  std::vector<std::string> columns;  ///< keys; empty: all
  std::string x;                     ///< chart: label of the horizontal axis, the columns' names
  /// Chart: metrics; empty: the metric and all in `also`. Torsions: their names.
  std::vector<std::string> y = {};
  std::vector<std::string> rows = {};  ///< keys; empty: all
};

/// A table of metrics with a line a run, in place of the one of `metric` and `also`.
struct ExperimentTable {
  std::string caption;
  std::vector<std::string> metrics;
};

struct Experiment {
  std::string name;  ///< "rbd/table-1"
  std::string title, source;
  std::string of;  ///< a figure or a further table: name of the experiment whose runs it shows
  /// Name of the ComputedKind that gives the metrics, in place of runs; empty: runs do.
  std::string computed;
  std::string metric;  ///< name of the metric that is compared
  std::string metric_label;
  /// The metric that has a published value, if it is not `metric`, and the one that is its least
  /// possible value, if there is one.
  std::string published_metric, published_floor;
  std::string better = "lower";   ///< lower or higher
  std::vector<std::string> also;  ///< further metrics to list
  std::vector<ExperimentTable> tables;
  std::vector<std::string> compare;        ///< metrics whose differences are listed; empty: metric
  std::string spread = "error";            ///< what follows a mean: error (of the mean), deviation
  std::optional<ProfileRequest> profile;   ///< free energies, for metrics and pictures
  std::optional<SamplerRequest> samplers;  ///< for columns with a sampler
  std::optional<HistogramRequest> histogram;  ///< of samples in the plane
  std::optional<DynamicsRequest> dynamics;    ///< of a molecule, by the model's energy
  std::string judging;                        ///< TOML, of the four above
  /// Label of lines of exact samples, of dynamics those of the force field; empty: none. It needs
  /// one of the four above.
  std::string truth;
  std::int64_t seeds = 3;
  bool defaults = false;  ///< what is not set is chosen as `train` chooses it
  std::vector<std::string> notes;
  std::string settings;  ///< TOML, of every run
  std::vector<ExperimentPart> rows, columns;
  std::vector<Comparison> comparisons;
  std::vector<ExperimentPicture> pictures;
};

/// Reads an experiment; `name` is used in messages and folders. Throws ConfigError for syntax
/// errors, unknown or missing keys, and lists of wrong lengths.
Experiment read_experiment(std::string_view name, std::string_view text);

/// A built-in experiment by name, or one from a file; throws ConfigError with the nearest name.
/// A figure gets the settings, rows and columns of the experiment whose runs it shows.
Experiment find_experiment(const std::string& name);

/// Leaves the rows or columns with these keys, with what is published of them and the comparisons
/// between them; all without keys. Throws ConfigError with the nearest key for an unknown one.
void keep_rows(Experiment& experiment, const std::vector<std::string>& keys);
void keep_columns(Experiment& experiment, const std::vector<std::string>& keys);

/// The paths of the settings that an experiment makes for one run.
std::set<std::string> experiment_keys(const Experiment& experiment, const ExperimentPart& row,
                                      const ExperimentPart& column);

/// Multiplies steps, and whatever counts steps, by `scale`.
void scale_training(TrainingOptions& training, double scale);

/// The settings of one run. Steps, and whatever counts steps, are multiplied by `scale`.
RunOptions experiment_options(const Experiment& experiment, const ExperimentPart& row,
                              const ExperimentPart& column, std::int64_t seed, double scale);

}  // namespace thalweg

// A run on disk: a folder with its settings, its model, and what is known of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/flows/model.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/targets/target.h"
#include "thalweg/training/trainer.h"

namespace thalweg {

/// Version of the folder's layout; a folder of a newer one is refused.
/// 2: transforms get standardised conditions. 3: orders of permutations are read, not drawn.
inline constexpr int kRunFormat = 5;

/// 2: values along pairs of particles are right. Before, wide graph networks had others.
inline constexpr int kRunArithmetic = 2;

/// What manifest.json says.
struct RunManifest {
  int format = kRunFormat;
  int arithmetic = kRunArithmetic;
  std::string program;           ///< version that wrote it
  std::string status = "begun";  ///< begun, interrupted, stopped (by time), finished
  std::int64_t seed = 1;
  std::int64_t steps = 0;
  double seconds = 0.0;      ///< of training, over all calls
  std::int64_t returns = 0;  ///< of the training to its best step, see Trainer::step()
  std::string data_hash;     ///< of the prepared points; empty for a target
  std::string model_hash;    ///< of model.safetensors; empty before there is one
  /// Of deciding_settings() of config.toml; empty for older runs.
  std::string settings_hash;
};

/// Names of the files in a run's folder.
struct RunFolder {
  std::string path;

  std::string config() const { return path + "/config.toml"; }
  std::string manifest() const { return path + "/manifest.json"; }
  std::string model() const { return path + "/model.safetensors"; }
  std::string checkpoint() const { return path + "/optimizer.safetensors"; }
  std::string exploration() const { return path + "/exploration.safetensors"; }
  std::string metrics() const { return path + "/metrics.csv"; }
  std::string report() const { return path + "/report.html"; }
  std::string plots() const { return path + "/plots"; }
};

/// Refuses what a training cannot write to: ConfigError for a folder that is not empty, unless with
/// `force`, which replaces a run; DataError for a file, and with `resume` where there is no
/// checkpoint. Whether there is a run to replace.
bool check_training_folder(const std::string& out, bool resume, bool force);

/// Hash of bytes as 16 hexadecimal digits, to notice changes (FNV-1a; not for secrets).
std::string content_hash(std::string_view bytes);

/// Of the values of points and their conditions.
std::string points_hash(const PreparedData& data);

/// Throws DataError if it cannot be written, or read: no run, damaged, or of a newer format.
void write_manifest(const RunFolder& folder, const RunManifest& manifest);
RunManifest read_manifest(const RunFolder& folder);

/// Settings of the run as written by write_run_options(), those of older formats so that its model
/// means the same; throws as read_manifest, and ConfigError. DataError for a graph network that was
/// trained before its values were right.
RunOptions read_run_options(const RunFolder& folder);

/// Throws DataError where config.toml decides otherwise than when `manifest` was written, with a
/// message that ends with `advice`.
void verify_settings(const RunFolder& folder, const RunManifest& manifest, const char* advice = "");

/// Writes config.toml and gives the hash of what it decides, for the manifest. Files of points
/// inside of the folder are named relative to it, so that it can be moved and copied as a whole;
/// read_run_options() gives their absolute paths.
std::string write_run_options(const RunFolder& folder, const RunOptions& options);

/// Copies the files of points that options name into the folder, as points.csv, validation.npy and
/// so on, and names these copies. Throws DataError for a folder of points, a slice of an array, and
/// files that cannot be copied.
void keep_points(const RunFolder& folder, DataOptions& options);

/// A trained model from a run's folder, with what it learnt. Const functions are thread safe.
class LoadedRun {
 public:
  /// Of a target that is already made; null: target() makes it.
  explicit LoadedRun(std::shared_ptr<const Target> target = {});

  RunFolder folder;
  RunManifest manifest;
  RunOptions options;
  std::unique_ptr<Model> model;

  /// What the run learnt besides or in place of data; null for data alone. Made once, by the first
  /// call, so that a model whose energy or picture is gone can still be drawn from. Throws as
  /// make_target.
  std::shared_ptr<const Target> target() const;

  /// What was found of the run's energy before it was learnt, from its folder; none if it was not
  /// explored. Throws DataError for a damaged file, and one of other columns.
  std::optional<Exploration> exploration() const;

  /// That of the run's training, with which its densities and samples are made unless somebody
  /// wants another one.
  Precision precision() const;

  /// The condition at which a conditional model is examined and drawn: the first class of a
  /// class-conditional base, the species of a row that was trained on, else the mean; empty without
  /// a condition.
  std::vector<double> usual_context() const;

  /// A table of other points, read as the run's data were: its columns and those of its condition,
  /// or the latter alone without `with_x`. Throws as load_table.
  Table read_table(const std::string& file, bool with_x = true,
                   const std::string& weights = {}) const;

  /// The points of the run's own data, prepared as in training; none if it was trained on a target.
  /// Throws DataError if they have changed since or are gone.
  std::optional<PreparedData> data() const;

 private:
  struct MadeOnce;
  std::shared_ptr<MadeOnce> target_;
};
struct LoadOptions {
  bool verify = true;  ///< refuse a model.safetensors that is not the one that the manifest names
  /// Of a run with setting energy_function: that function.
  std::shared_ptr<const OutsideFunction> energy_function = {};
};

/// Reads a run; draws no random number but for formats before 3. Throws DataError if there is no
/// model, or it is damaged or not the one that the run wrote.
LoadedRun load_run(const std::string& path, const LoadOptions& options = {});

/// Loss, learning rate and validation by step as a CSV file.
void write_metrics(const std::string& path, const History& history);

}  // namespace thalweg

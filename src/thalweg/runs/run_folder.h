// A run on disk: a folder with its settings, its model, and what is known of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "thalweg/flows/model.h"
#include "thalweg/runs/run_options.h"
#include "thalweg/training/trainer.h"

namespace thalweg {

/// Version of the folder's layout; a folder of a newer one is refused.
/// 2: transforms get standardised conditions. 3: orders of permutations are read, not drawn.
inline constexpr int kRunFormat = 3;

/// What manifest.json says.
struct RunManifest {
  int format = kRunFormat;
  std::string program;           ///< version that wrote it
  std::string status = "begun";  ///< begun, interrupted, stopped (by time), finished
  std::int64_t seed = 1;
  std::int64_t steps = 0;
  double seconds = 0.0;    ///< of training, over all calls
  std::string data_hash;   ///< of the prepared points; empty for a target
  std::string model_hash;  ///< of model.safetensors; empty before there is one
};

/// Names of the files in a run's folder.
struct RunFolder {
  std::string path;

  std::string config() const { return path + "/config.toml"; }
  std::string manifest() const { return path + "/manifest.json"; }
  std::string model() const { return path + "/model.safetensors"; }
  std::string checkpoint() const { return path + "/optimizer.safetensors"; }
  std::string metrics() const { return path + "/metrics.csv"; }
  std::string report() const { return path + "/report.html"; }
  std::string plots() const { return path + "/plots"; }
};

/// Hash of bytes as 16 hexadecimal digits, to notice changes (FNV-1a; not for secrets).
std::string content_hash(std::string_view bytes);

/// Throws DataError if it cannot be written, or read: no run, damaged, or of a newer format.
void write_manifest(const RunFolder& folder, const RunManifest& manifest);
RunManifest read_manifest(const RunFolder& folder);

/// Settings of the run as written by train, those of older formats so that its model means the
/// same; throws as read_manifest, and ConfigError.
RunOptions read_run_options(const RunFolder& folder);

/// A trained model from a run's folder.
struct LoadedRun {
  RunFolder folder;
  RunManifest manifest;
  RunOptions options;
  std::unique_ptr<Model> model;
};
struct LoadOptions {
  bool verify = true;  ///< refuse a model.safetensors that is not the one that the manifest names
};

/// Reads a run; draws no random number but for formats before 3. Throws DataError if there is no
/// model, or it is damaged or not the one that the run wrote.
LoadedRun load_run(const std::string& path, const LoadOptions& options = {});

/// Loss, learning rate and validation by step as a CSV file.
void write_metrics(const std::string& path, const History& history);

}  // namespace thalweg

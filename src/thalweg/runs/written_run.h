// Runs whose models were made elsewhere.
#pragma once

#include <string>

#include "thalweg/io/safetensors.h"

namespace thalweg {

/// Writes the folder of a run that was never trained: `config` is TOML of its model, model.features
/// included, and `tensors` those of docs/format.md, all of them. It can be loaded, sampled and
/// evaluated on points as any run. Throws ConfigError for settings out of range and a folder that
/// is there (unless it is a run, with `force`), DataError for tensors that are missing, unknown or
/// of another shape, by name.
void write_run(const std::string& config, TensorFile tensors, const std::string& out, bool force);

}  // namespace thalweg

#include "thalweg/runs/written_run.h"

#include <memory>
#include <utility>

#include "thalweg/core/version.h"
#include "thalweg/io/input_file.h"
#include "thalweg/runs/new_folder.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {

void write_run(const std::string& config, TensorFile tensors, const std::string& out, bool force) {
  RunOptions options;
  read_options(options, config, "config");
  NewFolder created(out, force,
                    {"config.toml", "manifest.json", "model.safetensors", "metrics.csv",
                     "optimizer.safetensors", "report.html", "plots"});
  const RunFolder folder{.path = created.path()};
  tensors.metadata = {{"kind", "thalweg model"},
                      {"format_version", std::to_string(kCheckpointFormat)}};
  write_safetensors(folder.model(), tensors);
  // In the form of the library's own.
  const std::unique_ptr<Model> model = load_model(folder.model(), options.model);
  save_parameters(folder.model(), model->parameters());
  RunManifest manifest;
  manifest.settings_hash = write_run_options(folder, options);
  manifest.program = version();
  manifest.status = "finished";
  manifest.seed = static_cast<std::int64_t>(options.training.seed);
  manifest.model_hash = content_hash(read_file(folder.model()));
  write_manifest(folder, manifest);
  created.keep();
}

}  // namespace thalweg

#include "thalweg/runs/run_folder.h"

#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {

namespace {

void check_format(const std::string& path, int format) {
  if (format > kRunFormat)
    fail<DataError>(
        "{}: written by a newer version of thalweg (format {}, this one reads up to {}); update "
        "thalweg to use it",
        path, format, kRunFormat);
}

}  // namespace

std::string content_hash(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  return fmt::format("{:016x}", hash);
}

std::string points_hash(const PreparedData& data) {
  const auto bytes = [](const std::vector<double>& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()),
                            values.size() * sizeof(double));
  };
  return content_hash(bytes(data.x)) + content_hash(bytes(data.context));
}

struct LoadedRun::MadeOnce {
  std::once_flag done;
  std::shared_ptr<const Target> target;
};

LoadedRun::LoadedRun(std::shared_ptr<const Target> target) : target_(new MadeOnce) {
  if (target) std::call_once(target_->done, [&] { target_->target = std::move(target); });
}

std::shared_ptr<const Target> LoadedRun::target() const {
  std::call_once(target_->done, [&] {
    if (has_target(options.target)) target_->target = make_target(options.target);
  });
  return target_->target;
}

Precision LoadedRun::precision() const {
  return options.training.precision == "double" ? Precision::kDouble : Precision::kFloat;
}

std::vector<double> LoadedRun::usual_context() const {
  const ClassTable& classes = model->classes();
  if (!classes.empty()) return {classes.context(0).begin(), classes.context(0).end()};
  std::vector<double> context;
  for (const ColumnOptions& column : options.model.context_columns) context.push_back(column.mean);
  return context;
}

std::optional<PreparedData> LoadedRun::data() const {
  if (options.data.path.empty()) return std::nullopt;
  PreparedData prepared =
      load_prepared_data(options.data, static_cast<std::uint64_t>(options.training.seed));
  // The hashes of an energy library or a picture follow.
  if (!manifest.data_hash.starts_with(points_hash(prepared)))
    fail<DataError>(
        "{}: the data have changed since {} was trained, so that its test rows are not known any "
        "more: put them back, or train anew",
        options.data.path, folder.path);
  return prepared;
}

void write_manifest(const RunFolder& folder, const RunManifest& manifest) {
  nlohmann::ordered_json json;
  json["format"] = manifest.format;
  json["program"] = manifest.program;
  json["status"] = manifest.status;
  json["seed"] = manifest.seed;
  json["steps"] = manifest.steps;
  json["seconds"] = manifest.seconds;
  json["data_hash"] = manifest.data_hash;
  json["model_hash"] = manifest.model_hash;
  write_file_atomically(folder.manifest(), json.dump(2) + "\n");
}

RunManifest read_manifest(const RunFolder& folder) {
  if (!std::filesystem::exists(folder.manifest()))
    fail<DataError>("{}: expected the folder of a run, but it has no manifest.json", folder.path);
  const std::string text = read_file(folder.manifest());
  RunManifest manifest;
  try {
    const auto json = nlohmann::json::parse(text);
    manifest.format = json.at("format");
    check_format(folder.manifest(), manifest.format);
    manifest.program = json.at("program");
    manifest.status = json.at("status");
    manifest.seed = json.at("seed");
    manifest.steps = json.at("steps");
    manifest.seconds = json.at("seconds");
    manifest.data_hash = json.at("data_hash");
    manifest.model_hash = json.at("model_hash");
  } catch (const nlohmann::json::exception& error) {
    fail<DataError>("{}: damaged: {}", folder.manifest(), error.what());
  }
  return manifest;
}

RunOptions read_run_options(const RunFolder& folder) {
  RunOptions options;
  read_options(options, read_file(folder.config()), folder.config());
  if (read_manifest(folder).format < 2)
    for (ColumnOptions& column : options.model.context_columns)
      column.mean = 0.0, column.scale = 1.0;
  return options;
}

LoadedRun load_run(const std::string& path) {
  LoadedRun run;
  run.folder.path = path;
  if (!std::filesystem::is_directory(path))
    fail<DataError>("{}: expected the folder of a run, {}", path,
                    std::filesystem::exists(path) ? "got a file" : "but there is none");
  run.manifest = read_manifest(run.folder);
  run.options = read_run_options(run.folder);
  if (!std::filesystem::exists(run.folder.model()))
    fail<DataError>(
        "{}: the run has no model yet; finish it with `thalweg train --resume --out {}`", path,
        path);
  run.model = std::make_unique<Model>(
      run.options.model, static_cast<std::uint64_t>(run.options.training.seed),
      moves_by_target(run.options.model.stochastic) ? run.target() : nullptr);
  load_parameters(run.folder.model(), run.model->parameters());
  return run;
}

void write_metrics(const std::string& path, const History& history) {
  std::string text = "step,loss,learning_rate,gradient_norm,bad_steps,validation_loss\n";
  std::size_t next = 0;
  std::vector<HistoryRow> rows = history.rows;
  if (history.open.good_steps + history.open.bad_steps > 0) rows.push_back(history.open);
  for (const HistoryRow& row : rows) {
    // A validation stands in the row that covers its step.
    std::string validation;
    for (; next < history.validations.size() && history.validations[next].step <= row.step; ++next)
      validation = fmt::format("{}", history.validations[next].loss);
    text += fmt::format("{},{},{},{},{},{}\n", row.step, row.loss, row.learning_rate,
                        row.gradient_norm, row.bad_steps, validation);
  }
  write_file_atomically(path, text);
}

}  // namespace thalweg

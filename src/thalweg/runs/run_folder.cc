#include "thalweg/runs/run_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/datasets/date_parts.h"
#include "thalweg/datasets/reading.h"
#include "thalweg/exploration/exploration_file.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/json_file.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/new_folder.h"
#include "thalweg/runs/plan.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

/// The settings that name files of points, with what a copy in a run's folder is called.
std::array<std::pair<std::string, std::string*>, 4> point_files(DataOptions& data) {
  return {{{"points", &data.path},
           {"validation", &data.validation},
           {"test", &data.test},
           {"forces", &data.forces}}};
}

void check_format(const std::string& path, std::int64_t format) {
  if (format < 1)
    fail<DataError>(
        "{}: damaged: expected a format from 1 to {}, got {}; copy the run's folder "
        "again, or train anew",
        path, kRunFormat, format);
  if (format > kRunFormat)
    fail<DataError>(
        "{}: written by a newer version of thalweg (format {}, this one reads up to {}); update "
        "thalweg to use it",
        path, format, kRunFormat);
}

void verify_model(const LoadedRun& run) {
  const std::string& expected = run.manifest.model_hash;
  if (expected.empty()) return;
  const std::string got = content_hash(read_file(run.folder.model()));
  if (got != expected)
    fail<DataError>(
        "{}: expected the file with the hash {} that manifest.json names, got one with {}: it was "
        "changed or damaged after it was written; put back the original, or read it all the same "
        "with --ignore-hash",
        run.folder.model(), expected, got);
}

}  // namespace

bool check_training_folder(const std::string& out, bool resume, bool force) {
  namespace fs = std::filesystem;
  const RunFolder folder{out};
  std::error_code error;
  const bool taken =
      fs::exists(out, error) && !(fs::is_directory(out, error) && fs::is_empty(out, error));
  if (taken && !fs::is_directory(out, error))
    fail<DataError>("{}: expected a folder for the run, got a file; choose another --out", out);
  if (resume) {
    if (!fs::exists(folder.checkpoint(), error))
      fail<DataError>(
          "{}: there is no run with a checkpoint to resume; train it anew, with --force if the "
          "folder is there",
          out);
    return false;
  }
  if (taken && !force)
    fail<ConfigError>(
        "{}: exists already; --resume continues it, --force replaces it, --out names another "
        "folder",
        out);
  if (taken && !fs::exists(folder.manifest(), error))
    fail<ConfigError>("{}: is not a run, so --force does not replace it; choose another --out",
                      out);
  if (taken) refuse_current_folder(out);
  return taken;
}

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
  return content_hash(bytes(data.x)) + content_hash(bytes(data.context)) +
         (data.weights.empty() ? "" : content_hash(bytes(data.weights))) +
         (data.forces.empty() ? "" : content_hash(bytes(data.forces)));
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
    if (!has_target(options.target)) return;
    std::shared_ptr<const Target> made = make_target(options.target);
    const std::string& file = options.target.file();
    if (!file.empty() && !manifest.data_hash.empty() &&
        !manifest.data_hash.ends_with(content_hash(read_file(file))))
      fail<DataError>(
          "{}: the energy has changed since {} was trained: put the file back, or train anew", file,
          folder.path);
    target_->target = target_for_model(std::move(made), options.model);
  });
  return target_->target;
}

std::optional<Exploration> LoadedRun::exploration() const {
  const std::string path = folder.exploration();
  if (folder.path.empty() || !std::filesystem::exists(path)) return std::nullopt;
  Exploration exploration = read_exploration(path);
  if (exploration.features != options.model.features)
    fail<DataError>(
        "{}: expected {} columns, as the run's model has, got {}: it is of another run; copy the "
        "run's folder again, or train anew",
        path, options.model.features, exploration.features);
  return exploration;
}

Precision LoadedRun::precision() const {
  return options.training.precision == "double" ? Precision::kDouble : Precision::kFloat;
}

std::vector<double> LoadedRun::usual_context() const {
  const ClassTable& classes = model->classes();
  if (!classes.empty()) return {classes.context(0).begin(), classes.context(0).end()};
  std::vector<double> context;
  const std::vector<ColumnOptions>& columns = options.model.context_columns;
  for (const ColumnOptions& column : columns) context.push_back(column.mean);
  // Species have no mean.
  const std::vector<std::int64_t>& usual = options.model.flow.usual_species;
  std::ranges::copy(usual, context.end() - std::ssize(usual));
  // Of texts the commonest.
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin + 1;
    while (end < columns.size() && columns[end].name == columns[begin].name) ++end;
    if (columns[begin].indicates()) {
      const auto first = context.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto last = context.begin() + static_cast<std::ptrdiff_t>(end);
      const auto commonest = std::max_element(first, last);
      for (auto value = first; value != last; ++value) *value = value == commonest ? 1.0 : 0.0;
    }
    begin = end;
  }
  return context;
}

Table LoadedRun::read_table(const std::string& file, bool with_x,
                            const std::string& weights) const {
  if (model->flow().coordinates() != nullptr && with_x)
    return read_internal_table(file, options.model, FrameUse::kJudged);
  ReadOptions reading = read_options(options.data);
  reading.columns.clear();
  const ModelOptions& of_model = options.model;
  if (with_x && of_model.columns.empty()) reading.columns = default_names(of_model.features);
  if (with_x)
    for (const ColumnOptions& column : of_model.columns) reading.columns.push_back(column.name);
  for (const ColumnOptions& column : of_model.context_columns)
    reading.columns.push_back(column.name);
  if (with_x)
    for (const DerivedColumn& column : of_model.derived) {
      reading.columns.push_back(column.name);
      if (!column.labels.empty()) reading.texts.push_back(column.name);
    }
  // Texts may look like numbers in a file with few rows.
  for (const auto* columns : {&of_model.columns, &of_model.context_columns})
    for (const ColumnOptions& column : *columns)
      if (!column.labels.empty()) reading.texts.push_back(column.name);
  if (with_x && !options.data.weights.empty()) reading.columns.push_back(options.data.weights);
  if (!weights.empty()) reading.columns.push_back(weights);
  const std::vector<std::string> dates = dates_in_parts(options.data.kinds);
  reading.columns.insert(reading.columns.end(), dates.begin(), dates.end());
  if (!of_model.flow.species.empty()) reading.places = of_model.features / of_model.base.dimensions;
  Table table = load_table(file, reading);
  table.source = file;
  DataOptions own = options.data;
  take_date_parts(table, own);
  return table;
}

std::optional<PreparedData> LoadedRun::data() const {
  if (options.data.path.empty()) return std::nullopt;
  const auto seed = static_cast<std::uint64_t>(options.training.seed);
  DataOptions of_data = options.data;
  of_data.closed = is_on_unit_interval(options.model);
  PreparedData prepared =
      is_molecule(options) ? load_molecule_data(options, seed) : load_prepared_data(of_data, seed);
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
  json["arithmetic"] = manifest.arithmetic;
  json["program"] = manifest.program;
  json["status"] = manifest.status;
  json["seed"] = manifest.seed;
  json["steps"] = manifest.steps;
  json["seconds"] = manifest.seconds;
  json["returns"] = manifest.returns;
  json["data_hash"] = manifest.data_hash;
  json["model_hash"] = manifest.model_hash;
  json["settings_hash"] = manifest.settings_hash;
  write_file_atomically(folder.manifest(), json.dump(2) + "\n");
}

RunManifest read_manifest(const RunFolder& folder) {
  if (!std::filesystem::exists(folder.manifest()))
    fail<DataError>("{}: expected the folder of a run, but it has no manifest.json", folder.path);
  const JsonObject json =
      read_json_file(folder.manifest(), "copy the run's folder again, or train anew");
  RunManifest manifest;
  const std::int64_t format = json.whole("format");
  check_format(folder.manifest(), format);
  manifest.format = static_cast<int>(format);
  manifest.arithmetic = json.has("arithmetic") ? static_cast<int>(json.whole("arithmetic")) : 1;
  manifest.program = json.text("program");
  manifest.status = json.text("status");
  manifest.seed = json.whole("seed");
  manifest.steps = json.whole("steps");
  manifest.seconds = json.number("seconds");
  if (json.has("returns")) manifest.returns = json.whole("returns");
  manifest.data_hash = json.text("data_hash");
  manifest.model_hash = json.text("model_hash");
  if (json.has("settings_hash")) manifest.settings_hash = json.text("settings_hash");
  return manifest;
}

RunOptions read_run_options(const RunFolder& folder) {
  RunOptions options;
  constexpr std::int64_t kNotSaid = -1;
  options.data.block_rows = kNotSaid;
  read_options(options, read_file(folder.config()), folder.config());
  // Runs of before drew each row by itself.
  if (options.data.block_rows == kNotSaid)
    options.data.block_rows = options.data.path.empty() ? 0 : 1;
  for (const auto& [name, path] : point_files(options.data))
    if (!path->empty()) *path = (fs::absolute(folder.path) / *path).lexically_normal().string();
  const RunManifest manifest = read_manifest(folder);
  const int format = manifest.format;
  options.data.rules = format;
  constexpr std::int64_t kRightBefore = 5;  // widths whose values one block of rows holds
  const FlowOptions& flow = options.model.flow;
  if (manifest.arithmetic < 2 && flow.network == "equivariant" && flow.kind != "none" &&
      !flow.hidden.empty() && flow.hidden.front() > kRightBefore)
    fail<DataError>(
        "{}: was trained by a version that computed graph networks wider than {} wrongly, so that "
        "its densities are of no use: train it anew, with --force or into another folder",
        folder.path, kRightBefore);
  // Their columns were prepared without what is found by default now.
  if (format < 4)
    options.data.find_kinds = options.data.find_derived = options.data.marginal_maps = false;
  if (format < 2)
    for (ColumnOptions& column : options.model.context_columns)
      column.mean = 0.0, column.scale = 1.0;
  return options;
}

void verify_settings(const RunFolder& folder, const RunManifest& manifest, const char* advice) {
  if (manifest.settings_hash.empty() ||
      content_hash(deciding_settings(read_file(folder.config()), folder.config())) ==
          manifest.settings_hash)
    return;
  fail<DataError>(
      "{}: its settings are not those that the model was trained with, by the hash in "
      "manifest.json: it was changed after it was written, and densities would be other ones; put "
      "back the original, and give other settings to a training of their own{}",
      folder.config(), advice);
}

std::string write_run_options(const RunFolder& folder, const RunOptions& options) {
  RunOptions written = options;
  const std::string inside = fs::absolute(folder.path).lexically_normal().string() + "/";
  for (const auto& [name, path] : point_files(written.data))
    if (path->starts_with(inside)) path->erase(0, inside.size());
  const std::string text = write_options(written);
  write_file_atomically(folder.config(), text);
  return content_hash(deciding_settings(text, folder.config()));
}

void keep_points(const RunFolder& folder, DataOptions& options) {
  for (const auto& [name, path] : point_files(options)) {
    if (path->empty()) continue;
    const fs::path from = *path;
    if (!fs::is_regular_file(from))
      fail<DataError>("{}: expected a file of points to keep in {}, got {}", *path, folder.path,
                      fs::is_directory(from) ? "a folder" : "none, or a slice of one");
    const fs::path packed = from.extension() == ".gz" ? from.stem().extension() : fs::path();
    const fs::path to = fs::absolute(folder.path).lexically_normal() /
                        (name + packed.string() + from.extension().string());
    std::error_code error;
    if (!fs::equivalent(from, to, error))
      fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error)
      fail<DataError>("{}: cannot be copied to {}: {}", *path, to.string(), error.message());
    *path = to.string();
  }
}

LoadedRun load_run(const std::string& path, const LoadOptions& options) {
  LoadedRun run;
  run.folder.path = path;
  if (!std::filesystem::is_directory(path))
    fail<DataError>("{}: expected the folder of a run, {}", path,
                    std::filesystem::exists(path) ? "got a file" : "but there is none");
  run.manifest = read_manifest(run.folder);
  run.options = read_run_options(run.folder);
  run.options.target.function = options.energy_function;
  if (!std::filesystem::exists(run.folder.model()))
    fail<DataError>(
        "{}: the run has no model{}", path,
        std::filesystem::exists(run.folder.checkpoint())
            ? " yet; finish it with `thalweg train --resume --out " + path + "`"
            : ": it ended before its first checkpoint, or has not come to it yet; train "
              "it anew with --force");
  if (options.verify) {
    verify_settings(run.folder, run.manifest, "; or read it all the same with --ignore-hash");
    verify_model(run);
  }
  run.model = load_model(run.folder.model(), run.options.model,
                         moves_by_target(run.options.model.stochastic) ? run.target() : nullptr,
                         static_cast<std::uint64_t>(run.options.training.seed));
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

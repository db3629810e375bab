#include "thalweg/runs/settings.h"

#include <algorithm>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/xyz_file.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/presets.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/targets/target.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

bool is_run(const std::string& path) { return fs::exists(RunFolder{path}.manifest()); }

void set_all(RunOptions& options, const std::vector<Setting>& settings,
             std::set<std::string>* keys = nullptr) {
  for (const Setting& setting : settings) {
    set_option(options, setting);
    // A picture takes the place of a preset's target.
    if (setting.key == "data.image") options.target.name.clear();
    if (keys != nullptr) keys->insert(setting.key);
  }
}

/// Settles whether a run with points has a target besides, and makes paths absolute. `keys` are
/// those that somebody asked for: points take the place of a preset's target, but of no other.
void settle(RunOptions& options, const std::set<std::string>& keys) {
  DataOptions& data = options.data;
  TargetOptions& target = options.target;
  if (data.path.empty() && !(data.validation + data.test).empty())
    fail<ConfigError>("data.validation and data.test go with a file of points: give --data FILE");
  if (data.path.empty() && !data.forces.empty())
    fail<ConfigError>("data.forces goes with a file of points: give --data FILE");
  // An energy or a built-in target has all of its columns, without a condition.
  if (data.path.empty() && !(data.columns.empty() && data.condition.empty()))
    fail<ConfigError>("{} goes with a file of points: give --data FILE",
                      data.columns.empty() ? "data.condition" : "data.columns");
  // Points of particles may have their energy beside them, to be judged by.
  if (!data.path.empty() && !needs_target(options) && data.particles == 0 &&
      target.system.empty()) {
    if (!keys.contains("data.target")) target.name.clear();
    if (has_target(target))
      fail<ConfigError>(
          "{}: a run learns from points or from an energy, or by "
          "training.objective=mixed or stochastic layers from both, got {} and '{}'",
          target.name.empty() ? "energy" : "data.target", data.path,
          target.name + target.energy + target.energy_function + target.file());
  }
  for (std::string* path : input_files(options))
    if (!path->empty()) {
      *path = fs::absolute(*path).lexically_normal().string();
      if (path->ends_with('/')) path->pop_back();  // or a folder has no name
    }
}

/// The name that a run gets if nobody gives one.
std::string default_out(const std::string& source, const RunOptions& options) {
  std::string name = fs::path(source).stem().string();
  if (name.empty() || name == "tabular") {
    const DataOptions& data = options.data;
    const TargetOptions& target = options.target;
    const fs::path file =
        data.path.ends_with(".gz") ? fs::path(data.path).replace_extension() : fs::path(data.path);
    name = !data.path.empty()       ? file.stem().string()
           : !target.image.empty()  ? fs::path(target.image).stem().string()
           : !target.system.empty() ? fs::path(target.system).stem().string()
           : target.name.empty()    ? "energy"
                                    : target.name;
    // Other parts of an array than [0] are other runs.
    if (data.path.ends_with(']')) name += "-" + data.path.substr(data.path.rfind('[') + 1);
    std::erase(name, ']');
    std::replace(name.begin(), name.end(), ',', '-');
  }
  return "runs/" + name;
}

/// The run that is meant to be resumed.
std::string resumed_run(const RunRequest& request) {
  if (!request.out.empty()) return request.out;
  if (!request.source.empty() && is_run(request.source)) return request.source;
  RunOptions options;
  set_all(options, request.settings);
  if (request.source.empty() && options.data.path.empty() && !has_target(options.target))
    fail<ConfigError>("--resume: expected the folder of a run; give it with --out");
  return default_out(request.source, options);
}

/// A resumed run may change how it trains, not what it learns and with what.
void check_changes(const std::string& out, RunOptions own, RunOptions changed) {
  for (const OptionKey& key : option_keys()) {
    const OptionPlace before = key.place(own), after = key.place(changed);
    const bool same = std::visit(
        [&](auto* value) { return *value == *std::get<decltype(value)>(after); }, before);
    const bool free = key.path == "final_proposals" ||
                      (key.path.starts_with("training.") && key.path != "training.objective" &&
                       key.path != "training.optimizer");
    if (!same && free && own.model.base.kind == "stack")
      fail<ConfigError>(
          "{}: is a stack, which is fitted as a whole and has no steps left, so that {} would "
          "change nothing; train anew with --force or another --out",
          out, key.path);
    if (!same && !free)
      fail<ConfigError>(
          "{}: {} cannot change while a run is resumed; train anew with another --out", out,
          key.path);
  }
  const std::int64_t steps = read_manifest({out}).steps;
  if (changed.training.iterations < steps)
    fail<ConfigError>(
        "{}: has made {} steps already, so training.iterations must be at least that, got {}", out,
        steps, changed.training.iterations);
}

SettingsLayers resumed_layers(const RunRequest& request) {
  SettingsLayers layers;
  layers.out = resumed_run(request);
  check_training_folder(layers.out, request.resume, request.force);
  verify_settings({layers.out}, read_manifest({layers.out}));
  layers.start = layers.asked = read_run_options({layers.out});
  set_all(layers.asked, request.settings, &layers.keys);
  layers.asked.target.function = request.energy_function;
  settle(layers.asked, layers.keys);
  check_changes(layers.out, layers.start, layers.asked);
  return layers;
}

SettingsLayers new_layers(const RunRequest& request) {
  SettingsLayers layers;
  const Preset* preset = find_preset(request.source);
  std::string config;
  if (preset != nullptr) {
    layers.start = preset->options();
  } else if (!request.source.empty()) {
    if (!fs::exists(request.source)) {
      std::vector<std::string> known;
      for (const Preset& entry : presets()) known.push_back(entry.name);
      fail<ConfigError>("'{}' is neither a config file nor a preset{}", request.source,
                        name_hint(request.source, known));
    }
    config = read_file(request.source);
  } else {
    // A target to draw from that stands alone is learnt as in the presets for targets.
    RunOptions asked;
    read_options(asked, request.config, "config");
    set_all(asked, request.settings);
    const bool drawn = !asked.target.image.empty() ||
                       (!asked.target.name.empty() && !is_particle_target(asked.target.name));
    if (asked.data.path.empty() && drawn) layers.start = find_preset("rings-resampled")->options();
    if (asked.target.name.empty()) layers.start.target.name.clear();
  }
  layers.for_data = preset == nullptr || preset->name == "tabular";
  layers.for_energy = preset == nullptr;
  layers.asked = layers.start;
  if (!config.empty()) {
    read_options(layers.asked, config, request.source, &layers.keys);
    // Points that a run keeps are named relative to its folder.
    const fs::path folder = fs::absolute(request.source).parent_path();
    DataOptions& data = layers.asked.data;
    for (std::string* path : {&data.path, &data.validation, &data.test, &data.forces})
      if (!path->empty() && is_run(folder.string())) *path = (folder / *path).string();
  }
  if (!request.config.empty()) read_options(layers.asked, request.config, "config", &layers.keys);
  set_all(layers.asked, request.settings, &layers.keys);
  take_folder_settings(layers.asked, layers.keys);
  layers.asked.target.function = request.energy_function;
  // A run that goes on keeps what it was told of its file.
  if (is_xyz_path(layers.asked.data.path)) {
    if (!layers.keys.contains("data.particles")) layers.asked.data.particles = 3;
    if (!layers.keys.contains("data.species")) layers.asked.data.species = true;
  }
  settle(layers.asked, layers.keys);
  layers.out = request.out.empty() ? default_out(request.source, layers.asked) : request.out;
  while (layers.out.size() > 1 && layers.out.ends_with('/')) layers.out.pop_back();
  return layers;
}

}  // namespace

RunOptions layered(const SettingsLayers& layers, RunOptions suggested) {
  RunOptions asked = layers.asked;
  suggested.data = asked.data;
  suggested.target = asked.target;
  for (const OptionKey& key : option_keys()) {
    if (!layers.keys.contains(key.path)) continue;
    const OptionPlace from = key.place(asked), to = key.place(suggested);
    std::visit([&](auto* value) { *value = *std::get<decltype(value)>(from); }, to);
  }
  return suggested;
}

void take_folder_settings(RunOptions& asked, std::set<std::string>& keys) {
  const fs::path file = fs::path(asked.data.path) / kFolderSettings;
  if (asked.data.path.empty() || !fs::exists(file)) return;
  RunOptions own;
  std::set<std::string> said;
  read_options(own, read_file(file.string()), file.string(), &said);
  for (const OptionKey& key : option_keys()) {
    if (!said.contains(key.path) || keys.contains(key.path)) continue;
    const OptionPlace from = key.place(own), to = key.place(asked);
    std::visit([&](auto* value) { *value = *std::get<decltype(value)>(from); }, to);
    keys.insert(key.path);
  }
}

SettingsLayers read_layers(const RunRequest& request) {
  if (request.resume && request.force) fail<ConfigError>("--resume and --force exclude each other");
  return request.resume ? resumed_layers(request) : new_layers(request);
}

std::vector<std::string*> input_files(RunOptions& options) {
  TargetOptions& target = options.target;
  DataOptions& data = options.data;
  return {&target.energy_library,
          &target.constants_file,
          &target.image,
          &target.system,
          &options.molecule.topology,
          &options.molecule.z_matrix,
          &data.path,
          &data.validation,
          &data.test,
          &data.forces};
}

}  // namespace thalweg

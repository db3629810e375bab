// thalweg describe: one preset, target, section of the settings or single setting in words.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/runs/kinds.h"
#include "thalweg/runs/presets.h"
#include "thalweg/targets/target.h"

namespace thalweg::cli {

namespace {

void describe_preset(const Preset& preset) {
  fmt::print("{}: {}\n\n{}", preset.name, preset.summary, write_options(preset.options()));
}

void describe_target(const TargetKind& entry) {
  const std::unique_ptr<Target> target = entry.make();
  fmt::print("{}: {}\n  columns: {}\n", entry.name, entry.summary, target->features());
  if (target->half_width() > 0.0)
    fmt::print("  practically all mass within +-{:g} of 0\n", target->half_width());
  if (const auto log_normaliser = target->log_normaliser())
    fmt::print("  log of the integral: {:.6g}\n", *log_normaliser);
  if (target->particle_dimensions() > 0)
    fmt::print(
        "  a density of rows with a centre of mass of 0; settings: particles.temperature and, of "
        "families, particles.count and particles.dimensions\n  sample it: thalweg data {} --out "
        "data/{}\n",
        entry.name, entry.name);
  fmt::print("  learn it: thalweg train --target {}\n", entry.name);
}

void describe(const std::string& name) {
  std::vector<std::string> known = {"config"};
  for (const Preset& preset : presets()) {
    if (preset.name == name) return describe_preset(preset);
    known.push_back(preset.name);
  }
  for (const TargetKind& target : target_kinds().rows()) {
    if (target.name == name) return describe_target(target);
    known.push_back(target.name);
  }
  const std::string settings = describe_options(name == "config" ? "" : name);
  if (!settings.empty()) {
    fmt::print("settings, for a config file or --set key=value:\n{}", settings);
    return;
  }
  bool found = false;
  for (const KindGroup& group : kind_groups())
    for (const KindSummary& kind : group.kinds) {
      known.push_back(kind.name);
      if (kind.name != name) continue;
      found = true;
      fmt::print("{}: {}\n  one of the {}, chosen by {}\n", kind.name, kind.summary, group.title,
                 group.chosen);
      if (!kind.settings.empty()) fmt::print("  settings that it reads:\n");
      for (const std::string& setting : kind.settings) fmt::print("{}", describe_options(setting));
    }
  for (const OptionKey& key : option_keys()) {
    const std::size_t dot = key.path.find('.');
    for (const std::string& part : {key.path, key.path.substr(0, dot)})
      if (std::find(known.begin(), known.end(), part) == known.end()) known.push_back(part);
    // A choice, as exp, is described by the keys that offer it.
    const std::vector<std::string> choices = key.known();
    if (!found && std::find(choices.begin(), choices.end(), name) != choices.end()) {
      fmt::print("'{}' is a choice for:\n{}", name, describe_options(key.path));
      return;
    }
  }
  if (found) return;
  const std::string nearest = nearest_name(name, known);
  fail<ConfigError>("nothing is called '{}'; {}", name,
                    nearest.empty() ? "`thalweg list` and `thalweg describe config` show all names"
                                    : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace

void add_describe(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("describe", "A preset, a target or the settings of a config file");
  auto name = std::make_shared<std::string>();
  command->add_option("NAME", *name, "preset, target, section (training), setting or choice")
      ->required();
  command->footer(
      "Examples:\n  thalweg describe rings-resampled\n  thalweg describe training\n"
      "  thalweg describe flow.permutation\n  thalweg describe config");
  command->callback([name] { describe(*name); });
}

}  // namespace thalweg::cli

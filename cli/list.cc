// thalweg list: what there is to train and to learn.
#include <cstdio>

#include "cli/commands.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/presets.h"
#include "thalweg/targets/target.h"

namespace thalweg::cli {

void add_list(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "Presets and built-in targets");
  command->footer("Examples:\n  thalweg list\n  thalweg describe rings-resampled");
  command->callback([] {
    fmt::print("presets, for `thalweg train NAME`:\n");
    for (const Preset& preset : presets()) fmt::print("  {:<24} {}\n", preset.name, preset.summary);
    fmt::print("\ntargets, for `thalweg train --target NAME`:\n");
    for (const TargetEntry& target : built_in_targets())
      fmt::print("  {:<24} {}\n", target.name, target.summary);
    fmt::print(
        "\n`thalweg describe NAME` says more of each; `thalweg describe config` lists all "
        "settings.\n");
  });
}

}  // namespace thalweg::cli

// thalweg list: what there is to train and to choose from.
#include <cstdio>

#include "cli/commands.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/kinds.h"
#include "thalweg/runs/presets.h"

namespace thalweg::cli {

void add_list(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("list", "Presets, targets, and the kinds that settings choose from");
  command->footer("Examples:\n  thalweg list\n  thalweg describe rings-resampled");
  command->callback([] {
    fmt::print("presets, for `thalweg train NAME`:\n");
    for (const Preset& preset : presets()) fmt::print("  {:<24} {}\n", preset.name, preset.summary);
    for (const KindGroup& group : kind_groups()) {
      fmt::print("\n{} ({}):\n", group.title, group.chosen);
      for (const KindSummary& kind : group.kinds)
        fmt::print("  {:<24} {}\n", kind.name, kind.summary);
    }
    fmt::print(
        "\n`thalweg describe NAME` says more of each; `thalweg describe config` lists all "
        "settings.\n");
  });
}

}  // namespace thalweg::cli

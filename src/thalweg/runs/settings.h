// What somebody asks of a run, and the order in which settings count.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "thalweg/engine/primitives.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/run_options.h"

namespace thalweg {

/// File of settings that a folder of points may have, for runs that learn from it: they count
/// unless somebody asks for others.
inline constexpr const char* kFolderSettings = "settings.toml";

/// What somebody asks of a run. What is not said is chosen, see layered().
struct RunRequest {
  /// A preset's name or a config file; of a run that is to be resumed also its folder.
  std::string source = {};
  std::string config = {};             ///< TOML as in a config file, over `source`
  std::vector<Setting> settings = {};  ///< over both; later ones count more
  std::string out = {};                ///< folder of the run; empty: runs/NAME, see read_layers()
  bool resume = false, force = false;
  /// Keep the points of data.path in the run's folder, so that the run can be moved without them.
  bool keep_points = false;
  /// What setting energy_function names.
  std::shared_ptr<const OutsideFunction> energy_function = {};
  ReadProgress reading = {};  ///< called while files of points are read
};

/// The layers of one run's settings.
struct SettingsLayers {
  RunOptions start;            ///< defaults or a preset's
  RunOptions asked;            ///< these, with what was asked for over them
  std::set<std::string> keys;  ///< paths that were asked for
  bool for_data = false;       ///< data, if there are any, choose what was not asked for
  bool for_energy = false;     ///< an energy that cannot be sampled does
  std::string out;
};

/// The one rule of order: defaults or a preset's settings, then what suits the data or the energy
/// (`suggested`), then config file and single settings, of which each key in `layers.keys` is taken
/// from `layers.asked`. Data and target are as asked for.
RunOptions layered(const SettingsLayers& layers, RunOptions suggested);

/// Takes what the settings.toml in a folder of points says into `asked`, whose data.path is that
/// folder, but for the paths in `keys`, to which it adds those that it took. Throws ConfigError,
/// and DataError for a file that cannot be read.
void take_folder_settings(RunOptions& asked, std::set<std::string>& keys);

/// Reads the layers of a new run, or, of a resumed one, its own settings with single ones changed.
/// Paths become absolute. Throws ConfigError for what cannot be set, a run without a name to
/// resume, and changes that a resumed run does not allow; DataError for files that cannot be read.
SettingsLayers read_layers(const RunRequest& request);

/// The paths of all files and folders that the options may name to learn from; each may be empty.
std::vector<std::string*> input_files(RunOptions& options);

}  // namespace thalweg

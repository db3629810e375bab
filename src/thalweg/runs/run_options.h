// Everything that decides a run, and the one table of keys from which config files are read,
// written, checked and described.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/flows/model.h"
#include "thalweg/runs/target_options.h"
#include "thalweg/training/trainer.h"

namespace thalweg {

/// Where what is known of a molecule comes from; what it comes to is in ModelOptions::molecule.
struct MoleculeFiles {
  std::string topology;  ///< a PDB with names of atoms
  std::string z_matrix;  ///< see read_z_matrix(); empty: made along bonds
  /// How atoms without a row of the z-matrix are placed: "internal", by bonds, angles and torsions
  /// of each other, or "principal", by principal components of their positions, superposed on their
  /// mean over data.path.
  std::string anchors = "internal";
  /// How torsions are learnt: "circle", periodic, or "line", numbers within half a turn of their
  /// circular mean over data.path, which all flows and bases take.
  std::string torsions = "circle";
  /// "free", or "fixed": alpha carbons have the form that they have in the data, and no other.
  std::string chirality = "free";
  /// Training sees energies above this, in kT, by their logarithm: see with_logarithmic_energy. 0:
  /// as they are.
  double energy_cut = 0.0;
};

/// All options of a run.
struct RunOptions {
  std::int64_t final_proposals = 1 << 22;  ///< for the final estimate of Z of a resampled base
  /// draws a point for the density of a flow with stochastic layers; see DensityEvaluator
  std::int64_t importance_samples = 20;
  TargetOptions target;
  MoleculeFiles molecule;
  DataOptions data;
  ExplorationOptions exploration{.evaluations = 0};  ///< of the energy; without evaluations: none
  ModelOptions model;
  TrainingOptions training;  ///< its seed is the run's
};

/// Where the value of a key is kept.
using OptionPlace =
    std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::int64_t>*,
                 std::vector<double>*, std::vector<std::string>*>;

/// One key of a config file.
template <typename Options>
struct BasicOptionKey {
  std::string path;  ///< "training.batch_size"
  std::string summary;
  OptionPlace (*place)(Options&);
  double lowest = -1e300, highest = 1e300;  ///< of numbers, ends included; of each in a list
  std::vector<std::string> choices = {};    ///< of texts, alone or in a list; empty: any
  /// Choices that are asked for anew each time, since programs add kinds of their own.
  std::vector<std::string> (*kinds)() = nullptr;

  std::vector<std::string> known() const { return kinds != nullptr ? kinds() : choices; }
};
using OptionKey = BasicOptionKey<RunOptions>;

/// What a key may be set to.
using OptionValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                                 std::vector<double>, std::vector<std::string>>;

/// One key with its value.
struct Setting {
  std::string key;
  OptionValue value;
};

/// All keys in the order in which they are written, section by section.
const std::vector<OptionKey>& option_keys();

/// Sets what `text`, a TOML document, says; the rest stays. `source` names it in messages. The
/// paths of the keys that it names are added to `given`. Throws ConfigError for syntax errors,
/// unknown keys, wrong types and values out of range, with the line.
void read_options(RunOptions& options, std::string_view text, const std::string& source,
                  std::set<std::string>* given = nullptr);

/// A setting from "key=value", the value as in TOML; texts may go without quotes and lists without
/// brackets. Throws ConfigError.
Setting parse_setting(std::string_view assignment);

/// Sets one key. Whole numbers serve as numbers, and the other way round. Throws ConfigError for
/// unknown keys, wrong types and values out of range.
void set_option(RunOptions& options, const Setting& setting);
/// The same as parse_setting() says.
void set_option(RunOptions& options, std::string_view assignment);

/// The complete TOML document with a comment a key; reading it gives the same options to the bit.
std::string write_options(const RunOptions& options);

/// The settings of a TOML document that decide what a trained model's densities and weights are, in
/// one order, a line each: all but how it was trained, where files are, and what can be chosen
/// afterwards, as the steps of an integration. Throws ConfigError for syntax errors.
std::string deciding_settings(std::string_view text, const std::string& source);

/// Type, range or choices, and default of each key whose path starts with `section` and a dot (all
/// for ""), as lines for people; empty if there are none.
std::string describe_options(std::string_view section);

}  // namespace thalweg

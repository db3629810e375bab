// Everything that decides a run, and the one table of keys from which config files are read,
// written, checked and described.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "thalweg/flows/model.h"
#include "thalweg/targets/image_density.h"
#include "thalweg/training/trainer.h"

namespace thalweg {

/// Where training points come from and how their columns are treated.
struct DataOptions {
  std::string target;                  ///< a built-in target, drawn from as long as training lasts
  std::int64_t samples = 0;            ///< of it: so many, again and again; 0: always new ones
  std::string energy;                  ///< or an expression, see make_expression_target
  std::string energy_library;          ///< or a C function, see load_energy_library
  std::int64_t energy_features = 0;    ///< numbers of a point of energy_library; 0: it says so
  std::vector<std::string> variables;  ///< columns of the energy; empty: x, y, z or x0, x1, ...
  double half_width = 0.0;  ///< of a box around 0 that holds the energy's mass; 0: not known
  std::string image;        ///< or a picture, see make_image_target
  ImageOptions image_density;
  std::string path;  ///< or a file of points, which has precedence
  std::string
      validation;    ///< a file with the rows that decide when to stop; empty: a share of path
  std::string test;  ///< a file with the rows to test on; empty: a share of path
  std::vector<std::string> columns;    ///< those to model, by name; empty: all but the condition
  std::vector<std::string> condition;  ///< columns that the density is conditioned on
  std::vector<std::string> bounds;     ///< "name=lower:upper", either side may be empty
  std::vector<std::string> periodic;   ///< "name=lower:upper": wraps around between these
  std::vector<std::string> integers;   ///< columns to dequantise besides those found
  bool find_integers = true;           ///< dequantise columns of whole numbers with many repeats
  bool drop_duplicates = false;
  bool drop_constant = false;
  double validation_fraction = 0.1;
  double test_fraction = 0.1;
};

/// All options of a run.
struct RunOptions {
  std::int64_t final_proposals = 1 << 22;  ///< for the final estimate of Z of a resampled base
  /// draws a point for the density of a flow with stochastic layers; see DensityEvaluator
  std::int64_t importance_samples = 20;
  DataOptions data;
  ModelOptions model;
  TrainingOptions training;  ///< its seed is the run's
};

/// Where the value of a key is kept.
using OptionPlace =
    std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::int64_t>*,
                 std::vector<double>*, std::vector<std::string>*>;

/// One key of a config file.
struct OptionKey {
  std::string path;  ///< "training.batch_size"
  std::string summary;
  OptionPlace (*place)(RunOptions&);
  double lowest = -1e300, highest = 1e300;  ///< of numbers, ends included; of each in a list
  std::vector<std::string> choices = {};    ///< of texts; empty: any
};

/// All keys in the order in which they are written, section by section.
const std::vector<OptionKey>& option_keys();

/// Sets what `text`, a TOML document, says; the rest stays. `source` names it in messages. Throws
/// ConfigError for syntax errors, unknown keys, wrong types and values out of range, with the line.
void read_options(RunOptions& options, std::string_view text, const std::string& source);

/// Sets one key from "key=value", the value as in TOML; texts may go without quotes and lists
/// without brackets. Throws ConfigError.
void set_option(RunOptions& options, std::string_view assignment);

/// The complete TOML document with a comment a key; reading it gives the same options to the bit.
std::string write_options(const RunOptions& options);

/// Type, range or choices, and default of each key whose path starts with `section` and a dot (all
/// for ""), as lines for people; empty if there are none.
std::string describe_options(std::string_view section);

}  // namespace thalweg

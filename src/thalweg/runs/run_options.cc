#include "thalweg/runs/run_options.h"

#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/runs/toml_text.h"

namespace thalweg {

namespace {

constexpr double kAny = 1e300;
constexpr double kMany = 1e15;  // Whole numbers beyond are not exact in double.

/// Keys of one column in [[columns]].
struct ColumnKey {
  std::string path, summary;
  OptionPlace (*place)(ColumnOptions&);
  double lowest = -INFINITY, highest = INFINITY;
  std::vector<std::string> choices = {};
};

const std::vector<ColumnKey>& column_keys() {
  static const std::vector<ColumnKey> keys = {
      {"name", "", [](ColumnOptions& c) -> OptionPlace { return &c.name; }},
      {"integer", "", [](ColumnOptions& c) -> OptionPlace { return &c.integer; }},
      {"origin", "", [](ColumnOptions& c) -> OptionPlace { return &c.origin; }, -kAny, kAny},
      {"step", "", [](ColumnOptions& c) -> OptionPlace { return &c.step; }, 1e-300, kAny},
      {"lower", "", [](ColumnOptions& c) -> OptionPlace { return &c.lower; }},
      {"upper", "", [](ColumnOptions& c) -> OptionPlace { return &c.upper; }},
      {"periodic", "", [](ColumnOptions& c) -> OptionPlace { return &c.periodic; }},
      {"mean", "", [](ColumnOptions& c) -> OptionPlace { return &c.mean; }, -kAny, kAny},
      {"scale", "", [](ColumnOptions& c) -> OptionPlace { return &c.scale; }, 1e-300, kAny},
  };
  return keys;
}

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".einf") == std::string::npos) text += ".0";
  return text;
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result + '"';
}

/// A value as TOML.
std::string value_text(const OptionPlace& place) {
  return std::visit(
      [](auto* value) -> std::string {
        using T = std::remove_reference_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, double>) {
          return real_text(*value);
        } else if constexpr (std::is_same_v<T, std::string>) {
          return quoted(*value);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::vector<std::string> parts;
          for (const std::string& part : *value) parts.push_back(quoted(part));
          return fmt::format("[{}]", fmt::join(parts, ", "));
        } else if constexpr (std::is_same_v<T, std::vector<double>>) {
          std::vector<std::string> parts;
          for (const double part : *value) parts.push_back(real_text(part));
          return fmt::format("[{}]", fmt::join(parts, ", "));
        } else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) {
          return fmt::format("[{}]", fmt::join(*value, ", "));
        } else {
          return fmt::format("{}", *value);
        }
      },
      place);
}

std::string range_text(double lowest, double highest) {
  const bool low = std::abs(lowest) < kAny, high = highest < kMany;
  if (low && high) return fmt::format(" from {} to {}", lowest, highest);
  if (low) return fmt::format(" of at least {}", lowest);
  if (high) return fmt::format(" of at most {}", highest);
  return "";
}

/// What a key wants, as in "expected a whole number from 1 to 10".
template <typename Key>
std::string expectation(const Key& key, const OptionPlace& place) {
  struct Visitor {
    const Key& key;
    std::string operator()(bool*) const { return "true or false"; }
    std::string operator()(std::int64_t*) const {
      return "a whole number" + range_text(key.lowest, key.highest);
    }
    std::string operator()(double*) const {
      return "a number" + range_text(key.lowest, key.highest);
    }
    std::string operator()(std::string*) const {
      return key.choices.empty() ? "a text"
                                 : fmt::format("one of {}", fmt::join(key.choices, ", "));
    }
    std::string operator()(std::vector<std::int64_t>*) const {
      return fmt::format("a list of whole numbers{}, as [64, 64]",
                         range_text(key.lowest, key.highest));
    }
    std::string operator()(std::vector<double>*) const {
      return fmt::format("a list of numbers{}", range_text(key.lowest, key.highest));
    }
    std::string operator()(std::vector<std::string>*) const { return "a list of texts"; }
  };
  return std::visit(Visitor{key}, place);
}

std::optional<std::int64_t> whole_number(const toml::node& node) {
  if (const auto value = node.value_exact<std::int64_t>()) return value;
  const auto real = node.value_exact<double>();
  if (real && std::abs(*real) <= kMany && *real == std::floor(*real))
    return static_cast<std::int64_t>(*real);
  return std::nullopt;
}

std::string node_text(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return quoted(*text);
  std::ostringstream stream;
  node.visit([&](const auto& value) { stream << value; });
  std::string text = stream.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

template <typename T, typename Convert>
bool assign_list(std::vector<T>* value, const toml::node& node, const Convert& convert) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return false;
  std::vector<T> items;
  for (const toml::node& item : *array) {
    const auto got = convert(item);
    if (!got) return false;
    items.push_back(*got);
  }
  *value = std::move(items);
  return true;
}

/// Writes `node` to its place; false if it is of the wrong type or out of range.
template <typename Key>
bool assign(const Key& key, const OptionPlace& place, const toml::node& node) {
  const auto in_range = [&](double value) { return value >= key.lowest && value <= key.highest; };
  struct Visitor {
    const Key& key;
    const toml::node& node;
    const decltype(in_range)& inside;
    bool operator()(bool* value) const {
      const auto got = node.value_exact<bool>();
      if (got) *value = *got;
      return got.has_value();
    }
    bool operator()(std::int64_t* value) const {
      const auto got = whole_number(node);
      if (!got || !inside(static_cast<double>(*got))) return false;
      *value = *got;
      return true;
    }
    bool operator()(double* value) const {
      const auto got = node.is_number() ? node.value<double>() : std::nullopt;
      if (!got || !inside(*got)) return false;
      *value = *got;
      return true;
    }
    bool operator()(std::string* value) const {
      const auto got = node.value_exact<std::string>();
      if (!got || (!key.choices.empty() &&
                   std::find(key.choices.begin(), key.choices.end(), *got) == key.choices.end()))
        return false;
      *value = *got;
      return true;
    }
    bool operator()(std::vector<std::int64_t>* value) const {
      return assign_list(value, node, [&](const toml::node& item) {
        const auto got = whole_number(item);
        return got && inside(static_cast<double>(*got)) ? got : std::nullopt;
      });
    }
    bool operator()(std::vector<double>* value) const {
      return assign_list(value, node, [&](const toml::node& item) {
        const auto got = item.is_number() ? item.value<double>() : std::nullopt;
        return got && inside(*got) ? got : std::nullopt;
      });
    }
    bool operator()(std::vector<std::string>* value) const {
      return assign_list(value, node,
                         [](const toml::node& item) { return item.value_exact<std::string>(); });
    }
  };
  return std::visit(Visitor{key, node, in_range}, place);
}

template <typename Key, typename Options>
void assign_or_fail(const Key& key, Options& options, const toml::node& node,
                    const std::string& where) {
  const OptionPlace place = key.place(options);
  if (!assign(key, place, node))
    fail<ConfigError>("{}: {}: expected {}, got {}", where, key.path, expectation(key, place),
                      node_text(node));
}

template <typename Key>
const Key* find_key(const std::vector<Key>& keys, std::string_view path) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

template <typename Key>
[[noreturn]] void unknown_key(const std::vector<Key>& keys, const std::string& path,
                              const std::string& where) {
  std::vector<std::string> known;
  known.reserve(keys.size());
  for (const Key& key : keys) known.push_back(key.path);
  const std::string nearest = nearest_name(path, known);
  if (nearest.empty())
    fail<ConfigError>("{}: unknown key '{}'; `thalweg describe config` lists all keys", where,
                      path);
  fail<ConfigError>("{}: unknown key '{}'; did you mean '{}'?", where, path, nearest);
}

std::string line_of(const std::string& source, const toml::node& node) {
  return fmt::format("{}:{}", source, node.source().begin.line);
}

void read_columns(std::vector<ColumnOptions>& columns, const toml::node& node,
                  const std::string& path, const std::string& source) {
  const toml::array* array = node.as_array();
  if (array == nullptr || !array->is_homogeneous<toml::table>())
    fail<ConfigError>("{}: {}: expected tables, each as [[{}]]", line_of(source, node), path, path);
  columns.clear();
  for (const toml::node& item : *array) {
    ColumnOptions& column = columns.emplace_back();
    for (const auto& [name, value] : *item.as_table()) {
      const ColumnKey* key = find_key(column_keys(), name.str());
      if (key == nullptr)
        unknown_key(column_keys(), std::string(name.str()), line_of(source, value));
      assign_or_fail(*key, column, value, line_of(source, value));
    }
  }
}

void read_table(RunOptions& options, const toml::table& table, const std::string& prefix,
                const std::string& source) {
  for (const auto& [name, node] : table) {
    const std::string path = prefix + std::string(name.str());
    if (path == "columns" || path == "context_columns") {
      read_columns(path == "columns" ? options.model.columns : options.model.context_columns, node,
                   path, source);
    } else if (const OptionKey* key = find_key(option_keys(), path)) {
      assign_or_fail(*key, options, node, line_of(source, node));
    } else if (const toml::table* section = node.as_table()) {
      read_table(options, *section, path + ".", source);
    } else {
      unknown_key(option_keys(), path, line_of(source, node));
    }
  }
}

/// The section of a path; empty for keys on top.
std::string_view section_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

void write_columns(std::string& text, const std::vector<ColumnOptions>& columns, const char* name) {
  for (ColumnOptions column : columns) {
    text += fmt::format("\n[[{}]]\n", name);
    for (const ColumnKey& key : column_keys())
      text += fmt::format("{} = {}\n", key.path, value_text(key.place(column)));
  }
}

}  // namespace

const std::vector<OptionKey>& option_keys() {
  using R = RunOptions;
  using P = OptionPlace;
  static const std::vector<OptionKey> keys = {
      {"seed", "of every random number of the run", [](R& r) -> P { return &r.training.seed; }, 0,
       kMany},
      {"precision",
       "of training and evaluation",
       [](R& r) -> P { return &r.training.precision; },
       0,
       0,
       {"float", "double"}},
      {"final_proposals", "proposals for the final estimate of Z of a resampled base",
       [](R& r) -> P { return &r.final_proposals; }, 2, kMany},
      {"importance_samples",
       "draws a point for the log density of a flow with random layers; 1: its lower bound",
       [](R& r) -> P { return &r.importance_samples; }, 1, 1e6},

      {"energy", "a target's energy in kT as an expression, as \"0.5*x^2 + cos(3*y)\"",
       [](R& r) -> P { return &r.target.energy; }},
      {"energy_library", "or a shared library with a C function thalweg_energy",
       [](R& r) -> P { return &r.target.energy_library; }},
      {"energy_features", "numbers of a point, where the library does not say; 0: it does",
       [](R& r) -> P { return &r.target.energy_features; }, 0, 1000000},
      {"variables", "names of the energy's columns, in order; empty: x, y, z or x0, x1, ...",
       [](R& r) -> P { return &r.target.variables; }},
      {"half_width", "of a box around 0 that holds the energy's mass, for pictures; 0: not known",
       [](R& r) -> P { return &r.target.half_width; }, 0, 1e9},

      {"data.target", "built-in target to learn, drawn from afresh for each batch",
       [](R& r) -> P { return &r.target.name; }},
      {"data.image", "or a PNG or JPEG picture: a density in the plane, dark where it is dark",
       [](R& r) -> P { return &r.target.image; }},
      {"data.image_crop", "pixels of it to take: left, top, width, height; empty: all",
       [](R& r) -> P { return &r.target.image_density.crop; }, 0, 1e8},
      {"data.image_embed", "width and height of a white sheet to centre it on; empty: none",
       [](R& r) -> P { return &r.target.image_density.embed; }, 2, 1e8},
      {"data.image_threshold", "brighter pixels become white, black being 0 and white 255",
       [](R& r) -> P { return &r.target.image_density.threshold; }, 0, 255},
      {"data.image_sigma", "deviation of a blur, in pixels",
       [](R& r) -> P { return &r.target.image_density.sigma; }, 0, 1000},
      {"data.image_centre", "where 0, 0 is, in pixels from left and bottom; empty: the middle",
       [](R& r) -> P { return &r.target.image_density.centre; }, -1e9, 1e9},
      {"data.image_scale", "pixels to a unit of length; 0: the longer side is 5 long",
       [](R& r) -> P { return &r.target.image_density.scale; }, 0, 1e9},
      {"data.samples",
       "of a built-in target to learn from, again and again; 0: fresh ones for each batch",
       [](R& r) -> P { return &r.target.samples; }, 0, kMany},
      {"data.path",
       "file of points: .npy, .csv or one entry of an array as file.npy[3]; or a folder of splits",
       [](R& r) -> P { return &r.data.path; }},
      {"data.validation", "file of rows that decide when to stop, in place of a share of data.path",
       [](R& r) -> P { return &r.data.validation; }},
      {"data.test", "file of rows for `thalweg evaluate`, in place of a share of data.path",
       [](R& r) -> P { return &r.data.test; }},
      {"data.columns", "columns to model; empty: all but the condition",
       [](R& r) -> P { return &r.data.columns; }},
      {"data.condition", "columns that the density is conditioned on",
       [](R& r) -> P { return &r.data.condition; }},
      {"data.bounds", "bounds of columns, each as \"name=lower:upper\", either side may be empty",
       [](R& r) -> P { return &r.data.bounds; }},
      {"data.periodic", "columns that wrap around, as an angle does, each as \"name=lower:upper\"",
       [](R& r) -> P { return &r.data.periodic; }},
      {"data.integers", "columns of whole numbers to dequantise, besides those found",
       [](R& r) -> P { return &r.data.integers; }},
      {"data.find_integers", "dequantise columns of whole numbers that repeat often",
       [](R& r) -> P { return &r.data.find_integers; }},
      {"data.drop_duplicates", "keep the first of equal rows",
       [](R& r) -> P { return &r.data.drop_duplicates; }},
      {"data.drop_constant", "leave out columns with a single value",
       [](R& r) -> P { return &r.data.drop_constant; }},
      {"data.validation_fraction", "share of rows that decide when to stop",
       [](R& r) -> P { return &r.data.validation_fraction; }, 0, 0.9},
      {"data.test_fraction", "share of rows kept for `thalweg evaluate`",
       [](R& r) -> P { return &r.data.test_fraction; }, 0, 0.9},

      {"model.features", "columns of a point; set by the data",
       [](R& r) -> P { return &r.model.features; }, 1, 4096},
      {"model.context_features", "columns of the condition; set by the data",
       [](R& r) -> P { return &r.model.context_features; }, 0, 4096},

      {"flow.kind",
       "real_nvp and spline couple columns; elementwise_spline serves one column; autoregressive_ "
       "kinds move each column by those before it: densities are quick, samples take a pass a "
       "column; residual is z = x + g(x); none is for layers of moves alone",
       [](R& r) -> P { return &r.model.flow.kind; },
       0,
       0,
       {"real_nvp", "spline", "elementwise_spline", "autoregressive_affine",
        "autoregressive_spline", "residual", "none"}},
      {"flow.blocks",
       "couplings, each followed by a permutation and ActNorm, or residual layers with ActNorm",
       [](R& r) -> P { return &r.model.flow.blocks; }, 1, 1000},
      {"flow.network",
       "what the conditioners are: an mlp, or residual blocks of one width, set as "
       "flow.hidden=[64]",
       [](R& r) -> P { return &r.model.flow.network; },
       0,
       0,
       {"mlp", "residual"}},
      {"flow.network_blocks", "of a residual network",
       [](R& r) -> P { return &r.model.flow.network_blocks; }, 1, 1000},
      {"flow.hidden", "widths of the conditioners' hidden layers, or of a residual layer's g",
       [](R& r) -> P { return &r.model.flow.hidden; }, 1, 65536},
      {"flow.activation",
       "of the conditioners",
       [](R& r) -> P { return &r.model.flow.activation; },
       0,
       0,
       {"relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "silu", "gelu"}},
      {"flow.scale_map",
       "how affine couplings keep their scale positive",
       [](R& r) -> P { return &r.model.flow.scale_map; },
       0,
       0,
       {"exp", "sigmoid", "tanh", "none"}},
      {"flow.permutation",
       "between couplings; lu is a learned linear map",
       [](R& r) -> P { return &r.model.flow.permutation; },
       0,
       0,
       {"swap", "reverse", "random", "lu", "none"}},
      {"flow.index_features",
       "numbers u in each block on which it depends, drawn anew for each point (CIF); 0: none",
       [](R& r) -> P { return &r.model.flow.index_features; }, 0, 4096},
      {"flow.index_hidden", "widths of the networks from and to u",
       [](R& r) -> P { return &r.model.flow.index_hidden; }, 1, 65536},
      {"flow.act_norm", "a learned scale and shift after each block, started from data",
       [](R& r) -> P { return &r.model.flow.act_norm; }},
      {"flow.dropout", "share of the conditioners' hidden values dropped in training",
       [](R& r) -> P { return &r.model.flow.dropout; }, 0, 0.95},
      {"flow.bins", "of splines", [](R& r) -> P { return &r.model.flow.bins; }, 2, 1024},
      {"flow.tail_bound", "splines are the identity beyond it",
       [](R& r) -> P { return &r.model.flow.tail_bound; }, 1e-3, 1e6},
      {"flow.lipschitz", "residual: bound on the Lipschitz constant of g; below 1",
       [](R& r) -> P { return &r.model.flow.lipschitz; }, 0.01, 0.999},
      {"flow.log_det",
       "residual: exact, or in training a series estimate; auto: exact up to 8 columns",
       [](R& r) -> P { return &r.model.flow.log_det; },
       0,
       0,
       {"auto", "exact", "series"}},

      {"base.kind",
       "distribution that the flow starts from",
       [](R& r) -> P { return &r.model.base.kind; },
       0,
       0,
       {"normal", "trainable_normal", "mixture", "resampled"}},
      {"base.components", "of a mixture", [](R& r) -> P { return &r.model.base.components; }, 1,
       10000},
      {"base.location_scale", "spread of a mixture's first locations",
       [](R& r) -> P { return &r.model.base.location_scale; }, 0, 1e6},
      {"base.hidden", "widths of the acceptance network's hidden layers",
       [](R& r) -> P { return &r.model.base.hidden; }, 1, 65536},
      {"base.dropout", "share of the acceptance network's hidden values dropped in training",
       [](R& r) -> P { return &r.model.base.dropout; }, 0, 0.95},
      {"base.truncation", "the draw of this number is always accepted; 0: no limit",
       [](R& r) -> P { return &r.model.base.truncation; }, 0, 1e6},
      {"base.average_rate", "rate of the moving average of Z",
       [](R& r) -> P { return &r.model.base.average_rate; }, 1e-9, 1},
      {"base.proposals", "fresh proposals a training step for Z",
       [](R& r) -> P { return &r.model.base.proposals; }, 1, 1e8},
      {"base.proposal",
       "what a resampled base draws from",
       [](R& r) -> P { return &r.model.base.proposal; },
       0,
       0,
       {"normal", "trainable_normal", "mixture", "flow"}},
      {"base.flow_blocks", "affine couplings of a proposal flow",
       [](R& r) -> P { return &r.model.base.flow_blocks; }, 1, 1000},
      {"base.flow_hidden", "widths of a proposal flow's hidden layers",
       [](R& r) -> P { return &r.model.base.flow_hidden; }, 1, 65536},
      {"base.conditional",
       "what depends on the class that the condition names; proposal is mean and scale",
       [](R& r) -> P { return &r.model.base.conditional; },
       0,
       0,
       {"none", "proposal", "acceptance", "both"}},
      {"base.classes", "conditions that name a class, one after the other; set by the data",
       [](R& r) -> P { return &r.model.base.classes; }},

      {"stochastic.kind",
       "random moves after the blocks, taken in turn: metropolis, langevin, inertial, mala, hmc; "
       "empty: none",
       [](R& r) -> P { return &r.model.stochastic.kinds; }},
      {"stochastic.every", "a layer of moves after so many blocks",
       [](R& r) -> P { return &r.model.stochastic.every; }, 1, 1000},
      {"stochastic.energy",
       "what they move by; interpolation is between the base's energy and the target's",
       [](R& r) -> P { return &r.model.stochastic.energy; },
       0,
       0,
       {"interpolation", "target", "learned"}},
      {"stochastic.lambda",
       "interpolation: weight of the target in each layer; empty: evenly from 0 to 1",
       [](R& r) -> P { return &r.model.stochastic.lambda; }, 0, 1},
      {"stochastic.prior_layer", "one more layer, first, by the base's energy",
       [](R& r) -> P { return &r.model.stochastic.prior_layer; }},
      {"stochastic.steps", "moves a layer",
       [](R& r) -> P { return &r.model.stochastic.moves.steps; }, 1, 100000},
      {"stochastic.step_size",
       "of a move, in the coordinates inside of the model: deviation of a metropolis proposal, "
       "time step of the others",
       [](R& r) -> P { return &r.model.stochastic.moves.step_size; }, 1e-9, 1e6},
      {"stochastic.last_step_size",
       "of a layer's last move, with equal factors on the way; 0: step_size",
       [](R& r) -> P { return &r.model.stochastic.moves.last_step_size; }, 0, 1e6},
      {"stochastic.trainable", "learn the step sizes",
       [](R& r) -> P { return &r.model.stochastic.moves.trainable; }},
      {"stochastic.leapfrog_steps", "hmc: of each move",
       [](R& r) -> P { return &r.model.stochastic.moves.leapfrog_steps; }, 1, 100000},
      {"stochastic.friction", "inertial: per unit of time",
       [](R& r) -> P { return &r.model.stochastic.moves.friction; }, 0, 1e6},

      {"training.iterations", "steps in all", [](R& r) -> P { return &r.training.iterations; }, 0,
       1e9},
      {"training.batch_size", "points a step", [](R& r) -> P { return &r.training.batch_size; }, 1,
       1e8},
      {"training.optimizer",
       "adamw takes weight decay off the weights, the others add it to the gradient",
       [](R& r) -> P { return &r.training.optimizer; },
       0,
       0,
       {"adam", "adamw", "adamax"}},
      {"training.learning_rate", "of the optimizer",
       [](R& r) -> P { return &r.training.learning_rate; }, 1e-12, 100},
      {"training.weight_decay", "pull of the weights towards 0",
       [](R& r) -> P { return &r.training.weight_decay; }, 0, 100},
      {"training.beta1", "memory of the gradient's mean",
       [](R& r) -> P { return &r.training.beta1; }, 0, 0.999999},
      {"training.beta2", "memory of the gradient's square",
       [](R& r) -> P { return &r.training.beta2; }, 0, 0.9999999},
      {"training.epsilon", "keeps the optimizer's quotient finite",
       [](R& r) -> P { return &r.training.epsilon; }, 1e-30, 1},
      {"training.schedule",
       "of the learning rate",
       [](R& r) -> P { return &r.training.schedule; },
       0,
       0,
       {"constant", "step", "exponential", "cosine", "one_cycle"}},
      {"training.warm_up", "steps over which the learning rate grows at first",
       [](R& r) -> P { return &r.training.warm_up; }, 0, 1e9},
      {"training.decay_factor", "step and exponential schedules: factor a decay",
       [](R& r) -> P { return &r.training.decay_factor; }, 1e-9, 1},
      {"training.decay_every", "step and exponential schedules: steps a decay",
       [](R& r) -> P { return &r.training.decay_every; }, 1, 1e9},
      {"training.milestones", "step schedule: when to decay, in place of decay_every",
       [](R& r) -> P { return &r.training.milestones; }, 0, 1e9},
      {"training.final_factor", "cosine and one_cycle: the last factor on the learning rate",
       [](R& r) -> P { return &r.training.final_factor; }, 0, 1},
      {"training.clip_norm", "longer gradients are scaled down to this norm; 0: never",
       [](R& r) -> P { return &r.training.clip_norm; }, 0, 1e12},
      {"training.weight_average",
       "decay of the average of the weights that is handed over; 0: no average",
       [](R& r) -> P { return &r.training.weight_average; }, 0, 0.9999999},
      {"training.validation_interval", "steps between validations",
       [](R& r) -> P { return &r.training.validation_interval; }, 1, 1e9},
      {"training.patience", "stop after so many validations without a new best; 0: never",
       [](R& r) -> P { return &r.training.patience; }, 0, 1e9},
      {"training.checkpoint_interval", "steps between checkpoints; 0: none but at the end",
       [](R& r) -> P { return &r.training.checkpoint_interval; }, 0, 1e9},
      {"training.max_bad_steps", "steps in a row that may be skipped since they are not finite",
       [](R& r) -> P { return &r.training.max_bad_steps; }, 0, 1e9},
      {"training.time_budget", "seconds that a call of train may take; 0: no limit",
       [](R& r) -> P { return &r.training.time_budget; }, 0, 1e9},
      {"training.objective",
       "maximum_likelihood of points, reverse_kl: from the target's energy alone, or mixed of both",
       [](R& r) -> P { return &r.training.objective; },
       -kAny,
       kAny,
       {"maximum_likelihood", "reverse_kl", "mixed"}},
      {"training.likelihood_weight", "mixed: weight of the likelihood; the rest is reverse_kl's",
       [](R& r) -> P { return &r.training.likelihood_weight; }, 0, 1},
      {"training.likelihood_steps", "mixed: so many first steps by maximum likelihood alone",
       [](R& r) -> P { return &r.training.likelihood_steps; }, 0, 1e9},
      {"training.annealing_start", "reverse_kl: factor on the target's log density at first",
       [](R& r) -> P { return &r.training.annealing_start; }, 1e-9, 1},
      {"training.annealing_steps",
       "reverse_kl: steps after which that factor has grown by 1; 0: it is 1 all along",
       [](R& r) -> P { return &r.training.annealing_steps; }, 0, 1e9},
      {"training.rejection_weight",
       "this times Z of a resampled base is taken off the loss: more means fewer rejections",
       [](R& r) -> P { return &r.training.rejection_weight; }, 0, 1e9},
      {"training.initialise_from_data", "start ActNorm from the first samples",
       [](R& r) -> P { return &r.training.initialise_from_data; }},
  };
  return keys;
}

void read_options(RunOptions& options, std::string_view text, const std::string& source) {
  read_table(options, parse_toml(text, source), "", source);
}

void set_option(RunOptions& options, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos)
    fail<ConfigError>("--set {}: expected key=value, as training.batch_size=512", assignment);
  const auto trim = [](std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    return std::string(text);
  };
  const std::string path = trim(assignment.substr(0, equals));
  const std::string value = trim(assignment.substr(equals + 1));
  const std::string where = "--set";
  const OptionKey* key = find_key(option_keys(), path);
  if (key == nullptr) unknown_key(option_keys(), path, where);
  const OptionPlace place = key->place(options);
  std::string text = value;
  const char first = value.empty() ? '\0' : value.front();
  if (std::holds_alternative<std::string*>(place)) {
    if (first != '"' && first != '\'') text = quoted(value);
  } else if (std::holds_alternative<std::vector<std::int64_t>*>(place) ||
             std::holds_alternative<std::vector<double>*>(place)) {
    if (first != '[') text = fmt::format("[{}]", value);
  } else if (std::holds_alternative<std::vector<std::string>*>(place) && first != '[') {
    std::vector<std::string> parts;
    for (std::size_t begin = 0; begin <= value.size() && !value.empty();) {
      const std::size_t comma = std::min(value.find(',', begin), value.size());
      parts.push_back(quoted(trim(std::string_view(value).substr(begin, comma - begin))));
      begin = comma + 1;
    }
    text = fmt::format("[{}]", fmt::join(parts, ", "));
  }
  toml::table table;
  try {
    table = toml::parse(fmt::format("value = {}", text));
  } catch (const toml::parse_error&) {
    fail<ConfigError>("{}: {}: expected {}, got '{}'", where, path, expectation(*key, place),
                      value);
  }
  assign_or_fail(*key, options, *table.get("value"), where);
}

std::string write_options(const RunOptions& options) {
  RunOptions copy = options;
  std::string text = "# Every setting of this run; `thalweg describe config` says more of each.\n";
  std::string_view section;
  for (const OptionKey& key : option_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      text += fmt::format("\n[{}]\n", section);
    }
    const std::string line =
        fmt::format("{} = {}", key.path.substr(section.empty() ? 0 : section.size() + 1),
                    value_text(key.place(copy)));
    text += fmt::format("{:<32}  # {}\n", line, key.summary);
  }
  write_columns(text, options.model.columns, "columns");
  write_columns(text, options.model.context_columns, "context_columns");
  return text;
}

std::string describe_options(std::string_view section) {
  RunOptions defaults;
  std::string text;
  for (const OptionKey& key : option_keys()) {
    if (!section.empty() &&
        !(std::string_view(key.path).starts_with(section) &&
          (key.path.size() == section.size() || key.path[section.size()] == '.')))
      continue;
    const OptionPlace place = key.place(defaults);
    text += fmt::format("  {:<28} {}\n  {:<28} {}; default {}\n", key.path, key.summary, "",
                        expectation(key, place), value_text(place));
  }
  return text;
}

}  // namespace thalweg

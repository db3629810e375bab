#include "thalweg/runs/experiment.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/input_file.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/runs/experiment_pictures.h"
#include "thalweg/runs/toml_text.h"

namespace thalweg {

namespace {

/// Reads the keys of one TOML table and refuses those that nobody asked for.
class Keys {
 public:
  Keys(const toml::table& table, std::string where) : table_(table), where_(std::move(where)) {}

  std::string text(const std::string& key, bool required = false) {
    const toml::node* node = find(key, required);
    if (node == nullptr) return "";
    const auto value = node->value<std::string>();
    if (!value) fail<ConfigError>("{}: {}: expected a text", where_, key);
    return *value;
  }

  /// Sets a number if the key is there.
  void read(const std::string& key, std::int64_t& number) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return;
    const auto value = node->value<std::int64_t>();
    if (!value || *value < 1)
      fail<ConfigError>("{}: {}: expected a whole number of at least 1", where_, key);
    number = *value;
  }

  void read(const std::string& key, double& number) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return;
    if (!node->is_number()) fail<ConfigError>("{}: {}: expected a number", where_, key);
    number = *node->value<double>();
  }

  std::vector<std::string> texts(const std::string& key) {
    std::vector<std::string> result;
    for_each(key, [&](const toml::node& node) {
      const auto value = node.value<std::string>();
      if (!value) fail<ConfigError>("{}: {}: expected texts", where_, key);
      result.push_back(*value);
    });
    return result;
  }

  /// A number, or a pair of a number and its error; "" where none was published.
  Published published_entry(const std::string& key, const toml::node& node) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const toml::array* pair = node.as_array();
    if (pair == nullptr && node.is_number()) return {*node.value<double>(), 0.0};
    if (pair == nullptr && node.value<std::string>() == "") return {kNone, 0.0};
    if (pair == nullptr || pair->size() != 2 || !pair->get(0)->is_number() ||
        !pair->get(1)->is_number())
      fail<ConfigError>(
          "{}: {}: expected numbers, [value, error], or \"\" where none was published", where_,
          key);
    return {*pair->get(0)->value<double>(), *pair->get(1)->value<double>()};
  }

  /// A list of them.
  std::vector<Published> published(const std::string& key) {
    std::vector<Published> result;
    for_each(key, [&](const toml::node& node) { result.push_back(published_entry(key, node)); });
    return result;
  }

  /// Lists of what published() reads.
  std::vector<std::vector<Published>> published_lists(const std::string& key) {
    std::vector<std::vector<Published>> result;
    for_each(key, [&](const toml::node& node) {
      const toml::array* list = node.as_array();
      if (list == nullptr) fail<ConfigError>("{}: {}: expected lists of numbers", where_, key);
      std::vector<Published>& entries = result.emplace_back();
      for (const toml::node& entry : *list) entries.push_back(published_entry(key, entry));
    });
    return result;
  }

  /// A table of numbers, or pairs of a number and its error.
  std::vector<KnownValue> known(const std::string& key) {
    std::vector<KnownValue> result;
    const toml::node* node = find(key, false);
    if (node == nullptr) return result;
    const toml::table* values = node->as_table();
    if (values == nullptr) fail<ConfigError>("{}: {}: expected a table", where_, key);
    for (const auto& [name, entry] : *values) {
      const toml::array* pair = entry.as_array();
      const bool fits = pair == nullptr ? entry.is_number()
                                        : pair->size() == 2 && pair->get(0)->is_number() &&
                                              pair->get(1)->is_number();
      if (!fits)
        fail<ConfigError>("{}: {}: {}: expected a number or [value, error]", where_, key,
                          name.str());
      KnownValue value{std::string(name.str()), 0.0, 0.0};
      value.value = *(pair == nullptr ? entry.value<double>() : pair->get(0)->value<double>());
      if (pair != nullptr) value.error = *pair->get(1)->value<double>();
      result.push_back(std::move(value));
    }
    return result;
  }

  bool flag(const std::string& key) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return false;
    if (!node->is_boolean()) fail<ConfigError>("{}: {}: expected true or false", where_, key);
    return *node->value<bool>();
  }

  /// A table within, as TOML.
  std::string settings(const std::string& key) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return "";
    if (!node->is_table()) fail<ConfigError>("{}: {}: expected a table", where_, key);
    std::ostringstream text;
    text << toml::toml_formatter(*node->as_table());
    return text.str();
  }

  /// The keys of a table within, if there is one.
  template <typename Function>
  void table(const std::string& key, const Function& function) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return;
    if (!node->is_table()) fail<ConfigError>("{}: {}: expected a table", where_, key);
    Keys keys(*node->as_table(), fmt::format("{}: {}", where_, key));
    function(keys);
    keys.finish();
  }

  template <typename Function>
  void tables(const std::string& key, const Function& function) {
    for_each(key, [&](const toml::node& node) {
      if (!node.is_table()) fail<ConfigError>("{}: {}: expected tables", where_, key);
      Keys keys(*node.as_table(), fmt::format("{}: {}", where_, key));
      function(keys);
      keys.finish();
    });
  }

  void finish() const {
    for (const auto& [key, node] : table_) {
      const std::string name(key.str());
      if (std::find(known_.begin(), known_.end(), name) == known_.end())
        fail<ConfigError>("{}: unknown key '{}'{}", where_, name, name_hint(name, known_));
    }
  }

 private:
  const toml::node* find(const std::string& key, bool required) {
    known_.push_back(key);
    const toml::node* node = table_.get(key);
    if (node == nullptr && required) fail<ConfigError>("{}: lacks the key '{}'", where_, key);
    return node;
  }

  template <typename Function>
  void for_each(const std::string& key, const Function& function) {
    const toml::node* node = find(key, false);
    if (node == nullptr) return;
    if (!node->is_array()) fail<ConfigError>("{}: {}: expected a list", where_, key);
    for (const toml::node& element : *node->as_array()) function(element);
  }

  const toml::table& table_;
  std::string where_;
  std::vector<std::string> known_;
};

ExperimentPart read_part(Keys& keys) {
  ExperimentPart part;
  part.key = keys.text("key", true);
  part.name = keys.text("name", true);
  part.settings = keys.settings("settings");
  part.data = keys.text("data");
  part.published = keys.published("published");
  part.published_metrics = keys.published_lists("published_metrics");
  part.known = keys.known("truth");
  part.sampler = keys.text("sampler");
  part.run = keys.text("run");
  part.published_only = keys.flag("published_only");
  return part;
}

const ExperimentPart* find_part(const std::vector<ExperimentPart>& parts, const std::string& key) {
  const auto found = std::find_if(parts.begin(), parts.end(),
                                  [&](const ExperimentPart& part) { return part.key == key; });
  return found == parts.end() ? nullptr : &*found;
}

void check(const Experiment& experiment) {
  if (const auto& dynamics = experiment.dynamics;
      dynamics && (dynamics->frame_every < 1 || dynamics->steps < dynamics->frame_every))
    fail<ConfigError>(
        "{}: dynamics: expected frame_every of at least 1 and as many steps, got {} and {}",
        experiment.name, dynamics->frame_every, dynamics->steps);
  for (const ExperimentPart& row : experiment.rows)
    if (!row.published.empty() && row.published.size() != experiment.columns.size())
      fail<ConfigError>("{}: row '{}': expected {} published values, got {}", experiment.name,
                        row.key, experiment.columns.size(), row.published.size());
  for (const ExperimentPart& row : experiment.rows)
    if (!row.published_metrics.empty() && row.published_metrics.size() != experiment.columns.size())
      fail<ConfigError>("{}: row '{}': expected {} lists of published metrics, got {}",
                        experiment.name, row.key, experiment.columns.size(),
                        row.published_metrics.size());
  std::vector<std::string> known;
  for (const ExperimentPart& column : experiment.columns) known.push_back(column.key);
  const auto want_column = [&](const std::string& key) {
    if (find_part(experiment.columns, key) == nullptr)
      fail<ConfigError>("{}: unknown column '{}'{}", experiment.name, key, name_hint(key, known));
  };
  for (const ExperimentPart& column : experiment.columns) {
    const std::size_t metrics =
        experiment.tables.empty() ? 0 : experiment.tables.front().metrics.size();
    if (!column.published.empty() && column.published.size() != metrics)
      fail<ConfigError>(
          "{}: column '{}': expected {} published values, as the first table has, got "
          "{}",
          experiment.name, column.key, metrics, column.published.size());
  }
  if (!experiment.computed.empty()) find_computed_kind(experiment.computed, experiment.name);
  if (experiment.better != "lower" && experiment.better != "higher")
    fail<ConfigError>("{}: better: expected lower or higher, got '{}'", experiment.name,
                      experiment.better);
  if (experiment.spread != "error" && experiment.spread != "deviation")
    fail<ConfigError>("{}: spread: expected error or deviation, got '{}'", experiment.name,
                      experiment.spread);
  if (!experiment.truth.empty() && !experiment.profile && !experiment.samplers &&
      !experiment.histogram && !experiment.dynamics)
    fail<ConfigError>(
        "{}: truth: expected a table [profile], [samplers], [histogram] or [dynamics] besides",
        experiment.name);
  for (const ExperimentPart& column : experiment.columns)
    if (!column.sampler.empty() && !experiment.samplers)
      fail<ConfigError>("{}: column '{}': a sampler needs a table [samplers]", experiment.name,
                        column.key);
  for (const Comparison& comparison : experiment.comparisons) {
    want_column(comparison.from);
    want_column(comparison.to);
  }
  for (const ExperimentPicture& picture : experiment.pictures) {
    const std::string where = experiment.name + ": pictures";
    const PictureKind& kind = find_picture_kind(picture.kind, where);
    for (const std::string& column : picture.columns) want_column(column);
    for (const std::string& row : picture.rows)
      if (find_part(experiment.rows, row) == nullptr)
        fail<ConfigError>("{}: pictures: unknown row '{}'", experiment.name, row);
    if (!kind.has_needs(experiment, picture))
      fail<ConfigError>("{}: {} need {}", where, kind.name, kind.needs);
  }
}

/// The keys that pictures show; empty if one of them shows all.
std::vector<std::string> keys_of_all(const std::vector<ExperimentPicture>& pictures,
                                     std::vector<std::string> ExperimentPicture::*keys) {
  std::vector<std::string> result;
  for (const ExperimentPicture& picture : pictures) {
    if ((picture.*keys).empty()) return {};
    result.insert(result.end(), (picture.*keys).begin(), (picture.*keys).end());
  }
  return result;
}

/// Whether each of the parts is wanted; throws ConfigError for unknown keys.
std::vector<bool> kept(const std::vector<ExperimentPart>& parts,
                       const std::vector<std::string>& keys, const char* what) {
  std::vector<std::string> known;
  std::vector<bool> result;
  for (const ExperimentPart& part : parts) {
    known.push_back(part.key);
    result.push_back(keys.empty() || std::find(keys.begin(), keys.end(), part.key) != keys.end());
  }
  for (const std::string& key : keys)
    if (find_part(parts, key) == nullptr)
      fail<ConfigError>("unknown {} '{}'{}", what, key, name_hint(key, known));
  return result;
}

/// Leaves the elements that are kept; an empty list stays so.
template <typename Element>
void pick(std::vector<Element>& list, const std::vector<bool>& keep) {
  std::vector<Element> all = std::exchange(list, {});
  for (std::size_t i = 0; i < all.size(); ++i)
    if (keep[i]) list.push_back(std::move(all[i]));
}

}  // namespace

void keep_rows(Experiment& experiment, const std::vector<std::string>& keys) {
  pick(experiment.rows, kept(experiment.rows, keys, "row"));
}

void keep_columns(Experiment& experiment, const std::vector<std::string>& keys) {
  const std::vector<bool> keep = kept(experiment.columns, keys, "column");
  pick(experiment.columns, keep);
  for (ExperimentPart& row : experiment.rows) {
    pick(row.published, keep);
    pick(row.published_metrics, keep);
  }
  std::erase_if(experiment.comparisons, [&](const Comparison& comparison) {
    return find_part(experiment.columns, comparison.from) == nullptr ||
           find_part(experiment.columns, comparison.to) == nullptr;
  });
}

Experiment read_experiment(std::string_view name, std::string_view text) {
  const toml::table table = parse_toml(text, std::string(name));
  Experiment result;
  result.name = name;
  Keys keys(table, result.name);
  result.title = keys.text("title", true);
  result.source = keys.text("source");
  result.of = keys.text("of");
  result.computed = keys.text("computed");
  result.metric = keys.text("metric");
  result.metric_label = keys.text("metric_label");
  result.published_metric = keys.text("published_metric");
  result.published_floor = keys.text("published_floor");
  result.better = keys.text("better");
  result.also = keys.texts("also");
  result.compare = keys.texts("compare");
  if (const std::string spread = keys.text("spread"); !spread.empty()) result.spread = spread;
  result.truth = keys.text("truth");
  keys.tables("tables", [&](Keys& part) {
    result.tables.push_back({part.text("caption", true), part.texts("metrics")});
  });
  keys.table("profile", [&](Keys& part) {
    ProfileRequest& profile = result.profile.emplace();
    part.read("repeats", profile.repeats);
    part.read("samples", profile.samples);
    part.read("bins", profile.bins);
    part.read("lower", profile.lower);
    part.read("upper", profile.upper);
    part.read("limit", profile.limit);
  });
  keys.table("samplers", [&](Keys& part) {
    SamplerRequest& samplers = result.samplers.emplace();
    part.read("samples", samplers.samples);
    part.read("chains", samplers.chains);
    part.read("burn_in", samplers.burn_in);
    part.read("thinning", samplers.thinning);
    part.read("local_probability", samplers.local_probability);
    part.read("step_size", samplers.step_size);
    part.read("mass", samplers.mass);
  });
  keys.table("histogram", [&](Keys& part) {
    HistogramRequest& histogram = result.histogram.emplace();
    part.read("samples", histogram.samples);
    part.read("bins", histogram.bins);
  });
  keys.table("dynamics", [&](Keys& part) {
    DynamicsRequest& dynamics = result.dynamics.emplace();
    part.read("walkers", dynamics.walkers);
    part.read("equilibration", dynamics.equilibration);
    part.read("steps", dynamics.steps);
    part.read("frame_every", dynamics.frame_every);
    part.read("time_step", dynamics.time_step);
    part.read("friction", dynamics.friction);
  });
  for (const char* judge : {"profile", "samplers", "histogram", "dynamics"})
    result.judging += keys.settings(judge) + "\n";
  keys.read("seeds", result.seeds);
  result.defaults = keys.flag("defaults");
  result.notes = keys.texts("notes");
  result.settings = keys.settings("settings");
  keys.tables("rows", [&](Keys& part) { result.rows.push_back(read_part(part)); });
  keys.tables("columns", [&](Keys& part) { result.columns.push_back(read_part(part)); });
  keys.tables("comparisons", [&](Keys& part) {
    result.comparisons.push_back({part.text("from", true), part.text("to", true)});
  });
  keys.tables("pictures", [&](Keys& part) {
    result.pictures.push_back({part.text("kind", true), part.text("title", true),
                               part.texts("columns"), part.text("x"), part.texts("y"),
                               part.texts("rows")});
  });
  keys.finish();
  if (!result.of.empty()) return result;
  if (result.rows.empty() || result.columns.empty() || result.metric.empty())
    fail<ConfigError>("{}: expected rows, columns and a metric", name);
  if (result.better.empty()) result.better = "lower";
  check(result);
  return result;
}

Experiment find_experiment(const std::string& name) {
  std::vector<std::string> known;
  Experiment experiment;
  for (const ExperimentFile& file : experiment_files()) {
    known.emplace_back(file.name);
    if (name == file.name) experiment = read_experiment(name, file.text);
  }
  if (experiment.name.empty()) {
    if (!name.ends_with(".toml") || !std::filesystem::exists(name))
      fail<ConfigError>("'{}' is neither a built-in experiment nor an experiment file{}", name,
                        name_hint(name, known));
    experiment = read_experiment(std::filesystem::path(name).stem().string(), read_file(name));
  }
  if (experiment.of.empty()) return experiment;
  Experiment runs = find_experiment(experiment.of);
  runs.name = experiment.name;
  runs.of = experiment.of;
  runs.title = experiment.title;
  runs.source = experiment.source;
  runs.notes = experiment.notes;
  runs.pictures = experiment.pictures;
  if (!runs.pictures.empty()) runs.seeds = 1;  // of which one is drawn
  keep_rows(runs, keys_of_all(runs.pictures, &ExperimentPicture::rows));
  keep_columns(runs, keys_of_all(runs.pictures, &ExperimentPicture::columns));
  check(runs);
  return runs;
}

namespace {

RunOptions read_settings(const Experiment& experiment, const ExperimentPart& row,
                         const ExperimentPart& column, std::set<std::string>* keys) {
  RunOptions options;
  read_options(options, experiment.settings, experiment.name + ": settings", keys);
  read_options(options, row.settings, experiment.name + ": row " + row.key, keys);
  read_options(options, column.settings, experiment.name + ": column " + column.key, keys);
  return options;
}

}  // namespace

std::set<std::string> experiment_keys(const Experiment& experiment, const ExperimentPart& row,
                                      const ExperimentPart& column) {
  std::set<std::string> keys;
  read_settings(experiment, row, column, &keys);
  return keys;
}

void scale_training(TrainingOptions& training, double scale) {
  const auto shorten = [&](std::int64_t& steps) {
    if (steps > 0)
      steps = std::max<std::int64_t>(1, std::llround(scale * static_cast<double>(steps)));
  };
  shorten(training.iterations);
  shorten(training.warm_up);
  shorten(training.decay_every);
  shorten(training.annealing_steps);
  shorten(training.likelihood_steps);
  shorten(training.reconstruction_steps);
  for (std::int64_t& milestone : training.milestones) shorten(milestone);
}

RunOptions experiment_options(const Experiment& experiment, const ExperimentPart& row,
                              const ExperimentPart& column, std::int64_t seed, double scale) {
  RunOptions options = read_settings(experiment, row, column, nullptr);
  scale_training(options.training, scale);
  options.training.seed = seed;
  return options;
}

}  // namespace thalweg

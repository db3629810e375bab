#include "thalweg/runs/unused_settings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "thalweg/flows/base_kinds.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/nn/network_kinds.h"
#include "thalweg/objectives/kinds.h"
#include "thalweg/runs/exploration_start.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/option_text.h"
#include "thalweg/runs/target_options.h"
#include "thalweg/stochastic/stochastic_layer.h"
#include "thalweg/training/schedule.h"

namespace thalweg {
namespace {

const std::set<std::string> kOfTables = {
    "data.weights",       "data.forces",        "data.header",
    "data.kinds",         "data.missing",       "data.drop_duplicates",
    "data.drop_missing",  "data.drop_constant", "data.find_kinds",
    "data.find_derived",  "data.find_integers", "data.marginal_maps",
    "data.validation",    "data.test",          "data.validation_fraction",
    "data.integers",      "data.particles",     "data.species",
    "data.test_fraction", "data.block_rows"};

/// A choice among kinds, each of which reads settings.
class Choice {
 public:
  template <typename Row>
  Choice(std::string key, const KindTable<Row>& table, std::vector<std::string> chosen)
      : key_(std::move(key)), chosen_(std::move(chosen)) {
    for (const Row& row : table.rows())
      for (const std::string& setting : row.settings) readers_[setting].push_back(row.name);
  }

  bool knows(const std::string& setting) const { return readers_.contains(setting); }
  bool reads(const std::string& setting) const {
    const auto found = readers_.find(setting);
    return found != readers_.end() && std::ranges::any_of(chosen_, [&](const std::string& name) {
             return std::ranges::find(found->second, name) != found->second.end();
           });
  }
  /// Which choice would read it.
  std::string wanted(const std::string& setting) const {
    return fmt::format("{} = {}, and it is {}", key_, fmt::join(readers_.at(setting), " or "),
                       chosen_.empty() ? "none" : fmt::format("{}", fmt::join(chosen_, ", ")));
  }

 private:
  std::string key_;
  std::vector<std::string> chosen_;
  std::map<std::string, std::vector<std::string>> readers_;
};

class Readers {
 public:
  explicit Readers(const RunOptions& options) : options_(options) {
    const ModelOptions& model = options.model;
    const FlowOptions& flow = model.flow;
    flow_ = &choices_.emplace_back("flow.kind", block_kinds(), Names{flow.kind});
    network_ = &choices_.emplace_back("flow.network", network_kinds(), Names{flow.network});
    Names bases = {model.base.kind};
    if (model.base.kind == "resampled") bases.push_back(model.base.proposal);
    choices_.emplace_back("base.kind", base_kinds(), bases);
    choices_.emplace_back("stochastic.kind", stochastic_kinds(), model.stochastic.kinds);
    choices_.emplace_back("training.objective", objective_kinds(),
                          Names{options.training.objective});
    choices_.emplace_back("training.schedule", schedule_kinds(), Names{options.training.schedule});
  }

  /// What would read a setting that nothing reads; empty where something does.
  std::string missing(const std::string& setting) const {
    if (setting.starts_with("particles.") && !is_particles())
      return "a built-in target of particles, and there is none";
    if (setting.starts_with("exploration.") && !explores(options_) &&
        setting != "exploration.evaluations")
      return "the exploration of an energy, and there is none";
    if (setting.starts_with("molecule.") && options_.target.system.empty() &&
        !is_molecule(options_))
      return "a molecule, and there is none";
    if (setting.starts_with("data.image_") && options_.target.image.empty())
      return "a picture, data.image, and there is none";
    if (setting.starts_with("stochastic.") && setting != "stochastic.kind" &&
        options_.model.stochastic.kinds.empty())
      return "random layers, stochastic.kind, and there are none";
    if (setting.starts_with("constants") && options_.target.energy.empty())
      return "an energy that is an expression, and there is none";
    if (kOfTables.contains(setting) && options_.data.path.empty())
      return "a table, data.path, and there is none";
    if (setting == "flow.index_hidden" && options_.model.flow.index_features == 0)
      return "flow.index_features, and there are none";
    if (is_read(setting)) return {};
    std::vector<std::string> wanted;
    for (const Choice& choice : choices_)
      if (choice.knows(setting) && !choice.reads(setting)) wanted.push_back(choice.wanted(setting));
    return fmt::format("{}", fmt::join(wanted, "; or by "));
  }

 private:
  using Names = std::vector<std::string>;

  bool is_particles() const {
    const std::string& name = options_.target.name;
    return !name.empty() && is_particle_target(name);
  }

  bool is_read(const std::string& setting) const {
    const FlowOptions& flow = options_.model.flow;
    // The flows of a stack, and heads, read what splines and networks do.
    if (setting.starts_with("flow.") && (flow.heads || options_.model.base.kind == "stack"))
      return true;
    if (setting == "flow.activation" && flow.index_features > 0) return true;
    // Any base may depend on a class; those that cannot are refused.
    if (setting == "base.conditional") return true;
    bool known = false;
    for (const Choice& choice : choices_) {
      // What a flow with a choice of networks reads of them is the network's to say, and a network
      // says nothing where there is none.
      const bool speaks = &choice == flow_      ? !(has_network() && network_->knows(setting))
                          : &choice == network_ ? has_network()
                                                : true;
      if (speaks && choice.reads(setting)) return true;
      known = known || choice.knows(setting);
    }
    return !known;
  }

  bool has_network() const { return flow_->reads("flow.network"); }

  const RunOptions& options_;
  std::deque<Choice> choices_;
  const Choice *flow_ = nullptr, *network_ = nullptr;
};

}  // namespace

std::vector<std::string> unused_settings(const RunOptions& options,
                                         const std::set<std::string>& keys) {
  RunOptions chosen = options, plain;
  const Readers readers(options);
  std::vector<std::string> sentences;
  for (const OptionKey& key : option_keys()) {
    if (!keys.contains(key.path)) continue;
    const OptionPlace place = key.place(chosen), none = key.place(plain);
    const bool same =
        std::visit([&](auto* value) { return *value == *std::get<decltype(value)>(none); }, place);
    if (same) continue;
    if (const std::string missing = readers.missing(key.path); !missing.empty())
      sentences.push_back(fmt::format("{} = {} has no effect: it is read by {}", key.path,
                                      value_text(place), missing));
  }
  return sentences;
}

}  // namespace thalweg

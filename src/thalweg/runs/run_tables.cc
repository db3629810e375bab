#include "thalweg/runs/run_tables.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/objectives/kinds.h"
#include "thalweg/report/progress.h"

namespace thalweg {

namespace {

/// What the metrics of a group say; groups stand in this order.
struct GroupCaption {
  const char* group;
  const char* caption;
};
constexpr GroupCaption kGroups[] = {
    {"fit", "The model; log likelihoods are means over points that were not learnt from, in nats."},
    {"stack",
     "Densities that the model is a stack of: the weight of each, and its log likelihood over rows "
     "that it was not fitted to."},
    {"free_form", "Densities of the free-form flow, and how far its networks invert each other."},
    {"weights", "Samples of the model, weighted to the target."},
    {"exploration", "Beside an independent exploration of the energy."},
    {"samples", "Samples of the model beside exact ones."},
    {"particles", "Particles of its samples beside those of held-out rows."},
    {"molecule", "Configurations of its samples beside those of held-out frames."},
    {"forces", "Forces, slopes of the log density, beside those that are to be."},
    {"grid", "The density on a grid."},
    {"", ""},
};

const Metric* find_metric(const std::vector<Metric>& metrics, const std::string& name) {
  const auto found = std::find_if(metrics.begin(), metrics.end(),
                                  [&](const Metric& metric) { return metric.name == name; });
  return found == metrics.end() ? nullptr : &*found;
}

std::string metric_cell(const Metric* metric) {
  if (metric == nullptr) return "-";
  if (std::isnan(metric->error)) return cell_text(metric->value, 0.0) + " (not reliable)";
  // Few decimals are what a metric asks for, as a count does.
  if (metric->error == 0.0 && metric->decimals < 4)
    return number_text(metric->value, metric->decimals);
  return cell_text(metric->value, metric->error);
}

/// Of all runs, each name once, in the order in which they come.
std::vector<const Metric*> distinct_metrics(const std::vector<std::vector<Metric>>& metrics) {
  std::vector<const Metric*> distinct;
  for (const std::vector<Metric>& of_run : metrics)
    for (const Metric& metric : of_run)
      if (std::none_of(distinct.begin(), distinct.end(),
                       [&](const Metric* known) { return known->name == metric.name; }))
        distinct.push_back(&metric);
  return distinct;
}

std::string flow_text(const FlowOptions& flow) {
  if (flow.kind == "none") return flow.heads ? "column heads" : "none";
  return fmt::format("{}, {} blocks{}", flow.kind, flow.blocks,
                     flow.heads ? ", and column heads" : "");
}

}  // namespace

std::string source_name(const RunOptions& options) {
  const TargetOptions& target = options.target;
  const auto file = [](const std::string& path) {
    return std::filesystem::path(path).filename().string();
  };
  if (!options.data.path.empty()) return file(options.data.path);
  if (!target.image.empty()) return file(target.image);
  if (!target.energy_library.empty()) return file(target.energy_library);
  constexpr std::size_t kShown = 100;  // characters of an expression
  std::string name = target.name + target.energy + target.energy_function;
  if (target.name.empty() && name.size() > kShown) name = name.substr(0, kShown) + "...";
  if (!target.name.empty()) std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string learnt_from(const RunOptions& options) {
  const ObjectiveKind& objective =
      objective_kinds().find("training.objective", options.training.objective);
  const std::string name = source_name(options);
  if (!objective.needs_rows)
    return (options.target.energy.empty() ? "the energy of " : "the energy ") + name;
  const bool table = !options.data.path.empty();
  std::string text = (table ? "the points of " : "samples of ") + name;
  if (!options.data.forces.empty())
    text += fmt::format(" and the forces of {}",
                        std::filesystem::path(options.data.forces).filename().string());
  else if (objective.needs_target)
    text += table ? " and an energy" : " and its energy";
  return text;
}

std::vector<TextTable> metrics_tables(const std::vector<std::string>& names,
                                      const std::vector<std::vector<Metric>>& metrics) {
  const std::vector<const Metric*> all = distinct_metrics(metrics);
  std::vector<TextTable> tables;
  for (const auto& [group, caption] : kGroups) {
    // An energy has no points to be judged by.
    const bool judged = std::ranges::any_of(
        all, [](const Metric* metric) { return metric->name == "log_likelihood"; });
    const bool plain = group == std::string_view("fit") && !judged;
    TextTable table{.caption = plain ? "The model." : caption, .header = {"metric"}};
    table.header.insert(table.header.end(), names.begin(), names.end());
    for (const Metric* metric : all) {
      if (metric->group != group) continue;
      std::vector<std::string>& row = table.rows.emplace_back(1, metric->label);
      for (const std::vector<Metric>& of_run : metrics)
        row.push_back(metric_cell(find_metric(of_run, metric->name)));
    }
    if (!table.rows.empty()) tables.push_back(std::move(table));
  }
  return tables;
}

TextTable settings_table(const std::vector<NamedRun>& runs) {
  TextTable table;
  table.caption = "Settings in short; config.toml in each run's folder has all.";
  table.header = {"setting"};
  table.rows = {{"learnt from"}, {"flow"},          {"base"}, {"parameters"}, {"steps"},
                {"batch"},       {"training time"}, {"seed"}, {"status"}};
  for (const auto& [name, run] : runs) {
    const RunOptions& options = run->options;
    table.header.push_back(name);
    const std::string cells[] = {learnt_from(options),
                                 flow_text(options.model.flow),
                                 options.model.base.kind,
                                 format_count(run->model->parameters().trainable_count()),
                                 format_count(run->manifest.steps),
                                 format_count(options.training.batch_size),
                                 format_duration(run->manifest.seconds),
                                 fmt::format("{}", options.training.seed),
                                 run->manifest.status};
    for (std::size_t row = 0; row < table.rows.size(); ++row) table.rows[row].push_back(cells[row]);
  }
  return table;
}

}  // namespace thalweg

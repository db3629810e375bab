#include "thalweg/runs/experiment_tables.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/truth_table.h"

namespace thalweg {

namespace {

using Runs = std::vector<RunResult>;

Summary summarise(const std::vector<double>& values, bool deviation = false) {
  Summary result{NAN, NAN, values.size()};
  if (values.empty()) return result;
  const auto count = static_cast<double>(values.size());
  double squares = 0.0;
  result.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  if (values.size() > 1)
    result.spread = std::sqrt(squares / (count - 1.0) / (deviation ? 1.0 : count));
  return result;
}

std::string summary_text(const Summary& summary) {
  if (summary.count == 0) return "-";
  return cell_text(summary.mean, std::isfinite(summary.spread) ? summary.spread : 0.0);
}

std::string published_text(const std::vector<Published>& published, std::size_t column) {
  if (column >= published.size() || !std::isfinite(published[column].value)) return "-";
  if (published[column].error == 0.0) return fmt::format("{}", published[column].value);
  return fmt::format("{} ± {}", published[column].value, published[column].error);
}

std::string time_text(const Runs& runs) {
  if (runs.empty()) return "-";
  double sum = 0.0;
  for (const RunResult& run : runs) sum += run.seconds;
  return format_duration(sum / static_cast<double>(runs.size()));
}

/// The metric beside its published value, what else is listed, and what the runs took.
TextTable plain_metric_table(const Experiment& experiment, const ExperimentResults& results) {
  TextTable table;
  const bool other = !experiment.published_metric.empty();
  table.header = {"row", "model", experiment.metric_label};
  if (other) table.header.push_back("as published");
  table.header.push_back("published");
  if (!experiment.published_floor.empty()) table.header.push_back("its floor");
  for (const std::string& name : experiment.also)
    table.header.push_back(metric_label(results, name));
  table.header.insert(table.header.end(), {"runs", "steps", "time a run"});
  for (std::size_t row = 0; row < experiment.rows.size(); ++row)
    for (std::size_t column = 0; column < experiment.columns.size(); ++column) {
      const Runs& runs = results.runs[row][column];
      const auto text = [&](const std::string& metric) {
        return summary_text(metric_summary(experiment, runs, metric));
      };
      std::vector<std::string> line = {experiment.rows[row].name, experiment.columns[column].name,
                                       text(experiment.metric)};
      if (other) line.push_back(text(experiment.published_metric));
      line.push_back(published_text(experiment.rows[row].published, column));
      if (!experiment.published_floor.empty())
        line.push_back(summary_text(
            {metric_summary(experiment, runs, experiment.published_floor).mean, NAN, runs.size()}));
      for (const std::string& name : experiment.also) line.push_back(text(name));
      line.push_back(fmt::format("{}", runs.size()));
      line.push_back(runs.empty() ? "-" : format_count(runs.front().steps));
      line.push_back(time_text(runs));
      table.rows.push_back(std::move(line));
    }
  return table;
}

/// One of the experiment's own tables: what was published, in the first one, below each run, exact
/// samples last.
TextTable own_table(const Experiment& experiment, const ExperimentResults& results,
                    const ExperimentTable& wanted) {
  TextTable table;
  table.caption = wanted.caption;
  table.header = {"row", "model"};
  for (const std::string& name : wanted.metrics)
    table.header.push_back(metric_label(results, name));
  table.header.insert(table.header.end(), {"runs", "time a run"});
  const auto add_runs = [&](const std::string& row, const std::string& name, const Runs& runs,
                            const std::string& time) {
    std::vector<std::string> line = {row, name};
    for (const std::string& metric : wanted.metrics)
      line.push_back(summary_text(metric_summary(experiment, runs, metric)));
    line.insert(line.end(), {fmt::format("{}", runs.size()), time});
    table.rows.push_back(std::move(line));
  };
  const bool first = &wanted == experiment.tables.data();
  for (std::size_t row = 0; row < experiment.rows.size(); ++row) {
    const ExperimentPart& of_row = experiment.rows[row];
    for (std::size_t column = 0; column < experiment.columns.size(); ++column) {
      const ExperimentPart& of_column = experiment.columns[column];
      const Runs& runs = results.runs[row][column];
      if (!of_column.published_only) add_runs(of_row.name, of_column.name, runs, time_text(runs));
      const std::vector<Published>& published =
          of_row.published_metrics.empty() ? of_column.published : of_row.published_metrics[column];
      if (!first || published.empty()) continue;
      std::vector<std::string> line = {of_row.name, of_column.name + ", published"};
      for (std::size_t i = 0; i < wanted.metrics.size(); ++i)
        line.push_back(published_text(published, i));
      line.insert(line.end(), {"-", "-"});
      table.rows.push_back(std::move(line));
    }
    if (!experiment.truth.empty())
      add_runs(of_row.name, experiment.truth, results.truths[row], "-");
  }
  return table;
}

std::size_t column_index(const Experiment& experiment, const std::string& key) {
  const auto found = std::find_if(experiment.columns.begin(), experiment.columns.end(),
                                  [&](const ExperimentPart& column) { return column.key == key; });
  return static_cast<std::size_t>(found - experiment.columns.begin());
}

TextTable difference_table(const Experiment& experiment, const ExperimentResults& results,
                           std::int64_t seeds, const std::string& metric,
                           const std::string& label) {
  TextTable table;
  table.caption =
      fmt::format("Differences in {}, by seed, with their standard errors; {} is better.", label,
                  experiment.better == "lower" ? "negative" : "positive");
  table.header = {"row", "difference", "value"};
  for (const Comparison& comparison : experiment.comparisons) {
    const std::size_t from = column_index(experiment, comparison.from),
                      to = column_index(experiment, comparison.to);
    const std::string name =
        fmt::format("{} minus {}", experiment.columns[to].name, experiment.columns[from].name);
    std::vector<std::vector<double>> by_seed(static_cast<std::size_t>(seeds));
    for (std::size_t row = 0; row < experiment.rows.size(); ++row) {
      std::vector<double> values;
      for (const RunResult& a : results.runs[row][from])
        for (const RunResult& b : results.runs[row][to])
          if (a.seed == b.seed && a.find(metric) && b.find(metric)) {
            values.push_back(b.find(metric)->value - a.find(metric)->value);
            by_seed[static_cast<std::size_t>(a.seed - 1)].push_back(values.back());
          }
      table.rows.push_back({experiment.rows[row].name, name, summary_text(summarise(values))});
    }
    std::vector<double> sums;
    for (const std::vector<double>& values : by_seed)
      if (values.size() == experiment.rows.size())
        sums.push_back(std::accumulate(values.begin(), values.end(), 0.0));
    if (experiment.rows.size() > 1)
      table.rows.push_back({"sum", name, summary_text(summarise(sums))});
  }
  return table;
}

}  // namespace

Summary metric_summary(const Experiment& experiment, const std::vector<RunResult>& runs,
                       const std::string& metric) {
  std::vector<double> values;
  for (const RunResult& run : runs)
    if (const Metric* found = run.find(metric)) values.push_back(found->value);
  return summarise(values, experiment.spread == "deviation");
}

std::string metric_label(const ExperimentResults& results, const std::string& metric) {
  for (const auto& row : results.runs)
    for (const Runs& runs : row)
      for (const RunResult& run : runs)
        if (const Metric* found = run.find(metric)) return found->label;
  return metric;
}

std::vector<TextTable> experiment_tables(const Reproduction& reproduction) {
  const Experiment& experiment = reproduction.experiment();
  const ExperimentResults& results = reproduction.results();
  std::vector<TextTable> tables;
  for (const ExperimentTable& wanted : experiment.tables)
    tables.push_back(own_table(experiment, results, wanted));
  if (tables.empty() && std::any_of(experiment.rows.begin(), experiment.rows.end(),
                                    [](const ExperimentPart& row) { return !row.known.empty(); }))
    tables = truth_tables(experiment, results);
  if (tables.empty()) tables.push_back(plain_metric_table(experiment, results));
  if (experiment.comparisons.empty()) return tables;
  const auto add = [&](const std::string& metric, const std::string& label) {
    tables.push_back(difference_table(experiment, results, reproduction.seeds(), metric, label));
  };
  for (const std::string& name : experiment.compare) add(name, metric_label(results, name));
  if (experiment.compare.empty()) add(experiment.metric, experiment.metric_label);
  return tables;
}

}  // namespace thalweg

#include "thalweg/runs/truth_table.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"

namespace thalweg {

namespace {

constexpr double kErrors = 3.0;  // within which a value agrees with the truth
constexpr double kSilent = 0.1;  // nats by which nothing may be off without a warning

double deviation_of(const Metric& metric, const KnownValue& known) {
  const double off = metric.value - known.value;
  const double error = std::hypot(metric.error, known.error);
  if (off == 0.0) return 0.0;
  return std::isfinite(off) && std::isfinite(error) && metric.error > 0.0
             ? off / error
             : std::numeric_limits<double>::infinity();
}

/// "3 of 4 (75 %)".
std::string share(std::size_t part, std::size_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{} of {} ({:.0f} %)", part, whole,
                     100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

double mean_of(const std::vector<RunResult>& runs, const std::string& metric, bool error = false) {
  double sum = 0.0;
  std::size_t count = 0;
  for (const RunResult& run : runs)
    if (const Metric* found = run.find(metric)) {
      sum += error ? found->error : found->value;
      ++count;
    }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

struct Counts {
  std::size_t runs = 0, within = 0, silent = 0, inside_one = 0, warned = 0;
  std::size_t others = 0, others_off = 0, silent_others_off = 0;
};

std::vector<std::string> line_of(const Experiment& experiment, const ExperimentPart& row,
                                 const std::string& column, const std::vector<RunResult>& runs,
                                 const KnownValue* known, Counts& counts) {
  std::size_t within = 0, warned = 0, judged = 0;
  double largest = 0.0, seconds = 0.0;
  bool others = false;
  for (const RunResult& run : runs) {
    const TruthVerdict verdict = judge_by_truth(experiment, row, run);
    const bool agrees = std::abs(verdict.deviation) <= kErrors;
    seconds += run.seconds / static_cast<double>(runs.size());
    warned += verdict.warned;
    counts.warned += verdict.warned;
    ++counts.runs;
    if (known != nullptr) {
      ++judged;
      within += verdict.has_metric && agrees;
      counts.within += verdict.has_metric && agrees;
      counts.inside_one += verdict.has_metric && std::abs(verdict.deviation) <= 1.0;
      counts.silent += !verdict.warned && !(std::abs(verdict.difference) <= kSilent);
    }
    others = others || verdict.others > 0;
    largest = std::max(largest, verdict.largest);
    counts.others += verdict.others;
    counts.others_off += verdict.others_off;
    if (!verdict.warned) counts.silent_others_off += verdict.others_off;
  }
  const auto number = [](double value, const char* form) {
    return std::isfinite(value) ? fmt::format(fmt::runtime(form), value) : std::string("-");
  };
  const double ours = mean_of(runs, experiment.metric);
  const double error = mean_of(runs, experiment.metric, true);
  return {row.name,
          column,
          known == nullptr ? "-" : fmt::format("{:.4f}", known->value),
          std::isfinite(ours) ? fmt::format("{:.4f} ± {:.4f}", ours, error) : "-",
          judged == 0 ? "-" : fmt::format("{} of {}", within, judged),
          runs.empty() ? "-" : fmt::format("{} of {}", warned, runs.size()),
          others ? number(largest, "{:.1f}") : "-",
          number(mean_of(runs, "exploration_evaluations") / 1e6, "{:.2f}"),
          runs.empty() ? "-" : format_duration(seconds)};
}

}  // namespace

TruthVerdict judge_by_truth(const Experiment& experiment, const ExperimentPart& row,
                            const RunResult& run) {
  TruthVerdict verdict;
  verdict.difference = verdict.deviation = std::numeric_limits<double>::infinity();
  for (const KnownValue& known : row.known) {
    const Metric* metric = run.find(known.metric);
    if (metric == nullptr) continue;
    const double deviation = deviation_of(*metric, known);
    if (known.metric == experiment.metric) {
      verdict.has_metric = true;
      verdict.difference = metric->value - known.value;
      if (std::isnan(verdict.difference))
        verdict.difference = std::numeric_limits<double>::infinity();
      verdict.deviation = deviation;
      continue;
    }
    ++verdict.others;
    verdict.others_off += !(std::abs(deviation) <= kErrors);
    verdict.largest = std::max(verdict.largest, std::abs(deviation));
  }
  const Metric* warnings = run.find("warnings");
  verdict.warned = warnings != nullptr && warnings->value > 0.0;
  return verdict;
}

std::vector<TextTable> truth_tables(const Experiment& experiment,
                                    const ExperimentResults& results) {
  TextTable table;
  table.caption = "Means over seeds, each with the mean of the errors that the runs gave.";
  table.header = {"row",
                  "model",
                  "truth",
                  experiment.metric_label,
                  "within 3 errors",
                  "warned",
                  "largest of means and variances, errors",
                  "million evaluations",
                  "time a run"};
  Counts counts;
  for (std::size_t row = 0; row < experiment.rows.size(); ++row) {
    const std::vector<KnownValue>& truths = experiment.rows[row].known;
    const auto known = std::find_if(truths.begin(), truths.end(), [&](const KnownValue& value) {
      return value.metric == experiment.metric;
    });
    for (std::size_t column = 0; column < experiment.columns.size(); ++column)
      table.rows.push_back(line_of(experiment, experiment.rows[row],
                                   experiment.columns[column].name, results.runs[row][column],
                                   known == truths.end() ? nullptr : &*known, counts));
  }
  TextTable sums;
  sums.caption = fmt::format("Over all runs; {} runs ended without a result.", results.failed);
  sums.header = {"what", "runs"};
  sums.rows = {
      {fmt::format("{} within {:.0f} errors of the truth", experiment.metric_label, kErrors),
       share(counts.within, counts.runs)},
      {fmt::format("off by more than {} without a warning", kSilent),
       share(counts.silent, counts.runs)},
      {"within one error (68 % expected)", share(counts.inside_one, counts.runs)},
      {"warned", share(counts.warned, counts.runs)},
      {fmt::format("means and variances off by more than {:.0f} errors", kErrors),
       share(counts.others_off, counts.others)},
      {"the same without a warning", share(counts.silent_others_off, counts.others)}};
  return {table, sums};
}

}  // namespace thalweg

// thalweg reproduce: the tables and figures of papers, ours beside the published ones.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/json_file.h"
#include "thalweg/io/table.h"
#include "thalweg/report/gnuplot.h"
#include "thalweg/report/html.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/progress.h"
#include "thalweg/report/text_table.h"
#include "thalweg/runs/experiment.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::cli {

namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string experiment, out = "reproduce", data;
  std::vector<std::string> rows, columns;
  double scale = 1.0;
  std::int64_t seeds = 0;
  int threads = 0;
  bool list = false, show = false, force = false, quiet = false;
};

/// What is known of one finished run.
struct RunResult {
  std::int64_t seed = 0, steps = 0;
  double seconds = 0.0;
  std::vector<Metric> metrics;

  const Metric* find(const std::string& name) const {
    const auto found = std::find_if(metrics.begin(), metrics.end(),
                                    [&](const Metric& metric) { return metric.name == name; });
    return found == metrics.end() ? nullptr : &*found;
  }
};

/// Mean over seeds and its standard error, or the deviation of one run; NaN error for one seed.
struct Summary {
  double mean = NAN, error = NAN;
  std::size_t count = 0;
};

Summary summarise(const std::vector<double>& values, bool deviation = false) {
  Summary result;
  result.count = values.size();
  if (values.empty()) return result;
  const auto count = static_cast<double>(values.size());
  double sum = 0.0, squares = 0.0;
  for (const double value : values) sum += value;
  result.mean = sum / count;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  if (values.size() > 1)
    result.error = std::sqrt(squares / (count - 1.0) / (deviation ? 1.0 : count));
  return result;
}

std::string summary_text(const Summary& summary) {
  if (summary.count == 0) return "-";
  if (!std::isfinite(summary.error)) return fmt::format("{:.4f}", summary.mean);
  return fmt::format("{:.4f} ± {:.4f}", summary.mean, summary.error);
}

std::string published_text(const std::vector<Published>& published, std::size_t column) {
  if (column >= published.size() || !std::isfinite(published[column].value)) return "-";
  if (published[column].error == 0.0) return fmt::format("{}", published[column].value);
  return fmt::format("{} ± {}", published[column].value, published[column].error);
}

/// All runs of an experiment on disk: OUT/EXPERIMENT/scale-S/ROW/COLUMN/seed-N.
class Reproduction {
 public:
  Reproduction(Experiment experiment, const Arguments& arguments)
      : experiment_(std::move(experiment)), arguments_(arguments) {
    keep(experiment_.rows, arguments_.rows, "row");
    keep_columns();
    seeds_ = arguments_.seeds > 0 ? arguments_.seeds : experiment_.seeds;
    const std::string& runs = experiment_.of.empty() ? experiment_.name : experiment_.of;
    runs_folder_ = fmt::format("{}/{}/scale-{}", arguments_.out, runs, arguments_.scale);
    page_folder_ =
        fmt::format("{}/{}/scale-{}", arguments_.out, experiment_.name, arguments_.scale);
    truths_.resize(experiment_.rows.size());
    results_.resize(experiment_.rows.size(),
                    std::vector<std::vector<RunResult>>(experiment_.columns.size()));
  }

  void run() {
    ThreadPool pool(arguments_.threads);
    check();
    if (arguments_.show)
      load_all();
    else
      train_all(pool);
    write(pool);
  }

 private:
  static void keep(std::vector<ExperimentPart>& parts, const std::vector<std::string>& wanted,
                   const char* what) {
    std::vector<std::string> known;
    for (const ExperimentPart& part : parts) known.push_back(part.key);
    for (const std::string& key : wanted)
      if (std::find(known.begin(), known.end(), key) == known.end())
        fail<ConfigError>("unknown {} '{}'{}", what, key, name_hint(key, known));
    if (!wanted.empty())
      std::erase_if(parts, [&](const ExperimentPart& part) {
        return std::find(wanted.begin(), wanted.end(), part.key) == wanted.end();
      });
  }

  /// As keep(), with the published values of the columns.
  void keep_columns() {
    const std::vector<ExperimentPart> all = experiment_.columns;
    keep(experiment_.columns, arguments_.columns, "column");
    const auto kept = [&](const std::string& key) {
      return std::any_of(experiment_.columns.begin(), experiment_.columns.end(),
                         [&](const ExperimentPart& column) { return column.key == key; });
    };
    const auto pick = [&](auto& list) {
      auto every = std::move(list);
      list.clear();
      for (std::size_t i = 0; i < every.size(); ++i)
        if (kept(all[i].key)) list.push_back(std::move(every[i]));
    };
    for (ExperimentPart& row : experiment_.rows) {
      pick(row.published);
      pick(row.published_metrics);
    }
    std::erase_if(experiment_.comparisons, [&](const Comparison& comparison) {
      return !kept(comparison.from) || !kept(comparison.to);
    });
  }

  std::string folder(std::size_t row, std::size_t column, std::int64_t seed) const {
    return fmt::format("{}/{}/{}/seed-{}", runs_folder_, experiment_.rows[row].key,
                       experiment_.columns[column].key, seed);
  }

  /// Where the trained run is: columns that differ in their sampler may share it.
  std::string run_folder(std::size_t row, std::size_t column, std::int64_t seed) const {
    const ExperimentPart& part = experiment_.columns[column];
    return part.run.empty() ? folder(row, column, seed)
                            : fmt::format("{}/{}/{}/seed-{}", runs_folder_,
                                          experiment_.rows[row].key, part.run, seed);
  }

  RunOptions options(std::size_t row, std::size_t column, std::int64_t seed) const {
    RunOptions result = experiment_options(experiment_, experiment_.rows[row],
                                           experiment_.columns[column], seed, arguments_.scale);
    const std::string& data = experiment_.rows[row].data;
    if (data.empty()) return result;
    if (arguments_.data.empty())
      fail<ConfigError>("{}: row '{}' needs {}: give the folder that holds it with --data DIR",
                        experiment_.name, experiment_.rows[row].key, data);
    (result.target.image.empty() ? result.data.path : result.target.image) = data;
    for (std::string* path :
         {&result.data.path, &result.data.validation, &result.data.test, &result.target.image})
      if (!path->empty())
        *path = (fs::absolute(arguments_.data) / *path).lexically_normal().string();
    return result;
  }

  /// The metrics of a finished run, if there is one.
  std::optional<RunResult> load(const std::string& path) const {
    const std::string file = path + "/metrics.json";
    if (!fs::exists(file)) return std::nullopt;
    RunResult result;
    const JsonObject json = read_json_file(file, "delete it, and it is made anew");
    result.seed = json.whole("seed");
    result.steps = json.whole("steps");
    result.seconds = json.number("seconds");
    for (const JsonObject& entry : json.objects("metrics"))
      result.metrics.push_back({entry.text("name"), entry.text("label"),
                                entry.number_or_nan("value"), entry.number_or_nan("error")});
    return result;
  }

  static void save(const std::string& path, const RunResult& result) {
    nlohmann::ordered_json json;
    json["seed"] = result.seed;
    json["steps"] = result.steps;
    json["seconds"] = result.seconds;
    json["metrics"] = nlohmann::ordered_json::array();
    for (const Metric& metric : result.metrics)
      json["metrics"].push_back({{"name", metric.name},
                                 {"label", metric.label},
                                 {"value", metric.value},
                                 {"error", metric.error}});
    write_file_atomically(path + "/metrics.json", json.dump(2) + "\n");
  }

  /// What the experiment asks for stands in place of what every evaluation says.
  static void add_metrics(RunResult& result, std::vector<Metric> metrics) {
    for (Metric& metric : metrics) {
      std::erase_if(result.metrics, [&](const Metric& old) { return old.name == metric.name; });
      result.metrics.push_back(std::move(metric));
    }
  }

  std::string truth_folder(std::size_t row, std::int64_t seed) const {
    return fmt::format("{}/{}/truth/seed-{}", runs_folder_, experiment_.rows[row].key, seed);
  }

  /// The metrics of exact samples.
  RunResult judge_truth(std::size_t row, std::int64_t seed, ThreadPool& pool) const {
    const std::shared_ptr<const Target> target = make_target(options(row, 0, seed).target);
    RunResult result;
    result.seed = seed;
    const auto number = static_cast<std::uint64_t>(seed);
    if (experiment_.profile)
      add_metrics(result,
                  profile_metrics(true_profile_samples(*target, *experiment_.profile, number),
                                  target, *experiment_.profile, pool));
    if (experiment_.samplers)
      add_metrics(result, sample_metrics(true_samples(*target, *experiment_.samplers, number),
                                         target, *experiment_.samplers, number, pool));
    if (experiment_.histogram)
      add_metrics(result, histogram_metrics(true_histogram(*target, *experiment_.histogram, number),
                                            target, pool));
    const std::string path = truth_folder(row, seed);
    fs::create_directories(path);
    save(path, result);
    return result;
  }

  RunResult train(std::size_t row, std::size_t column, std::int64_t seed, ThreadPool& pool) {
    const std::string path = run_folder(row, column, seed);
    TrainingRequest request;
    request.options = options(row, column, seed);
    RunOptions& settings = request.options;
    if (!settings.data.path.empty()) {
      request.data =
          load_prepared_data(settings.data, static_cast<std::uint64_t>(settings.training.seed));
      fit_model_to_data(settings.model, *request.data);
    } else {
      settings.model.features = make_target(settings.target)->features();
    }
    const RunFolder run{path};
    const bool renew = arguments_.force && !renewed_.contains(path);
    renewed_.insert(path);
    if (fs::exists(run.manifest()) && !renew) {
      if (write_options(read_run_options(run)) != write_options(settings))
        fail<ConfigError>(
            "{}: was made with other settings than this version's; --force trains it anew", path);
      // A run that ended before its first checkpoint has nothing to go on from.
      request.resume = fs::exists(run.checkpoint());
      request.force = !request.resume;
    } else {
      request.force = fs::exists(run.manifest());
    }
    request.out = path;
    request.report = false;
    train_with_progress(request, pool, arguments_.quiet, "the same command");
    const std::optional<PreparedData>& data = request.data;
    const LoadedRun loaded = load_run(path);
    RunResult result;
    result.seed = seed;
    result.steps = loaded.manifest.steps;
    result.seconds = loaded.manifest.seconds;
    const std::string& sampler = experiment_.columns[column].sampler;
    // The density of a run is the same whatever its sampler.
    if (sampler.empty() || sampler == "naive")
      result.metrics = evaluate_run(loaded, held_out_points(loaded, "", data), data, pool);
    if (experiment_.profile) {
      const std::shared_ptr<const Target> target = make_target(loaded.options.target);
      add_metrics(result,
                  profile_metrics(profile_samples(loaded, target, *experiment_.profile, pool),
                                  target, *experiment_.profile, pool));
    }
    if (experiment_.histogram) {
      const std::shared_ptr<const Target> target = make_target(loaded.options.target);
      add_metrics(result, histogram_metrics(run_histogram(loaded, *target, *experiment_.histogram,
                                                          static_cast<std::uint64_t>(seed), pool),
                                            target, pool));
    }
    if (!sampler.empty()) {
      const SamplerResult samples = sampled(loaded, sampler, pool);
      add_metrics(result, samples.metrics);
      add_metrics(result,
                  sample_metrics(samples.x, make_target(loaded.options.target),
                                 *experiment_.samplers, static_cast<std::uint64_t>(seed), pool));
    }
    fs::create_directories(folder(row, column, seed));
    save(folder(row, column, seed), result);
    return result;
  }

  SamplerResult sampled(const LoadedRun& run, const std::string& sampler, ThreadPool& pool) const {
    return run_sampler(run, sampler, *experiment_.samplers,
                       static_cast<std::uint64_t>(run.options.training.seed), pool);
  }

  /// What is wrong with an experiment shows before the first hour is spent.
  void check() const {
    for (std::size_t row = 0; row < experiment_.rows.size(); ++row)
      for (std::size_t column = 0; column < experiment_.columns.size(); ++column) {
        experiment_options(experiment_, experiment_.rows[row], experiment_.columns[column], 1,
                           arguments_.scale);
        if (arguments_.show) continue;
        const RunOptions settings = options(row, column, 1);
        const DataOptions& data = settings.data;
        for (const std::string& path : {data.path, data.validation, data.test})
          if (!path.empty() && !fs::exists(path))
            fail<DataError>("{}: no such file; --data names the folder that holds {}", path,
                            experiment_.rows[row].data);
        if (data.path.empty()) make_target(settings.target);
      }
  }

  /// Seeds come last, so that a table stands early and its errors follow.
  void train_all(ThreadPool& pool) {
    const std::size_t total =
        experiment_.rows.size() * experiment_.columns.size() * static_cast<std::size_t>(seeds_);
    std::size_t number = 0;
    for (std::int64_t seed = 1; seed <= seeds_; ++seed)
      for (std::size_t row = 0; row < experiment_.rows.size(); ++row) {
        if (!experiment_.truth.empty()) {
          std::optional<RunResult> truth;
          if (!arguments_.force) truth = load(truth_folder(row, seed));
          truths_[row].push_back(truth ? std::move(*truth) : judge_truth(row, seed, pool));
        }
        for (std::size_t column = 0; column < experiment_.columns.size(); ++column) {
          ++number;
          if (experiment_.columns[column].published_only) continue;
          std::optional<RunResult> result;
          if (!arguments_.force) result = load(folder(row, column, seed));
          if (!result) {
            if (!arguments_.quiet)
              fmt::print(stderr, "run {} of {}: {}, {}, seed {}\n", number, total,
                         experiment_.rows[row].name, experiment_.columns[column].name, seed);
            try {
              result = train(row, column, seed, pool);
            } catch (const NumericalError& error) {
              // One run that diverges is a finding, not the end of the table.
              fmt::print(stderr, "thalweg: {}, {}, seed {}: {}\n", experiment_.rows[row].name,
                         experiment_.columns[column].name, seed, error.what());
              ++failed_;
              continue;
            }
          }
          results_[row][column].push_back(std::move(*result));
        }
      }
  }

  void load_all() {
    for (std::size_t row = 0; row < results_.size(); ++row)
      for (std::int64_t seed = 1; seed <= seeds_; ++seed) {
        if (auto truth = load(truth_folder(row, seed))) truths_[row].push_back(std::move(*truth));
        for (std::size_t column = 0; column < results_[row].size(); ++column)
          if (auto result = load(folder(row, column, seed)))
            results_[row][column].push_back(std::move(*result));
      }
  }

  Summary summary(const std::vector<RunResult>& runs, const std::string& name) const {
    std::vector<double> values;
    for (const RunResult& result : runs)
      if (const Metric* metric = result.find(name)) values.push_back(metric->value);
    return summarise(values, experiment_.spread == "deviation");
  }

  Summary summary(std::size_t row, std::size_t column, const std::string& name) const {
    return summary(results_[row][column], name);
  }

  std::string label_of(const std::string& name) const {
    for (const auto& row : results_)
      for (const auto& cell : row)
        for (const RunResult& result : cell)
          if (const Metric* metric = result.find(name)) return metric->label;
    return name;
  }

  TextTable table() const {
    TextTable result;
    const bool other = !experiment_.published_metric.empty();
    result.header = {"row", "model", experiment_.metric_label};
    if (other) result.header.push_back("as published");
    result.header.push_back("published");
    if (!experiment_.published_floor.empty()) result.header.push_back("its floor");
    for (const std::string& name : experiment_.also) result.header.push_back(label_of(name));
    result.header.insert(result.header.end(), {"runs", "steps", "time a run"});
    for (std::size_t row = 0; row < results_.size(); ++row)
      for (std::size_t column = 0; column < results_[row].size(); ++column) {
        const auto& runs = results_[row][column];
        std::vector<std::string> line = {experiment_.rows[row].name,
                                         experiment_.columns[column].name,
                                         summary_text(summary(row, column, experiment_.metric))};
        if (other) line.push_back(summary_text(summary(row, column, experiment_.published_metric)));
        line.push_back(published_text(experiment_.rows[row].published, column));
        if (!experiment_.published_floor.empty())
          line.push_back(summary_text(
              {summary(row, column, experiment_.published_floor).mean, NAN, runs.size()}));
        for (const std::string& name : experiment_.also)
          line.push_back(summary_text(summary(row, column, name)));
        std::vector<double> seconds;
        for (const RunResult& run : runs) seconds.push_back(run.seconds);
        line.push_back(fmt::format("{}", runs.size()));
        line.push_back(runs.empty() ? "-" : format_count(runs.front().steps));
        line.push_back(runs.empty() ? "-" : format_duration(summarise(seconds).mean));
        result.rows.push_back(std::move(line));
      }
    return result;
  }

  /// One of the experiment's own tables: what was published below each run, exact samples last.
  TextTable table(const ExperimentTable& wanted, bool first) const {
    TextTable result;
    result.caption = wanted.caption;
    result.header = {"row", "model"};
    for (const std::string& name : wanted.metrics) result.header.push_back(label_of(name));
    result.header.insert(result.header.end(), {"runs", "time a run"});
    const auto add = [&](std::size_t row, const std::string& name,
                         const std::vector<RunResult>& runs,
                         const std::vector<Published>& published, bool trained, bool ours) {
      std::vector<std::string> line = {experiment_.rows[row].name, name};
      std::vector<double> seconds;
      for (const RunResult& run : runs) seconds.push_back(run.seconds);
      for (const std::string& metric : wanted.metrics)
        line.push_back(summary_text(summary(runs, metric)));
      line.push_back(fmt::format("{}", runs.size()));
      line.push_back(runs.empty() || !trained ? "-" : format_duration(summarise(seconds).mean));
      if (ours) result.rows.push_back(std::move(line));
      if (!first || published.empty()) return;
      line = {experiment_.rows[row].name, name + ", published"};
      for (std::size_t i = 0; i < wanted.metrics.size(); ++i)
        line.push_back(published_text(published, i));
      line.insert(line.end(), {"-", "-"});
      result.rows.push_back(std::move(line));
    };
    for (std::size_t row = 0; row < results_.size(); ++row) {
      for (std::size_t column = 0; column < results_[row].size(); ++column)
        add(row, experiment_.columns[column].name, results_[row][column],
            experiment_.rows[row].published_metrics.empty()
                ? experiment_.columns[column].published
                : experiment_.rows[row].published_metrics[column],
            true, !experiment_.columns[column].published_only);
      if (!experiment_.truth.empty()) add(row, experiment_.truth, truths_[row], {}, false, true);
    }
    return result;
  }

  /// Differences between columns, row by row and in sum, over the seeds that both have.
  std::vector<TextTable> differences() const {
    if (experiment_.comparisons.empty()) return {};
    if (experiment_.compare.empty())
      return {differences(experiment_.metric, experiment_.metric_label)};
    std::vector<TextTable> result;
    for (const std::string& name : experiment_.compare)
      result.push_back(differences(name, label_of(name)));
    return result;
  }

  TextTable differences(const std::string& metric, const std::string& label) const {
    TextTable result;
    result.caption =
        fmt::format("Differences in {}, by seed, with their standard errors; {} is better.", label,
                    experiment_.better == "lower" ? "negative" : "positive");
    result.header = {"row", "difference", "value"};
    for (const Comparison& comparison : experiment_.comparisons) {
      const std::size_t from = column_index(comparison.from), to = column_index(comparison.to);
      const std::string name =
          fmt::format("{} minus {}", experiment_.columns[to].name, experiment_.columns[from].name);
      std::vector<std::vector<double>> by_seed(static_cast<std::size_t>(seeds_));
      for (std::size_t row = 0; row < results_.size(); ++row) {
        std::vector<double> values;
        for (const RunResult& a : results_[row][from])
          for (const RunResult& b : results_[row][to])
            if (a.seed == b.seed && a.find(metric) && b.find(metric)) {
              values.push_back(b.find(metric)->value - a.find(metric)->value);
              by_seed[static_cast<std::size_t>(a.seed - 1)].push_back(values.back());
            }
        result.rows.push_back({experiment_.rows[row].name, name, summary_text(summarise(values))});
      }
      std::vector<double> sums;
      for (const std::vector<double>& values : by_seed) {
        if (values.size() != results_.size()) continue;
        double sum = 0.0;
        for (const double value : values) sum += value;
        sums.push_back(sum);
      }
      if (results_.size() > 1) result.rows.push_back({"sum", name, summary_text(summarise(sums))});
    }
    return result;
  }

  std::size_t column_index(const std::string& key) const {
    for (std::size_t i = 0; i < experiment_.columns.size(); ++i)
      if (experiment_.columns[i].key == key) return i;
    fail<ConfigError>("{}: unknown column '{}'", experiment_.name, key);
  }

  bool wanted(const ExperimentPicture& picture, std::size_t column) const {
    return picture.columns.empty() ||
           std::find(picture.columns.begin(), picture.columns.end(),
                     experiment_.columns[column].key) != picture.columns.end();
  }

  /// A page with tables and pictures, and the tables as text.
  void write(ThreadPool& pool) const {
    std::error_code error;
    fs::create_directories(page_folder_ + "/plots", error);
    if (error) fail<DataError>("{}: cannot make the folder: {}", page_folder_, error.message());
    std::string text = fmt::format("{}\n{}\n", experiment_.title, experiment_.source);
    text += fmt::format(
        "Scale {}: {}. Mean and {} over runs that differ in their seed.\n\n", arguments_.scale,
        arguments_.scale == 1.0
            ? "trainings of full length"
            : fmt::format("trainings {} times as long as published", arguments_.scale),
        experiment_.spread == "deviation" ? "standard deviation" : "standard error");
    HtmlReport page(experiment_.title, experiment_.source);
    page.section("Figures");
    page.paragraph(fmt::format("Scale {}.", arguments_.scale));
    std::vector<TextTable> tables;
    for (const ExperimentTable& own : experiment_.tables)
      tables.push_back(table(own, &own == experiment_.tables.data()));
    if (tables.empty()) tables.push_back(table());
    for (TextTable& difference : differences()) tables.push_back(std::move(difference));
    for (const TextTable& each : tables) {
      text += (&each == tables.data() ? "" : "\n") + plain_table(each);
      page.table(each);
    }
    for (const std::string& note : experiment_.notes) {
      text += "\n" + note + "\n";
      page.paragraph(note);
    }
    if (failed_ > 0) {
      const std::string note = fmt::format("{} runs diverged and are left out.", failed_);
      text += "\n" + note + "\n";
      page.paragraph(note);
    }
    if (plotting_available())
      for (const ExperimentPicture& picture : experiment_.pictures) draw(picture, page, pool);
    page.write(page_folder_ + "/report.html");
    write_file_atomically(page_folder_ + "/table.txt", text);
    fmt::print("{}\nlook at {}/report.html\n", text, page_folder_);
  }

  void draw(const ExperimentPicture& picture, HtmlReport& page, ThreadPool& pool) const {
    page.section(picture.title);
    const auto show = [&](const auto& plot, const std::string& name) {
      const fs::path stem = page_folder_ + "/plots/" + name;
      write_plot(plot, stem);
      page.picture(stem.string() + ".png");
    };
    if (picture.kind == "chart") {
      const LineChart chart = chart_of(picture);
      const std::string name = picture.y.empty() ? "" : "-" + picture.y.front();
      if (!chart.series.empty()) show(chart, "chart" + name);
    } else if (picture.kind == "overview") {
      // Different targets share one scale, in units of their own largest densities.
      HeatMapPlot overview;
      for (std::size_t row = 0; row < results_.size(); ++row) {
        HeatMapPlot plot = plane_of(picture, row, pool);
        if (plot.panels.empty()) continue;
        const std::vector<double>& target = plot.panels[0].values;
        const double top = *std::max_element(target.begin(), target.end());
        for (Grid& grid : plot.panels)
          for (double& value : grid.values) value /= top;
        plot.panels.insert(plot.panels.begin(), std::make_move_iterator(overview.panels.begin()),
                           std::make_move_iterator(overview.panels.end()));
        overview = std::move(plot);
      }
      overview.title = picture.title;
      overview.colour_range = {{0.0, 1.3}};
      if (!overview.panels.empty()) show(overview, "overview");
    } else if (picture.kind == "profiles") {
      for (std::size_t row = 0; row < results_.size(); ++row)
        for (std::size_t column = 0; column < results_[row].size(); ++column) {
          const std::string path = folder(row, column, 1);
          if (!wanted(picture, column) || !fs::exists(path + "/metrics.json")) continue;
          const LoadedRun run = load_run(path);
          const std::shared_ptr<const Target> target = make_target(run.options.target);
          LineChart chart = profile_chart(profile_samples(run, target, *experiment_.profile, pool),
                                          target, *experiment_.profile, pool);
          chart.title = experiment_.columns[column].name;
          show(chart, fmt::format("profile-{}-{}", experiment_.rows[row].key,
                                  experiment_.columns[column].key));
        }
    } else if (picture.kind == "samplers") {
      for (std::size_t row = 0; row < results_.size(); ++row) {
        if (!wanted_row(picture, row)) continue;
        const ScatterPlot plot = samplers_of(picture, row, pool);
        if (plot.panels.size() > 1) show(plot, "samplers-" + experiment_.rows[row].key);
      }
    } else if (picture.kind == "latent") {
      for (std::size_t row = 0; row < results_.size(); ++row) {
        const std::string path = run_folder(row, 0, 1);
        if (wanted_row(picture, row) && fs::exists(RunFolder{path}.model()))
          show(latent_maps(load_run(path), pool), "latent-" + experiment_.rows[row].key);
      }
    } else if (picture.kind == "histograms") {
      for (std::size_t row = 0; row < results_.size(); ++row) {
        if (!wanted_row(picture, row)) continue;
        const HeatMapPlot plot = histograms_of(picture, row, pool);
        if (!plot.panels.empty()) show(plot, "histograms-" + experiment_.rows[row].key);
      }
    } else if (picture.kind == "stages") {
      for (std::size_t row = 0; row < results_.size(); ++row)
        for (std::size_t column = 0; column < results_[row].size(); ++column) {
          const std::string path = folder(row, column, 1);
          if (!wanted(picture, column) || !fs::exists(path + "/metrics.json")) continue;
          ScatterPlot plot = stage_maps(load_run(path), pool);
          plot.title = experiment_.columns[column].name;
          show(plot, fmt::format("stages-{}-{}", experiment_.rows[row].key,
                                 experiment_.columns[column].key));
        }
    } else if (picture.kind == "samples") {
      for (std::size_t row = 0; row < results_.size(); ++row) {
        const auto [runs, names] = first_runs(picture, row);
        if (runs.empty()) continue;
        ScatterPlot plot = sample_maps(pointers_to(runs), names, pool);
        plot.title = experiment_.rows[row].name;
        show(plot, "samples-" + experiment_.rows[row].key);
      }
    } else {
      for (std::size_t row = 0; row < results_.size(); ++row) {
        HeatMapPlot plot = plane_of(picture, row, pool);
        plot.title = experiment_.rows[row].name;
        if (!plot.panels.empty()) show(plot, picture.kind + "-" + experiment_.rows[row].key);
      }
    }
  }

  /// The first seed's runs of one row with their names; none if there are none yet.
  std::pair<std::vector<LoadedRun>, std::vector<std::string>> first_runs(
      const ExperimentPicture& picture, std::size_t row) const {
    std::pair<std::vector<LoadedRun>, std::vector<std::string>> result;
    for (std::size_t column = 0; column < results_[row].size(); ++column) {
      const std::string path = folder(row, column, 1);
      if (!wanted(picture, column) || !fs::exists(path + "/metrics.json")) continue;
      result.first.push_back(load_run(path));
      result.second.push_back(experiment_.columns[column].name);
    }
    return result;
  }

  bool wanted_row(const ExperimentPicture& picture, std::size_t row) const {
    return picture.rows.empty() || std::find(picture.rows.begin(), picture.rows.end(),
                                             experiment_.rows[row].key) != picture.rows.end();
  }

  /// Exact samples of a row's target and those of each sampler of the first seed's run.
  ScatterPlot samplers_of(const ExperimentPicture& picture, std::size_t row,
                          ThreadPool& pool) const {
    ScatterPlot plot;
    plot.title = experiment_.rows[row].name;
    for (std::size_t column = 0; column < results_[row].size(); ++column) {
      const ExperimentPart& part = experiment_.columns[column];
      const std::string path = run_folder(row, column, 1);
      if (part.sampler.empty() || !wanted(picture, column) ||
          !fs::exists(folder(row, column, 1) + "/metrics.json"))
        continue;
      const LoadedRun run = load_run(path);
      if (plot.panels.empty())
        plot.panels.push_back(
            point_cloud("true samples",
                        true_samples(*make_target(run.options.target), *experiment_.samplers, 1)));
      plot.panels.push_back(point_cloud(part.name, sampled(run, part.sampler, pool).x));
    }
    return plot;
  }

  /// Histograms of exact samples and of each run's, with bins half as wide as those judged.
  HeatMapPlot histograms_of(const ExperimentPicture& picture, std::size_t row,
                            ThreadPool& pool) const {
    const auto [runs, names] = first_runs(picture, row);
    if (runs.empty()) return {};
    HistogramRequest request = *experiment_.histogram;
    request.bins *= 2;
    const std::shared_ptr<const Target> target = make_target(runs.front().options.target);
    HeatMapPlot plot;
    plot.title = experiment_.rows[row].name;
    plot.x_label = "x0";
    plot.y_label = "x1";
    plot.x_range = plot.y_range = {-target->half_width(), target->half_width()};
    plot.panels.push_back(histogram_panel("exact samples", true_histogram(*target, request, 1)));
    const std::vector<double>& exact = plot.panels.front().values;
    plot.colour_range = {{0.0, 1.3 * *std::max_element(exact.begin(), exact.end())}};
    for (std::size_t i = 0; i < runs.size(); ++i)
      plot.panels.push_back(
          histogram_panel(names[i], run_histogram(runs[i], *target, request, 1, pool)));
    return plot;
  }

  static std::vector<const LoadedRun*> pointers_to(const std::vector<LoadedRun>& runs) {
    std::vector<const LoadedRun*> pointers;
    for (const LoadedRun& run : runs) pointers.push_back(&run);
    return pointers;
  }

  /// Maps of the first seed's runs of one row; without panels if there are none yet.
  HeatMapPlot plane_of(const ExperimentPicture& picture, std::size_t row, ThreadPool& pool) const {
    const auto [runs, names] = first_runs(picture, row);
    if (runs.empty()) return {};
    return picture.kind == "bases" ? base_maps(pointers_to(runs), names, pool)
                                   : density_maps(pointers_to(runs), names, pool);
  }

  /// The metric, and what else is listed, against a setting.
  LineChart chart_of(const ExperimentPicture& picture) const {
    LineChart chart;
    chart.title = picture.title;
    chart.x_label = picture.x;
    std::vector<std::string> names = picture.y;
    if (names.empty()) {
      names = experiment_.also;
      names.insert(names.begin(), experiment_.metric);
    }
    if (names.size() == 1) chart.y_label = label_of(names.front());
    for (std::size_t row = 0; row < results_.size(); ++row)
      for (const std::string& name : names) {
        LineSeries series;
        series.name = experiment_.rows[row].name;
        if (names.size() > 1) series.name += ", " + label_of(name);
        for (std::size_t column = 0; column < results_[row].size(); ++column) {
          const Summary value = summary(row, column, name);
          if (value.count == 0 || !wanted(picture, column)) continue;
          series.x.push_back(std::stod(experiment_.columns[column].name));
          series.y.push_back(value.mean);
        }
        if (!series.x.empty()) chart.series.push_back(std::move(series));
      }
    return chart;
  }

  Experiment experiment_;
  const Arguments& arguments_;
  std::int64_t seeds_ = 0;
  std::int64_t failed_ = 0;
  std::set<std::string> renewed_;  // runs that --force has trained anew
  std::string runs_folder_, page_folder_;
  std::vector<std::vector<std::vector<RunResult>>> results_;  // row, column, seed
  std::vector<std::vector<RunResult>> truths_;                // of exact samples: row, seed
};

void reproduce(const Arguments& arguments) {
  if (arguments.list || arguments.experiment.empty()) {
    for (const ExperimentFile& file : experiment_files())
      fmt::print("  {:<18} {}\n", file.name, read_experiment(file.name, file.text).title);
    return;
  }
  Reproduction(find_experiment(arguments.experiment), arguments).run();
}

}  // namespace

void add_reproduce(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("reproduce", "Published tables and figures, ours beside theirs");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("EXPERIMENT", arguments->experiment,
                      "a name such as rbd/table-1, or an experiment file of your own");
  command->add_flag("--list", arguments->list, "names of all experiments");
  command->add_option("--scale", arguments->scale, "length of each training; 0.1: a tenth")
      ->check(CLI::Range(1e-6, 100.0));
  command->add_option("--seeds", arguments->seeds, "runs of each kind; else what the table has")
      ->check(CLI::Range(1, 1000));
  command->add_option("--rows", arguments->rows, "only these rows, by key")->delimiter(',');
  command->add_option("--columns", arguments->columns, "only these columns, by key")
      ->delimiter(',');
  command->add_option("--data", arguments->data,
                      "folder with the tables that `thalweg data` wrote, one folder each");
  command->add_option("--out", arguments->out, "where runs, tables and pictures go");
  command->add_flag("--show", arguments->show, "only show what is there already");
  command->add_flag("--force", arguments->force, "train again what is there");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Finished runs are kept: after an interruption the same command goes on.\n"
      "Examples:\n"
      "  thalweg reproduce --list\n"
      "  thalweg reproduce rbd/table-1 --scale 0.1 --seeds 1\n"
      "  thalweg reproduce rbd/figure-3 --scale 0.1\n"
      "  thalweg reproduce rbd/table-9 --data uci --rows power");
  command->callback([arguments] { reproduce(*arguments); });
}

}  // namespace thalweg::cli

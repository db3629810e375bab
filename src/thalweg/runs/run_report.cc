#include "thalweg/runs/run_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <tuple>

#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/report/html.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/run_pictures.h"
#include "thalweg/runs/run_tables.h"

namespace thalweg {

namespace fs = std::filesystem;

namespace {

void check_columns(const std::vector<NamedRun>& runs) {
  const LoadedRun& first = *runs.front().run;
  for (const NamedRun& each : runs) {
    const ModelOptions &own = each.run->options.model, &other = first.options.model;
    if (each.run->model->flow().features() != first.model->flow().features() ||
        own.context_features != other.context_features || own.flow.species != other.flow.species ||
        column_names(own) != column_names(other) ||
        !std::ranges::equal(own.context_columns, other.context_columns, {}, &ColumnOptions::name,
                            &ColumnOptions::name))
      fail<ConfigError>("report: '{}' and '{}' are models of different columns; report them apart",
                        first.folder.path, each.run->folder.path);
  }
}

/// How many columns the runs have and what they learnt from.
std::string subtitle_of(const std::vector<NamedRun>& runs) {
  std::vector<std::string> sources;
  for (const NamedRun& each : runs)
    if (const std::string source = learnt_from(each.run->options);
        std::find(sources.begin(), sources.end(), source) == sources.end())
      sources.push_back(source);
  const std::int64_t features = runs.front().run->model->flow().features();
  const std::int64_t steps = runs.front().run->manifest.steps;
  // A page stays where a run that went on was not evaluated again.
  return fmt::format(
      "{} column{}, learnt from {}{}", features, features == 1 ? "" : "s",
      fmt::join(sources, ", or from "),
      runs.size() == 1 && steps > 0 ? fmt::format(" in {} steps", format_count(steps)) : "");
}

/// The verdict and the warnings of one run, which has a name where there are several.
void add_verdict(HtmlReport& page, const std::vector<std::string>& names,
                 const Evaluation& evaluation, std::size_t number) {
  const std::string prefix = names.size() == 1 ? "" : names[number] + ": ";
  if (evaluation.verdict)
    page.paragraph(fmt::format("{}{}; {}.", prefix, evaluation.verdict->text(), kUnseenModes));
  for (const std::string& warning : evaluation.warnings)
    page.paragraph(
        fmt::format("{}Warning: {}{}", prefix, warning, warning.ends_with('.') ? "" : "."));
}

}  // namespace

std::string run_name(const std::string& folder) {
  fs::path path = fs::absolute(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // the folder was given with a slash
  return path.filename().string();
}

void write_run_report(const std::vector<NamedRun>& runs, const std::vector<Evaluation>& evaluations,
                      const std::optional<PreparedData>& data, const std::string& folder,
                      ThreadPool& pool) {
  check_columns(runs);
  std::vector<std::string> names;
  std::vector<std::vector<Metric>> metrics;
  for (const NamedRun& each : runs) names.push_back(each.name);
  for (const Evaluation& evaluation : evaluations) metrics.push_back(evaluation.metrics);
  HtmlReport page(fmt::format("Thalweg: {}", fmt::join(names, ", ")), subtitle_of(runs));
  page.section("Metrics");
  for (std::size_t i = 0; i < evaluations.size(); ++i) add_verdict(page, names, evaluations[i], i);
  for (const TextTable& table : metrics_tables(names, metrics)) page.table(table);
  for (std::size_t i = 0; i < evaluations.size(); ++i) {
    if (!evaluations[i].columns) continue;
    page.section(names.size() == 1 ? "Columns" : "Columns by " + names[i]);
    for (const TextTable& table : summary_tables(*evaluations[i].columns)) page.table(table);
  }
  if (plotting_available()) {
    const fs::path plots = fs::path(folder) / "plots";
    std::error_code error;
    fs::create_directories(plots, error);
    if (error) fail<DataError>("{}: cannot make the folder: {}", plots.string(), error.message());
    const WorkPart part("drawing pictures");
    std::int64_t samples = evaluations.front().rows.pictured;
    for (const Evaluation& each : evaluations) samples = std::min(samples, each.rows.pictured);
    for (const RunPicture& picture : draw_run_pictures(runs, data, plots, samples, pool)) {
      page.section(picture.title);
      page.picture(picture.file, picture.caption);
    }
  } else {
    page.paragraph(
        "There are no pictures, since gnuplot was not found; install it and run "
        "`thalweg report` again.");
  }
  if (data && !data->notes.empty()) {
    page.section("About the data");
    for (const std::string& note : data->notes) page.paragraph(note);
  }
  page.section("Settings");
  page.table(settings_table(runs));
  page.write(fs::path(folder) / "report.html");
}

std::string report_runs(const std::vector<std::string>& folders, std::string out, ThreadPool& pool,
                        const LoadOptions& options) {
  std::vector<LoadedRun> loaded;
  for (const std::string& folder : folders) loaded.push_back(load_run(folder, options));
  // Pictures and metrics of one target would stand beside models of another.
  const auto aim = [](const LoadedRun& run) {
    const TargetOptions& target = run.options.target;
    return std::array{
        target.name,
        target.image,
        target.energy,
        target.energy_library,
        target.energy_function,
        target.constants_file,
        fmt::format("{}", fmt::join(target.constants, ",")),
        fmt::format("{} {} {}", target.particles, target.particle_dimensions, target.temperature)};
  };
  // A molecule's frames may be learnt with its energy and without.
  const auto same_molecule = [](const TargetOptions& a, const TargetOptions& b) {
    return a.system.empty() || b.system.empty() ||
           std::tie(a.system, a.solvent, a.system_temperature) ==
               std::tie(b.system, b.solvent, b.system_temperature);
  };
  std::vector<NamedRun> runs;
  std::vector<Evaluation> evaluations;
  std::optional<PreparedData> first_data;
  for (const LoadedRun& run : loaded) {
    if (aim(run) != aim(loaded.front()) ||
        !same_molecule(run.options.target, loaded.front().options.target))
      fail<ConfigError>("{} and {} were trained for different targets: give each a report",
                        folders.front(), run.folder.path);
    std::optional<PreparedData> data = run.data();
    evaluations.push_back(evaluate_run(run, data, pool));
    if (runs.empty()) first_data = std::move(data);
    runs.push_back({run_name(run.folder.path), &run});
  }
  if (out.empty()) out = folders.size() == 1 ? folders.front() : "report";
  std::error_code error;
  std::filesystem::create_directories(out, error);
  if (error) fail<DataError>("{}: cannot make the folder: {}", out, error.message());
  write_run_report(runs, evaluations, first_data, out, pool);
  return out + "/report.html";
}

}  // namespace thalweg

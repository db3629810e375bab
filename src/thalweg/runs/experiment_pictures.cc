#include "thalweg/runs/experiment_pictures.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <memory>
#include <optional>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/runs/computed_experiments.h"
#include "thalweg/runs/experiment_tables.h"
#include "thalweg/runs/force_pictures.h"
#include "thalweg/runs/molecule_maps.h"
#include "thalweg/runs/reproduction.h"
#include "thalweg/runs/run_maps.h"

namespace thalweg {

namespace {

using Plots = std::vector<DrawnPlot>;

/// Places of the parts that a picture shows; all without keys.
std::vector<std::size_t> wanted(const std::vector<ExperimentPart>& parts,
                                const std::vector<std::string>& keys) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (keys.empty() || std::find(keys.begin(), keys.end(), parts[i].key) != keys.end())
      places.push_back(i);
  return places;
}

/// A row of a picture with the first seed's finished runs of its columns.
struct RowRuns {
  const ExperimentPart* part = nullptr;
  std::vector<const ExperimentPart*> columns;  // as many as runs
  std::vector<LoadedRun> loaded;

  std::vector<NamedRun> named() const {
    std::vector<NamedRun> result;
    for (std::size_t i = 0; i < loaded.size(); ++i)
      result.push_back({columns[i]->name, &loaded[i]});
    return result;
  }
};

/// The rows of a picture that have runs.
std::vector<RowRuns> rows_of(const Reproduction& reproduction, const ExperimentPicture& picture) {
  const Experiment& experiment = reproduction.experiment();
  std::vector<RowRuns> result;
  for (const std::size_t row : wanted(experiment.rows, picture.rows)) {
    RowRuns runs;
    runs.part = &experiment.rows[row];
    for (const std::size_t column : wanted(experiment.columns, picture.columns))
      if (std::optional<LoadedRun> run = reproduction.first_run(row, column)) {
        runs.columns.push_back(&experiment.columns[column]);
        runs.loaded.push_back(std::move(*run));
      }
    if (!runs.loaded.empty()) result.push_back(std::move(runs));
  }
  return result;
}

/// One plot a row, with the row's name for a title; `make` may leave out what has no panels.
template <typename Make>
Plots plot_each_row(const Reproduction& reproduction, const ExperimentPicture& picture,
                    const Make& make) {
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture)) {
    auto plot = make(row);
    if (plot.panels.empty()) continue;
    plot.title = row.part->name;
    plots.push_back({picture.kind + "-" + row.part->key, std::move(plot)});
  }
  return plots;
}

/// One plot a run, with the column's name for a title.
template <typename Make>
Plots plot_each_run(const Reproduction& reproduction, const ExperimentPicture& picture,
                    const std::string& name, const Make& make) {
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture))
    for (std::size_t i = 0; i < row.loaded.size(); ++i) {
      auto plot = make(row.loaded[i]);
      plot.title = row.columns[i]->name;
      plots.push_back(
          {fmt::format("{}-{}-{}", name, row.part->key, row.columns[i]->key), std::move(plot)});
    }
  return plots;
}

Plots draw_densities(const Reproduction& reproduction, const ExperimentPicture& picture,
                     ThreadPool& pool) {
  return plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    return density_maps(row.named(), target_half_width(row.loaded.front()), pool);
  });
}

/// Different targets share one square and one scale, in units of their own largest densities.
Plots draw_overview(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  const std::vector<RowRuns> rows = rows_of(reproduction, picture);
  if (rows.empty()) return {};
  double half_width = 0.0;
  for (const RowRuns& row : rows)
    half_width = std::max(half_width, target_half_width(row.loaded.front()));
  HeatMapPlot overview = square_plot(picture.title, "x0", "x1", half_width);
  overview.colour_range = {{0.0, 1.3}};
  for (const RowRuns& row : rows) {
    HeatMapPlot plot = density_maps(row.named(), half_width, pool);
    const std::vector<double>& target = plot.panels.front().values;
    const double top = *std::max_element(target.begin(), target.end());
    for (Grid& grid : plot.panels) {
      for (double& value : grid.values) value /= top;
      overview.panels.push_back(std::move(grid));
    }
  }
  return {{"overview", std::move(overview)}};
}

Plots draw_bases(const Reproduction& reproduction, const ExperimentPicture& picture,
                 ThreadPool& pool) {
  return plot_each_row(reproduction, picture,
                       [&](const RowRuns& row) { return base_maps(row.named(), pool); });
}

Plots draw_samples(const Reproduction& reproduction, const ExperimentPicture& picture,
                   ThreadPool& pool) {
  return plot_each_row(reproduction, picture,
                       [&](const RowRuns& row) { return sample_maps(row.named(), pool); });
}

/// Histograms of exact samples and of each run's, with bins half as wide as those judged.
Plots draw_histograms(const Reproduction& reproduction, const ExperimentPicture& picture,
                      ThreadPool& pool) {
  HistogramRequest request = *reproduction.experiment().histogram;
  request.bins *= 2;
  return plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    const std::shared_ptr<const Target> target = row.loaded.front().target();
    HeatMapPlot plot = square_plot("", "x0", "x1", target->half_width());
    plot.panels.push_back(histogram_panel("exact samples", true_histogram(*target, request, 1)));
    const std::vector<double>& exact = plot.panels.front().values;
    plot.colour_range = {{0.0, 1.3 * *std::max_element(exact.begin(), exact.end())}};
    for (const auto& [name, run] : row.named())
      plot.panels.push_back(histogram_panel(name, run_histogram(*run, *target, request, 1, pool)));
    return plot;
  });
}

/// Exact samples of a row's target and those of each sampler.
Plots draw_samplers(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  constexpr std::size_t kPoints = 1000;
  const SamplerRequest& request = *reproduction.experiment().samplers;
  return plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    ScatterPlot plot;
    for (std::size_t i = 0; i < row.loaded.size(); ++i) {
      const std::string& sampler = row.columns[i]->sampler;
      if (sampler.empty()) continue;
      const LoadedRun& run = row.loaded[i];
      if (plot.panels.empty())
        plot.panels.push_back(
            plane_cloud("true samples", true_samples(*run.target(), request, 1), kPoints));
      const auto seed = static_cast<std::uint64_t>(run.options.training.seed);
      plot.panels.push_back(plane_cloud(row.columns[i]->name,
                                        run_sampler(run, sampler, request, seed, pool).x, kPoints));
    }
    return plot;
  });
}

/// Where runs of a row have forces.
Plots draw_forces(const Reproduction& reproduction, const ExperimentPicture& picture,
                  ThreadPool& pool) {
  Plots plots = plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    return force_maps(row.named(), target_half_width(row.loaded.front()), pool);
  });
  ExperimentPicture clouds = picture;
  clouds.kind += "-at-samples";
  for (DrawnPlot& plot : plot_each_row(reproduction, clouds, [&](const RowRuns& row) {
         return force_clouds(row.named(), pool);
       }))
    plots.push_back(std::move(plot));
  return plots;
}

/// Of the first run of each row.
Plots draw_latent(const Reproduction& reproduction, const ExperimentPicture& picture,
                  ThreadPool& pool) {
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture))
    plots.push_back({"latent-" + row.part->key, latent_maps(row.loaded.front(), pool)});
  return plots;
}

Plots draw_stages(const Reproduction& reproduction, const ExperimentPicture& picture,
                  ThreadPool& pool) {
  return plot_each_run(reproduction, picture, "stages", [&](const LoadedRun& run) {
    return stage_maps({"", &run}, pool);
  });
}

Plots draw_profiles(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  const ProfileRequest& request = *reproduction.experiment().profile;
  return plot_each_run(reproduction, picture, "profile", [&](const LoadedRun& run) {
    const std::shared_ptr<const Target> target = run.target();
    return profile_chart(profile_samples(run, target, request, pool), target, request, pool);
  });
}

/// Sums of energies over time by the force field and by each run's model.
Plots draw_dynamics(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  const Experiment& experiment = reproduction.experiment();
  const DynamicsRequest& request = *experiment.dynamics;
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture)) {
    LineChart chart =
        dynamics_chart(energy_traces(row.loaded.front().options, nullptr, request, 1, pool));
    chart.title = experiment.truth.empty() ? "force field" : experiment.truth;
    plots.push_back({"dynamics-" + row.part->key, std::move(chart)});
  }
  for (DrawnPlot& plot :
       plot_each_run(reproduction, picture, "dynamics", [&](const LoadedRun& run) {
         return dynamics_chart(energy_traces(run.options, run.model.get(), request, 1, pool));
       }))
    plots.push_back(std::move(plot));
  return plots;
}

/// Data of a molecule and samples of each run.
Plots draw_ramachandran(const Reproduction& reproduction, const ExperimentPicture& picture,
                        ThreadPool& pool) {
  return plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    return ramachandran_maps(molecule_rows(row.named(), pool), pool);
  });
}

/// One chart for each torsion that the picture names.
Plots draw_torsions(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture)) {
    const std::vector<MoleculeRows> runs = molecule_rows(row.named(), pool);
    for (const std::string& torsion : picture.y) {
      LineChart chart = torsion_chart(runs, torsion);
      std::string file = row.part->key + "-" + torsion;
      std::ranges::replace_if(
          file, [](char letter) { return letter == ' ' || letter == ':'; }, '-');
      if (!chart.series.empty()) plots.push_back({std::move(file), std::move(chart)});
    }
  }
  return plots;
}

/// Forces on atoms, and energies, of a molecule's data and of samples of each run.
Plots draw_molecule_forces(const Reproduction& reproduction, const ExperimentPicture& picture,
                           ThreadPool& pool) {
  return plot_each_row(reproduction, picture, [&](const RowRuns& row) {
    return molecule_force_clouds(molecule_rows(row.named(), pool), pool);
  });
}

Plots draw_molecule_energies(const Reproduction& reproduction, const ExperimentPicture& picture,
                             ThreadPool& pool) {
  Plots plots;
  for (const RowRuns& row : rows_of(reproduction, picture))
    for (const MoleculeRows& each : molecule_rows(row.named(), pool)) {
      LineChart chart = molecule_energy_chart(each, pool);
      if (!chart.series.empty())
        plots.push_back(
            {fmt::format("energies-{}-{}", row.part->key, plots.size()), std::move(chart)});
    }
  return plots;
}

/// The number that a column is called; none for other names.
std::optional<double> number_named(const ExperimentPart& column) {
  double value = 0.0;
  const char* const end = column.name.data() + column.name.size();
  const auto [stop, error] = std::from_chars(column.name.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// The metric, and what else is listed, against a setting: the number that names a column.
Plots draw_chart(const Reproduction& reproduction, const ExperimentPicture& picture, ThreadPool&) {
  const Experiment& experiment = reproduction.experiment();
  const ExperimentResults& results = reproduction.results();
  LineChart chart;
  chart.title = picture.title;
  chart.x_label = picture.x;
  std::vector<std::string> metrics = picture.y;
  if (metrics.empty()) {
    metrics = experiment.also;
    metrics.insert(metrics.begin(), experiment.metric);
  }
  if (metrics.size() == 1) chart.y_label = metric_label(results, metrics.front());
  for (const std::size_t row : wanted(experiment.rows, picture.rows))
    for (const std::string& metric : metrics) {
      LineSeries series{.name = experiment.rows[row].name};
      if (metrics.size() > 1) series.name += ", " + metric_label(results, metric);
      for (const std::size_t column : wanted(experiment.columns, picture.columns)) {
        const Summary value = metric_summary(experiment, results.runs[row][column], metric);
        if (value.count == 0) continue;
        series.x.push_back(number_named(experiment.columns[column]).value());
        series.y.push_back(value.mean);
      }
      if (!series.x.empty()) chart.series.push_back(std::move(series));
    }
  if (chart.series.empty()) return {};
  return {{picture.y.empty() ? "chart" : "chart-" + picture.y.front(), std::move(chart)}};
}

/// Nothing before something was computed, as of other experiments.
Plots draw_computed(const Reproduction& reproduction, const ExperimentPicture& picture,
                    ThreadPool& pool) {
  const auto has_results = [](const auto& columns) {
    return std::ranges::any_of(columns, [](const auto& runs) { return !runs.empty(); });
  };
  if (std::ranges::none_of(reproduction.results().runs, has_results)) return {};
  const ComputedKind& kind = find_computed_kind(reproduction.experiment().computed, picture.title);
  if (kind.draw == nullptr)
    fail<ConfigError>("{}: '{}' has no pictures of its own: use kind = \"chart\"", picture.title,
                      kind.name);
  return kind.draw(pool);
}

using Asked = const ExperimentPicture&;
bool needs_nothing(const Experiment&, Asked) { return true; }
bool has_profile(const Experiment& experiment, Asked) { return experiment.profile.has_value(); }
bool has_samplers(const Experiment& experiment, Asked) { return experiment.samplers.has_value(); }
bool is_computed(const Experiment& experiment, Asked) { return !experiment.computed.empty(); }
bool has_dynamics(const Experiment& experiment, Asked) { return experiment.dynamics.has_value(); }
bool has_histogram(const Experiment& experiment, Asked) { return experiment.histogram.has_value(); }

bool has_numbers(const Experiment& experiment, Asked picture) {
  return std::ranges::all_of(wanted(experiment.columns, picture.columns), [&](std::size_t column) {
    return number_named(experiment.columns[column]).has_value();
  });
}

bool has_targets(const Experiment& experiment, Asked picture) {
  return std::ranges::all_of(wanted(experiment.rows, picture.rows), [&](std::size_t row) {
    const ExperimentPart& part = experiment.rows[row];
    return part.data.empty() ||
           experiment_keys(experiment, part, experiment.columns.front()).contains("data.target");
  });
}

}  // namespace

const std::vector<PictureKind>& picture_kinds() {
  static constexpr const char* kTarget = "rows with a target in place of data";
  static const std::vector<PictureKind> kinds = {
      {"densities", kTarget, has_targets, draw_densities},
      {"overview", kTarget, has_targets, draw_overview},
      {"bases", "", needs_nothing, draw_bases},
      {"chart", "columns whose names are numbers", has_numbers, draw_chart},
      {"samples", kTarget, has_targets, draw_samples},
      {"stages", "", needs_nothing, draw_stages},
      {"histograms", "a table [histogram]", has_histogram, draw_histograms},
      {"profiles", "a table [profile]", has_profile, draw_profiles},
      {"samplers", "a table [samplers]", has_samplers, draw_samplers},
      {"forces", kTarget, has_targets, draw_forces},
      {"dynamics", "a table [dynamics]", has_dynamics, draw_dynamics},
      {"ramachandran", "", needs_nothing, draw_ramachandran},
      {"torsions", "", needs_nothing, draw_torsions},
      {"molecule_forces", "", needs_nothing, draw_molecule_forces},
      {"molecule_energies", "", needs_nothing, draw_molecule_energies},
      {"latent", "", needs_nothing, draw_latent},
      {"computed", "metrics that are computed", is_computed, draw_computed},
  };
  return kinds;
}

const PictureKind& find_picture_kind(const std::string& name, const std::string& where) {
  std::vector<std::string> known;
  for (const PictureKind& kind : picture_kinds()) {
    if (name == kind.name) return kind;
    known.emplace_back(kind.name);
  }
  fail<ConfigError>("{}: unknown kind '{}'{}", where, name, name_hint(name, known));
}

}  // namespace thalweg

#include "thalweg/runs/run_report.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/engine/program.h"
#include "thalweg/io/table.h"
#include "thalweg/report/html.h"
#include "thalweg/report/plot.h"
#include "thalweg/report/progress.h"
#include "thalweg/report/text_table.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

constexpr std::int64_t kSamples = 20000;  // for pictures
constexpr std::int64_t kCells = 240;      // along each side of a density map

std::string run_name(const LoadedRun& run) {
  return std::filesystem::absolute(run.folder.path).lexically_normal().filename().string();
}

std::vector<double> column_of(const std::vector<double>& rows, std::int64_t width,
                              std::int64_t column) {
  std::vector<double> result;
  for (std::size_t i = static_cast<std::size_t>(column); i < rows.size();
       i += static_cast<std::size_t>(width))
    result.push_back(rows[i]);
  return result;
}

/// What the report of one set of runs is made from.
struct Material {
  const std::vector<const LoadedRun*>& runs;
  const std::optional<PreparedData>& data;
  ThreadPool& pool;
  std::int64_t features = 0;
  std::vector<std::string> columns = {};
  std::string data_name = {};
  double half_width = -INFINITY;                  ///< the pictures show at least this far from 0
  std::vector<double> points = {};                ///< of the data or the target
  std::vector<double> points_context = {};        ///< their conditions
  std::vector<std::vector<double>> samples = {};  ///< of each run
  std::filesystem::path plots = {};
};

RowFunction model_density(const LoadedRun& run, ThreadPool& pool) {
  auto evaluator = std::make_shared<DensityEvaluator>(*run.model, pool, Precision::kDouble,
                                                      run.options.importance_samples);
  return [evaluator, row = run.usual_context(),
          features = run.model->flow().features()](std::span<const double> x) {
    std::vector<double> context;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()) / features; ++i)
      context.insert(context.end(), row.begin(), row.end());
    std::vector<double> values = evaluator->log_prob(x, context);
    for (double& value : values) value = std::exp(value);
    return values;
  };
}

/// Samples of a model drawn again by their weights: as good a picture of an energy as there is.
std::vector<double> reweighted_samples(const LoadedRun& run,
                                       const std::shared_ptr<const Target>& target,
                                       ThreadPool& pool) {
  const WeightedSamples samples = weighted_samples(run, target, kSamples, 1, pool);
  std::vector<double> cumulative = samples.log_weights();
  const double largest = *std::max_element(cumulative.begin(), cumulative.end());
  double sum = 0.0;
  for (double& value : cumulative) value = sum += std::exp(value - largest);
  const auto features = static_cast<std::ptrdiff_t>(target->features());
  std::vector<double> result;
  for (std::int64_t i = 0; i < kSamples; ++i) {
    const double place = sum * (static_cast<double>(i) + 0.5) / kSamples;
    const auto row = std::min<std::ptrdiff_t>(
        std::lower_bound(cumulative.begin(), cumulative.end(), place) - cumulative.begin(),
        kSamples - 1);
    const auto from = samples.x.begin() + row * features;
    result.insert(result.end(), from, from + features);
  }
  return result;
}

void gather(Material& material) {
  const LoadedRun& first = *material.runs.front();
  material.features = first.model->flow().features();
  for (const ColumnOptions& column : first.options.model.columns)
    material.columns.push_back(column.name);
  if (material.data) {
    const PreparedData& data = *material.data;
    const auto count = std::min<std::size_t>(kSamples, data.train.size());
    const std::span<const std::int64_t> rows = std::span(data.train).first(count);
    material.points = take_rows(data.x, data.features(), rows);
    material.points_context = take_rows(data.context, data.context_features(), rows);
    material.data_name = "data";
  } else {
    const std::shared_ptr<const Target> target = make_target(first.options.target);
    if (target->can_sample()) {
      material.points = target_samples(*target, 1, Stream::kEvaluation, 0, kSamples);
      material.data_name = target->name();
    } else {
      material.points = reweighted_samples(first, target, material.pool);
      material.data_name = "reweighted samples";
      if (target->half_width() > 0.0) material.half_width = target->half_width();
    }
  }
  if (material.columns.empty()) material.columns = default_names(material.features);
  const std::int64_t count = static_cast<std::int64_t>(material.points.size()) / material.features;
  for (const LoadedRun* run : material.runs) {
    if (run->model->flow().features() != material.features ||
        run->options.model.context_features != first.options.model.context_features)
      fail<ConfigError>("report: '{}' and '{}' are models of different columns; report them apart",
                        first.folder.path, run->folder.path);
    FlowSampler sampler(*run->model, material.pool, 1);
    material.samples.push_back(sampler.next(count, material.points_context));
  }
}

/// The interval that holds all but the outermost 0.2 % of a column's points on each side, widened.
std::array<double, 2> plot_range(const Material& material, std::int64_t column) {
  std::vector<double> values = column_of(material.points, material.features, column);
  std::sort(values.begin(), values.end());
  const std::size_t cut = values.size() / 500;
  const double low = values[cut], high = values[values.size() - 1 - cut];
  const double margin = std::max(0.1 * (high - low), 1e-12 * std::max(std::abs(low), 1e-300));
  return {std::min(low - margin, -material.half_width),
          std::max(high + margin, material.half_width)};
}

/// Values of a function at the cells' middles of a grid, row by row from below.
Grid grid_of(std::string title, const RowFunction& function, const std::array<double, 2>& x_range,
             const std::array<double, 2>& y_range) {
  std::vector<double> points;
  for (std::int64_t row = 0; row < kCells; ++row)
    for (std::int64_t column = 0; column < kCells; ++column) {
      const auto place = [](const std::array<double, 2>& range, std::int64_t cell) {
        return range[0] + (range[1] - range[0]) * (static_cast<double>(cell) + 0.5) / kCells;
      };
      points.push_back(place(x_range, column));
      points.push_back(place(y_range, row));
    }
  return {std::move(title), kCells, kCells, function(points)};
}

/// A picture with what it shows.
struct Picture {
  std::string title, caption;
  std::filesystem::path stem;
};

template <typename Plot>
void add_picture(std::vector<Picture>& pictures, const Material& material, const Plot& plot,
                 const std::string& name, std::string caption) {
  const std::filesystem::path stem = material.plots / name;
  write_plot(plot, stem);
  pictures.push_back({plot.title, std::move(caption), stem});
}

void add_losses(std::vector<Picture>& pictures, const Material& material) {
  LineChart chart;
  chart.title = "Training";
  chart.x_label = "step";
  chart.y_label = "negative log likelihood, nats";
  for (std::size_t i = 0; i < material.runs.size(); ++i) {
    const LoadedRun& run = *material.runs[i];
    if (run.manifest.steps == 0) continue;
    const Table metrics = load_table(run.folder.metrics());
    const auto column = [&](const char* name) {
      const auto found = std::find(metrics.names.begin(), metrics.names.end(), name);
      if (found == metrics.names.end())
        fail<DataError>("{}: lacks column '{}'", run.folder.metrics(), name);
      return column_of(metrics.values, metrics.columns(), found - metrics.names.begin());
    };
    const std::string prefix = material.runs.size() > 1 ? run_name(run) + ", " : "";
    LineSeries training{prefix + "training", column("step"), column("loss")};
    training.style = LineStyle::kFaint;
    training.colour = i;
    LineSeries validation{prefix + "validation"};
    validation.colour = i;
    const std::vector<double> values = column("validation_loss");
    for (std::size_t row = 0; row < values.size(); ++row)
      if (std::isfinite(values[row])) {
        validation.x.push_back(training.x[row]);
        validation.y.push_back(values[row]);
      }
    if (validation.x.empty()) training.style = LineStyle::kSolid;
    chart.series.push_back(std::move(training));
    if (!validation.x.empty()) chart.series.push_back(std::move(validation));
  }
  if (!chart.series.empty())
    add_picture(pictures, material, chart, "losses",
                "The lower, the better; a gap between training and validation is overfitting.");
}

void add_one_column(std::vector<Picture>& pictures, const Material& material) {
  const std::array<double, 2> range = plot_range(material, 0);
  for (std::size_t i = 0; i < material.runs.size(); ++i) {
    HistogramPlot plot;
    plot.title = run_name(*material.runs[i]);
    plot.x_label = material.columns[0];
    plot.data = material.points;
    plot.model = material.samples[i];
    plot.data_name = material.data_name;
    for (int cell = 0; cell < 1000; ++cell)
      plot.density_x.push_back(range[0] + (range[1] - range[0]) * (cell + 0.5) / 1000.0);
    if (material.points_context.empty())
      plot.density_y = model_density(*material.runs[i], material.pool)(plot.density_x);
    else
      plot.density_x.clear();
    add_picture(pictures, material, plot, fmt::format("histogram-{}", i),
                "Samples beside the data, and the density as a line.");
  }
}

void add_plane(std::vector<Picture>& pictures, const Material& material) {
  const std::array<double, 2> x_range = plot_range(material, 0), y_range = plot_range(material, 1);
  ScatterPlot samples;
  samples.title = "Samples";
  samples.x_label = material.columns[0];
  samples.y_label = material.columns[1];
  const auto cloud = [](std::string title, const std::vector<double>& rows) {
    return PointCloud{std::move(title), column_of(rows, 2, 0), column_of(rows, 2, 1)};
  };
  samples.panels.push_back(cloud(material.data_name, material.points));
  HeatMapPlot densities;
  densities.title = "Densities";
  densities.x_label = samples.x_label;
  densities.y_label = samples.y_label;
  densities.x_range = x_range;
  densities.y_range = y_range;
  if (!material.data) {
    const std::shared_ptr<const Target> target = make_target(material.runs.front()->options.target);
    Grid grid =
        grid_of(target->name(), target_log_density(target, material.pool), x_range, y_range);
    // Where the integral is not known, that over the picture, as far as the energy is a number.
    double largest = -INFINITY;
    for (const double value : grid.values)
      if (value < INFINITY) largest = std::max(largest, value);
    const double cell = (x_range[1] - x_range[0]) * (y_range[1] - y_range[0]) / (kCells * kCells);
    double sum = 0.0;
    for (const double value : grid.values)
      if (value < INFINITY) sum += cell * std::exp(value - largest);
    const double log_integral = target->log_normaliser().value_or(largest + std::log(sum));
    for (double& value : grid.values) value = std::exp(value - log_integral);
    // A spike of one model must not leave the rest in the dark.
    if (std::isfinite(largest))
      densities.colour_range = {{0.0, 1.3 * std::exp(largest - log_integral)}};
    densities.panels.push_back(std::move(grid));
  }
  for (std::size_t i = 0; i < material.runs.size(); ++i) {
    const LoadedRun& run = *material.runs[i];
    samples.panels.push_back(cloud(run_name(run), material.samples[i]));
    densities.panels.push_back(
        grid_of(run_name(run), model_density(run, material.pool), x_range, y_range));
  }
  add_picture(pictures, material, samples, "samples", "Points drawn from each, on equal axes.");
  std::string caption = "The same colours mean the same density.";
  if (densities.colour_range)
    caption += " The scale ends a little above the target's largest density.";
  if (!material.points_context.empty())
    caption += material.runs.front()->model->classes().empty()
                   ? " The condition has its mean."
                   : " A class-conditional base stands at its first class.";
  if (std::any_of(densities.panels.begin(), densities.panels.end(), [](const Grid& grid) {
        return !std::all_of(grid.values.begin(), grid.values.end(),
                            [](double value) { return std::isfinite(value); });
      }))
    caption += " Grey: so far off that the flow's latent point overflows.";
  add_picture(pictures, material, densities, "densities", caption);
}

void add_pairs(std::vector<Picture>& pictures, const Material& material) {
  for (std::size_t i = 0; i < material.runs.size(); ++i) {
    PairPlot plot;
    plot.title = run_name(*material.runs[i]);
    plot.columns = material.columns;
    plot.data = material.points;
    plot.model = material.samples[i];
    plot.data_name = material.data_name;
    add_picture(pictures, material, plot, fmt::format("pairs-{}", i),
                "Data below the diagonal, samples above it; the first six columns.");
  }
}

/// An empty plot of the latent plane.
HeatMapPlot latent_plane(std::string title) {
  HeatMapPlot plot;
  plot.title = std::move(title);
  plot.x_label = "z0";
  plot.y_label = "z1";
  plot.x_range = plot.y_range = {-4.0, 4.0};
  return plot;
}

/// What `build` makes of the latent plane's points.
Grid latent_grid(const LoadedRun& run, std::string title, const HeatMapPlot& plot,
                 const std::function<Value(Value)>& build, ThreadPool& pool) {
  return grid_of(std::move(title), row_function(run.model->parameters(), 2, build, pool),
                 plot.x_range, plot.y_range);
}

/// The usual context of a base, shared; empty if it takes none.
Value base_context(const LoadedRun& run, Graph& graph) {
  const std::int64_t features = run.model->flow().base().context_features();
  return features == 0 ? Value{} : graph.constant({features, 1}, run.usual_context());
}

/// What a resampled base has learnt to accept, in the latent plane.
void add_bases(std::vector<Picture>& pictures, const Material& material) {
  HeatMapPlot acceptance = latent_plane("Learned acceptance");
  acceptance.colour_range = {{0.0, 1.0}};
  std::vector<const LoadedRun*> runs;
  std::vector<std::string> names;
  for (const LoadedRun* run : material.runs) {
    const ResampledBase* base = run->model->resampled();
    if (base == nullptr) continue;
    runs.push_back(run);
    names.push_back(run_name(*run));
    acceptance.panels.push_back(latent_grid(
        *run, names.back(), acceptance,
        [&](Value z) { return base->acceptance(z, base_context(*run, *z.graph)); }, material.pool));
  }
  if (acceptance.panels.empty()) return;
  add_picture(pictures, material, acceptance, "acceptance",
              "The probability with which a draw of the proposal at z is accepted.");
  add_picture(pictures, material, base_maps(runs, names, material.pool), "base",
              "The density that comes of it, which the flow then bends into the data's.");
}

TextTable metrics_table(const Material& material, const std::vector<std::vector<Metric>>& metrics) {
  TextTable table;
  table.caption = "Figures on held-out points; log likelihoods are means in nats.";
  table.header = {"metric"};
  for (const LoadedRun* run : material.runs) table.header.push_back(run_name(*run));
  std::vector<const Metric*> all;
  for (const auto& of_run : metrics)
    for (const Metric& metric : of_run)
      if (std::none_of(all.begin(), all.end(),
                       [&](const Metric* known) { return known->name == metric.name; }))
        all.push_back(&metric);
  for (const Metric* of_any : all) {
    std::vector<std::string> row = {of_any->label};
    for (const auto& of_run : metrics) {
      const auto found = std::find_if(of_run.begin(), of_run.end(), [&](const Metric& metric) {
        return metric.name == of_any->name;
      });
      row.push_back(found == of_run.end() ? "-"
                    : found->error > 0.0
                        ? fmt::format("{:.4f} \u00b1 {:.4f}", found->value, found->error)
                        : fmt::format("{:.{}f}", found->value, std::min(found->decimals, 4)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

TextTable settings_table(const Material& material) {
  TextTable table;
  table.caption = "Settings in short; config.toml in each run's folder has all.";
  table.header = {"setting"};
  std::vector<std::vector<std::string>> rows = {{"points"},        {"flow"},  {"base"},
                                                {"parameters"},    {"steps"}, {"batch"},
                                                {"training time"}, {"seed"},  {"status"}};
  for (const LoadedRun* run : material.runs) {
    const RunOptions& options = run->options;
    table.header.push_back(run_name(*run));
    const std::string cells[] = {
        !options.data.path.empty() ? std::filesystem::path(options.data.path).filename().string()
        : !options.target.image.empty()
            ? std::filesystem::path(options.target.image).filename().string()
        : options.target.name.empty() ? options.target.energy + options.target.energy_library
                                      : options.target.name,
        fmt::format("{}, {} blocks", options.model.flow.kind, options.model.flow.blocks),
        options.model.base.kind,
        format_count(run->model->parameters().trainable_count()),
        format_count(run->manifest.steps),
        format_count(options.training.batch_size),
        format_duration(run->manifest.seconds),
        fmt::format("{}", options.training.seed),
        run->manifest.status};
    for (std::size_t row = 0; row < rows.size(); ++row) rows[row].push_back(cells[row]);
  }
  table.rows = std::move(rows);
  return table;
}

}  // namespace

HeatMapPlot density_maps(const std::vector<const LoadedRun*>& runs,
                         const std::vector<std::string>& names, ThreadPool& pool) {
  const std::shared_ptr<const Target> target = make_target(runs.front()->options.target);
  HeatMapPlot plot;
  plot.title = "Densities";
  plot.x_label = "x0";
  plot.y_label = "x1";
  plot.x_range = plot.y_range = {-target->half_width(), target->half_width()};
  std::string title = target->name();
  std::replace(title.begin(), title.end(), '_', ' ');
  Grid grid =
      grid_of(std::move(title), target_log_density(target, pool), plot.x_range, plot.y_range);
  const double cell = std::pow(2.0 * target->half_width() / kCells, 2);
  double sum = 0.0;
  for (double& value : grid.values) sum += cell * (value = std::exp(value));
  for (double& value : grid.values) value /= sum;
  // A spike of one model must not leave the rest in the dark.
  plot.colour_range = {{0.0, 1.3 * *std::max_element(grid.values.begin(), grid.values.end())}};
  plot.panels.push_back(std::move(grid));
  for (std::size_t i = 0; i < runs.size(); ++i)
    plot.panels.push_back(
        grid_of(names[i], model_density(*runs[i], pool), plot.x_range, plot.y_range));
  return plot;
}

ScatterPlot stage_maps(const LoadedRun& run, ThreadPool& pool) {
  constexpr std::int64_t kDraws = 4000;
  const Flow& flow = run.model->flow();
  const auto& transforms = flow.transforms();
  Graph graph(run.model->parameters());
  Value value = flow.base().draw(graph, 0);
  std::vector<Value> stages{value};
  std::vector<std::string> titles{"base"};
  const std::string block_prefix = "flow.";
  // The number of the stage that a transform of blocks belongs to; maps of columns end the last.
  const auto stage_of = [&](const Transform& transform) -> std::int64_t {
    if (!transform.name().starts_with(block_prefix)) return -1;
    return std::stoll(transform.name().substr(block_prefix.size())) /
           run.options.model.stochastic.every;
  };
  for (std::size_t i = 0; i < transforms.size(); ++i) {
    value = transforms[i]->forward(value).value;
    const bool moves = transforms[i]->stochastic();
    const Transform* next = i + 1 < transforms.size() ? transforms[i + 1].get() : nullptr;
    if (!moves && next != nullptr && !next->stochastic() &&
        (stage_of(*next) == -1 || stage_of(*next) == stage_of(*transforms[i])))
      continue;
    stages.push_back(value);
    titles.push_back(moves ? "random moves" : "couplings");
  }
  Executor<double> executor(std::make_shared<Program<double>>(graph, stages), pool);
  std::vector<std::vector<double>> rows(stages.size(), std::vector<double>(2 * kDraws));
  std::vector<double*> outputs;
  for (std::vector<double>& stage : rows) outputs.push_back(stage.data());
  RunArguments<double> arguments;
  arguments.parameters = run.model->parameters().flat().data();
  arguments.counts = {&kDraws, 1};
  arguments.outputs = outputs;
  executor.run(arguments);
  ScatterPlot plot;
  plot.title = run_name(run);
  plot.x_label = "x0";
  plot.y_label = "x1";
  for (std::size_t i = 0; i < rows.size(); ++i)
    plot.panels.push_back({titles[i], column_of(rows[i], 2, 0), column_of(rows[i], 2, 1)});
  return plot;
}

ScatterPlot sample_maps(const std::vector<const LoadedRun*>& runs,
                        const std::vector<std::string>& names, ThreadPool& pool) {
  const std::shared_ptr<const Target> target = make_target(runs.front()->options.target);
  ScatterPlot plot;
  plot.title = "Samples";
  plot.x_label = "x0";
  plot.y_label = "x1";
  const auto cloud = [](std::string title, const std::vector<double>& rows) {
    return PointCloud{std::move(title), column_of(rows, 2, 0), column_of(rows, 2, 1)};
  };
  plot.panels.push_back(
      cloud("true samples", target_samples(*target, 1, Stream::kEvaluation, 0, kSamples)));
  for (std::size_t i = 0; i < runs.size(); ++i)
    plot.panels.push_back(cloud(names[i], FlowSampler(*runs[i]->model, pool, 1).next(kSamples)));
  return plot;
}

HeatMapPlot base_maps(const std::vector<const LoadedRun*>& runs,
                      const std::vector<std::string>& names, ThreadPool& pool) {
  HeatMapPlot plot = latent_plane("Base density");
  for (std::size_t i = 0; i < runs.size(); ++i)
    plot.panels.push_back(latent_grid(
        *runs[i], names[i], plot,
        [&](Value z) {
          return exp(runs[i]->model->flow().base().log_prob(z, base_context(*runs[i], *z.graph)));
        },
        pool));
  return plot;
}

void write_run_report(const std::vector<const LoadedRun*>& runs,
                      const std::vector<std::vector<Metric>>& metrics,
                      const std::optional<PreparedData>& data, const std::string& folder,
                      ThreadPool& pool) {
  Material material{runs, data, pool};
  material.plots = std::filesystem::path(folder) / "plots";
  gather(material);
  std::vector<Picture> pictures;
  if (plotting_available()) {
    std::error_code error;
    std::filesystem::create_directories(material.plots, error);
    if (error)
      fail<DataError>("{}: cannot make the folder: {}", material.plots.string(), error.message());
    add_losses(pictures, material);
    if (material.features == 1) add_one_column(pictures, material);
    if (material.features == 2) {
      add_plane(pictures, material);
      add_bases(pictures, material);
    }
    if (material.features > 2) add_pairs(pictures, material);
  }

  std::vector<std::string> names;
  for (const LoadedRun* run : runs) names.push_back(run_name(*run));
  HtmlReport page(fmt::format("Thalweg: {}", fmt::join(names, ", ")),
                  fmt::format("{} columns, learnt from {}", material.features, material.data_name));
  page.section("Figures");
  page.table(metrics_table(material, metrics));
  if (!plotting_available())
    page.paragraph(
        "There are no pictures, since gnuplot was not found; install it and run "
        "`thalweg report` again.");
  for (const Picture& picture : pictures) {
    page.section(picture.title);
    page.picture(picture.stem.string() + ".png", picture.caption);
  }
  if (data && !data->notes.empty()) {
    page.section("About the data");
    for (const std::string& note : data->notes) page.paragraph(note);
  }
  page.section("Settings");
  page.table(settings_table(material));
  page.write(std::filesystem::path(folder) / "report.html");
}

}  // namespace thalweg

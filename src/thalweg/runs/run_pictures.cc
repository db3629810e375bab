#include "thalweg/runs/run_pictures.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/particle_observables.h"
#include "thalweg/runs/energy_picture.h"
#include "thalweg/runs/force_pictures.h"
#include "thalweg/runs/molecule_pictures.h"
#include "thalweg/runs/particle_metrics.h"
#include "thalweg/runs/run_tables.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

std::vector<double> column_of(const std::vector<double>& rows, std::int64_t width,
                              std::int64_t column) {
  std::vector<double> result;
  for (std::size_t i = static_cast<std::size_t>(column); i < rows.size();
       i += static_cast<std::size_t>(width))
    result.push_back(rows[i]);
  return result;
}

/// How the axis of a column is to be: with its texts, or logarithmic where positive values reach
/// over decades, and farther up than down.
ColumnScale scale_of(const ColumnOptions& column, std::vector<double> values) {
  if (!column.labels.empty()) return {.texts = column.labels};
  std::erase_if(values, [](double value) { return std::isnan(value); });
  std::ranges::sort(values);
  if (column.periodic) return {.range = {{column.lower, column.upper}}};
  if (!column.date.empty() || values.empty() || values.front() <= 0.0) return {};
  constexpr double kRange = 100.0, kAbove = 10.0;
  const double high = sorted_quantile(values, 0.995);
  return {.logarithmic = high > kRange * sorted_quantile(values, 0.005) &&
                         high > kAbove * sorted_quantile(values, 0.5)};
}

/// Samples of a model drawn again by their weights: as good a picture of an energy as there is.
std::vector<double> reweighted_samples(const LoadedRun& run,
                                       const std::shared_ptr<const Target>& target,
                                       std::int64_t count, ThreadPool& pool) {
  const WeightedSamples samples = weighted_samples(run, target, count, 1, pool);
  std::vector<double> log_weights = samples.log_weights();
  for (double& value : log_weights)
    if (!(value < INFINITY)) value = -INFINITY;  // What has no weight is not drawn.
  // Without any weight there is nothing but what the flow draws.
  if (std::ranges::all_of(log_weights, [](double value) { return value == -INFINITY; }))
    return samples.x;
  const auto features = static_cast<std::ptrdiff_t>(target->features());
  std::vector<double> result;
  for (const std::int64_t row : resampled_rows(log_weights, 0.5)) {
    const auto from = samples.x.begin() + row * features;
    result.insert(result.end(), from, from + features);
  }
  return result;
}

/// Draws the pictures of one set of runs.
class Pictures {
 public:
  Pictures(const std::vector<NamedRun>& runs, const std::optional<PreparedData>& data,
           std::filesystem::path folder, ThreadPool& pool, std::int64_t most)
      : runs_(runs), data_(data), folder_(std::move(folder)), pool_(pool), most_(most) {
    const LoadedRun& first = *runs.front().run;
    features_ = first.model->flow().features();
    for (const ColumnOptions& column : first.options.model.columns) columns_.push_back(column.name);
    if (columns_.empty()) columns_ = default_names(features_);
    gather_points(first);
    const std::vector<ColumnOptions>& options = first.options.model.columns;
    for (std::size_t column = 0; column < columns_.size(); ++column)
      scales_.push_back(options.empty() ? ColumnScale{}
                                        : scale_of(options[column],
                                                   column_of(points_, features_,
                                                             static_cast<std::int64_t>(column))));
    // An exploration may have more points than are drawn.
    const std::int64_t points = static_cast<std::int64_t>(points_.size()) / features_;
    const std::int64_t count = context_.empty() ? std::min(most_, points) : points;
    for (const NamedRun& each : runs)
      samples_.push_back(
          FlowSampler(*each.run->model, pool, 1, each.run->precision()).next(count, context_));
  }

  std::vector<RunPicture> draw() {
    add_losses();
    add_forces();
    if (features_ == 1) add_histograms();
    // Rows without a centre of mass are on a line of the plane.
    const bool plane = features_ == 2 && !is_mean_free(first_run().options.model);
    if (plane) {
      add_plane();
      add_bases();
    }
    // Columns of particles with species are of other ones in each row.
    if (features_ > 1 && !plane && first_run().options.model.flow.species.empty()) add_pairs();
    if (particle_dimensions(first_run()) > 0) add_particles();
    for (std::size_t i = 0; i < runs_.size(); ++i)
      if (runs_[i].run->model->flow().coordinates() != nullptr)
        for (RunPicture& picture :
             draw_molecule_pictures(*runs_[i].run, runs_.size() > 1 ? runs_[i].name : "", points_,
                                    samples_[i], folder_, pool_))
          pictures_.push_back(std::move(picture));
    return std::move(pictures_);
  }

 private:
  /// Points to set the runs' samples beside, and their name in words.
  void gather_points(const LoadedRun& first) {
    if (data_) {
      const auto count = std::min(static_cast<std::size_t>(most_), data_->train.size());
      const std::vector<std::int64_t> learnt = data_->training_rows(1);
      const std::span<const std::int64_t> rows = std::span(learnt).first(count);
      points_ = take_rows(data_->x, data_->features(), rows);
      if (!data_->forces.empty())
        forces_ = take_rows(data_->forces, std::ssize(data_->forces) / data_->rows, rows);
      context_ = take_rows(data_->context, data_->context_features(), rows);
      points_name_ = "data";
      return;
    }
    const std::shared_ptr<const Target> target = first.target();
    if (target->can_sample()) {
      points_ = target_samples(*target, 1, Stream::kEvaluation, 0, most_);
      points_name_ = "exact samples";
    } else {
      if (std::optional<Exploration> exploration = first.exploration()) {
        points_ = std::move(exploration->x);
        points_name_ = "samples of the exploration";
      } else {
        points_ = reweighted_samples(first, target, most_, pool_);
        points_name_ = "reweighted samples";
        reweighted_ = true;
      }
      if (target->half_width() > 0.0) half_width_ = target->half_width();
    }
  }

  template <typename Plot>
  void add(const Plot& plot, const std::string& name, std::string caption) {
    const std::filesystem::path stem = folder_ / name;
    write_plot(plot, stem);
    pictures_.push_back({plot.title, std::move(caption), stem.string() + ".png"});
  }

  /// The interval that holds all but the outermost 0.2 % of a column's points on each side,
  /// widened.
  std::array<double, 2> plot_range(std::int64_t column) const {
    std::vector<double> values = column_of(points_, features_, column);
    std::erase_if(values, [](double value) { return std::isnan(value); });  // missing ones
    std::sort(values.begin(), values.end());
    const std::size_t cut = values.size() / 500;
    const double low = values[cut], high = values[values.size() - 1 - cut];
    const double margin = std::max(0.1 * (high - low), 1e-12 * std::max(std::abs(low), 1e-300));
    std::array<double, 2> range{std::min(low - margin, -half_width_),
                                std::max(high + margin, half_width_)};
    const std::vector<ColumnOptions>& columns = first_run().options.model.columns;
    if (columns.empty()) return range;
    const ColumnOptions& own = columns[static_cast<std::size_t>(column)];
    if (own.periodic) return {own.lower, own.upper};
    return {std::max(range[0], own.lower), std::min(range[1], own.upper)};
  }

  void add_losses() {
    const auto kind_of = [](const NamedRun& each) -> const ObjectiveKind& {
      return objective_kinds().find("training.objective", each.run->options.training.objective);
    };
    const bool likelihood = std::ranges::all_of(runs_, &ObjectiveKind::is_likelihood, kind_of);
    LineChart training{.title = "Training", .x_label = "step"};
    LineChart validation{
        .title = "Validation", .x_label = "step", .y_label = "negative log likelihood, nats"};
    bool falls = true, annealed = false;
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const LoadedRun& run = *runs_[i].run;
      if (run.manifest.steps == 0) continue;
      const TrainingOptions& options = run.options.training;
      const ObjectiveKind& objective = kind_of(runs_[i]);
      const bool alike = training.series.empty() || training.y_label == objective.loss;
      training.y_label = alike ? objective.loss : "loss, of each objective its own";
      annealed |= objective.needs_target && options.annealing_steps > 0;
      falls &= objective.falls;
      const Table metrics = load_table(run.folder.metrics());
      const auto column = [&](const char* name) {
        const auto found = std::find(metrics.names.begin(), metrics.names.end(), name);
        if (found == metrics.names.end())
          fail<DataError>("{}: lacks column '{}'", run.folder.metrics(), name);
        return column_of(metrics.values, metrics.columns(), found - metrics.names.begin());
      };
      const std::string prefix = runs_.size() > 1 ? runs_[i].name + ", " : "";
      LineSeries losses{.name = prefix + "training",
                        .x = column("step"),
                        .y = column("loss"),
                        .style = LineStyle::kFaint,
                        .colour = i};
      LineSeries validated{.name = prefix + "validation", .colour = i};
      const std::vector<double> values = column("validation_loss");
      for (std::size_t row = 0; row < values.size(); ++row)
        if (std::isfinite(values[row])) {
          validated.x.push_back(losses.x[row]);
          validated.y.push_back(values[row]);
        }
      if (validated.x.empty() || !likelihood) losses.style = LineStyle::kSolid;
      training.series.push_back(std::move(losses));
      if (!validated.x.empty())
        (likelihood ? training : validation).series.push_back(std::move(validated));
    }
    if (training.series.empty()) return;
    std::string caption = falls ? "The lower, the better"
                                : "What the objective weighs against the likelihood: it may rise "
                                  "while the model gets better";
    if (annealed) caption += " once annealing is over; until then the target itself changes";
    if (likelihood && training.series.size() > runs_.size())
      caption += "; a gap between training and validation is overfitting";
    add(training, "losses", caption + ".");
    if (!validation.series.empty())
      add(validation, "validation",
          "Of rows that are not trained on. The lower, the better; where it rises again, that is "
          "overfitting.");
  }

  /// At points, of models that learnt forces; a molecule has pictures of its own.
  void add_forces() {
    constexpr std::int64_t kRows = 2000;
    ScatterPlot plot{.title = "Forces",
                     .x_label = forces_.empty() ? "energy, kT per unit" : "data, kT per unit",
                     .y_label = "flow, kT per unit"};
    const std::size_t rows = std::min(points_.size(), static_cast<std::size_t>(kRows * features_));
    const std::span<const double> points(points_.data(), rows);
    for (const NamedRun& each : runs_) {
      const LoadedRun& run = *each.run;
      if (!objective_kinds()
               .find("training.objective", run.options.training.objective)
               .takes_forces ||
          run.model->flow().coordinates() != nullptr || points.empty())
        continue;
      std::optional<RunForces> forces;
      if (forces_.empty()) {
        forces = forces_of(run, points, pool_);
      } else if (auto own = model_forces(
                     run, points,
                     std::span(context_).first(
                         rows / static_cast<std::size_t>(features_) *
                         static_cast<std::size_t>(run.model->flow().context_features())),
                     pool_)) {
        forces = RunForces{std::move(*own),
                           {forces_.begin(), forces_.begin() + static_cast<std::ptrdiff_t>(rows)}};
      }
      if (forces) add_force_cloud(plot, each.name, std::move(*forces));
    }
    if (!plot.panels.empty())
      add(plot, "forces",
          "Slopes of the log density at " + words_of_points() +
              " beside those that they are to be, one dot a component.");
  }

  void add_histograms() {
    const std::array<double, 2> range = plot_range(0);
    // Where an axis is logarithmic, values are positive.
    double least = INFINITY;
    for (const double value : points_) least = std::min(least, std::isnan(value) ? least : value);
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      HistogramPlot plot{.title = runs_[i].name,
                         .x_label = columns_[0],
                         .x_scale = scales_[0],
                         .data = points_,
                         .model = samples_[i],
                         .data_name = points_name_};
      std::string caption = "Samples of the model beside " + words_of_points();
      if (context_.empty() && scales_[0].texts.empty()) {
        for (int cell = 0; cell < 1000; ++cell) {
          const double share = (cell + 0.5) / 1000.0;
          plot.density_x.push_back(scales_[0].logarithmic
                                       ? least * std::pow(range[1] / least, share)
                                       : range[0] + (range[1] - range[0]) * share);
        }
        plot.density_y = model_density(*runs_[i].run, pool_)(plot.density_x);
        caption += ", and its density as a line";
      }
      add(plot, fmt::format("histogram-{}", i), caption + "." + words_of_scales());
    }
  }

  void add_plane() {
    ScatterPlot samples{.title = "Samples",
                        .x_label = columns_[0],
                        .y_label = columns_[1],
                        .x_scale = scales_[0],
                        .y_scale = scales_[1]};
    samples.panels.push_back(plane_cloud(points_name_, points_));
    for (std::size_t i = 0; i < runs_.size(); ++i)
      samples.panels.push_back(plane_cloud(runs_[i].name, samples_[i]));
    std::string drawn = "Points drawn from each, on equal axes";
    if (reweighted_) drawn += "; those of the energy are the first model's, by their weights";
    add(samples, "samples", drawn + "." + words_of_scales());
    // Texts have masses, of which a map of densities would show coordinates.
    if (!scales_[0].texts.empty() || !scales_[1].texts.empty()) return;

    HeatMapPlot densities{.title = "Densities",
                          .x_label = columns_[0],
                          .y_label = columns_[1],
                          .x_range = plot_range(0),
                          .y_range = plot_range(1)};
    if (!data_) {
      const RunOptions& options = runs_.front().run->options;
      add_target_density(densities, source_name(options), runs_.front().run->target(), pool_);
    }
    add_model_densities(densities, runs_, pool_);
    std::string caption = "The same colours mean the same density.";
    if (densities.colour_range)
      caption += " The scale ends a little above the target's largest density.";
    if (!context_.empty())
      caption += runs_.front().run->model->classes().empty()
                     ? " The condition has its mean."
                     : " A class-conditional base stands at its first class.";
    if (std::any_of(densities.panels.begin(), densities.panels.end(), [](const Grid& grid) {
          return !std::all_of(grid.values.begin(), grid.values.end(),
                              [](double value) { return std::isfinite(value); });
        }))
      caption += " Grey: so far off that the flow's latent point overflows.";
    add(densities, "densities", std::move(caption));
  }

  /// What resampled bases have learnt to accept, in the latent plane.
  void add_bases() {
    const HeatMapPlot acceptance = acceptance_maps(runs_, pool_);
    if (acceptance.panels.empty()) return;
    add(acceptance, "acceptance",
        "The probability with which a draw of the proposal at z is accepted.");
    std::vector<NamedRun> resampled;
    for (const NamedRun& each : runs_)
      if (each.run->model->resampled() != nullptr) resampled.push_back(each);
    add(base_maps(resampled, pool_), "base",
        fmt::format("The density that comes of it, which the flow then bends into {}.",
                    data_ ? "that of the data" : "the target's"));
  }

  void add_pairs() {
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const PairPlot plot{.title = runs_[i].name,
                          .columns = columns_,
                          .scales = scales_,
                          .data = points_,
                          .model = samples_[i],
                          .data_name = points_name_};
      add(plot, fmt::format("pairs-{}", i),
          fmt::format("Below the diagonal {}, above it samples of the model{}.{}",
                      words_of_points(), features_ > 6 ? "; the first six columns" : "",
                      words_of_scales()));
    }
  }

  /// Energies, where they are known, and distances: what turns and orders of particles leave.
  void add_particles() {
    const std::int64_t dimensions = particle_dimensions(first_run());
    const auto histogram = [&](const std::string& title, const char* label,
                               std::vector<double> data, std::vector<double> model) {
      return HistogramPlot{.title = title,
                           .x_label = label,
                           .data = std::move(data),
                           .model = std::move(model),
                           .data_name = points_name_};
    };
    const std::vector<double> known = whole_particles(first_run(), points_);
    for (std::size_t i = 0; i < runs_.size(); ++i) {
      const LoadedRun& run = *runs_[i].run;
      const std::vector<double> drawn = whole_particles(run, samples_[i]);
      const std::string of = runs_.size() > 1 ? ", " + runs_[i].name : "";
      const std::vector<double> theirs = particle_distances(run, known, context_);
      const std::vector<double> own = particle_distances(run, drawn, context_);
      add(histogram("Distances" + of, "distance", theirs, own), fmt::format("distances-{}", i),
          "Distances of all pairs of particles, of samples of the model beside " +
              words_of_points() + ".");
      add_radial_distributions("Radial distribution" + of, theirs, own, dimensions,
                               fmt::format("radial-{}", i));
      const std::vector<double> energies = particle_energies(run, drawn);
      if (energies.empty()) continue;
      EnergyPicture picture = energy_picture("Sample energies" + of, words_of_points(),
                                             particle_energies(run, known), energies);
      picture.plot.data_name = points_name_;
      add(picture.plot, fmt::format("energies-{}", i), std::move(picture.caption));
    }
  }

  void add_radial_distributions(const std::string& title, const std::vector<double>& known,
                                const std::vector<double>& drawn, std::int64_t dimensions,
                                const std::string& name) {
    constexpr std::int64_t kShells = 120;
    if (known.empty() || drawn.empty()) return;
    // A few particles far away would widen the axis.
    constexpr double kShown = 0.999;
    std::vector<double> sorted = known;
    std::ranges::sort(sorted);
    const double furthest = sorted_quantile(sorted, kShown);
    LineChart chart{.title = title, .x_label = "distance", .y_label = "density around a particle"};
    for (const auto& [label, distances] :
         {std::pair{points_name_.c_str(), &known}, {"model", &drawn}}) {
      const RadialDistribution radial =
          radial_distribution(*distances, dimensions, furthest, kShells);
      chart.series.push_back({.name = label, .x = radial.radius, .y = radial.density});
    }
    add(chart, name,
        "How densely space is filled around a particle, per other particle and unit of volume, by "
        "samples of the model and by " +
            words_of_points() + ".");
  }

  const LoadedRun& first_run() const { return *runs_.front().run; }

  /// A sentence on axes that are logarithmic, of the six columns that pictures show.
  std::string words_of_scales() const {
    std::vector<std::string> logarithmic;
    for (std::size_t column = 0; column < std::min<std::size_t>(6, columns_.size()); ++column)
      if (scales_[column].logarithmic) logarithmic.push_back(columns_[column]);
    return logarithmic.empty()
               ? ""
               : fmt::format(" Axes are logarithmic of {}.", fmt::join(logarithmic, ", "));
  }

  std::string words_of_points() const { return data_ ? "the data" : points_name_; }

  const std::vector<NamedRun>& runs_;
  const std::optional<PreparedData>& data_;
  std::filesystem::path folder_;
  ThreadPool& pool_;
  std::int64_t most_ = 0;  // samples
  std::int64_t features_ = 0;
  std::vector<std::string> columns_;
  std::vector<double> forces_;       // that came with the points
  std::vector<ColumnScale> scales_;  // of their axes
  std::string points_name_;
  bool reweighted_ = false;                   // the points are a model's own
  double half_width_ = -INFINITY;             // the pictures show at least this far from 0
  std::vector<double> points_, context_;      // of the data or the target, with their conditions
  std::vector<std::vector<double>> samples_;  // of each run
  std::vector<RunPicture> pictures_;
};

}  // namespace

std::vector<RunPicture> draw_run_pictures(const std::vector<NamedRun>& runs,
                                          const std::optional<PreparedData>& data,
                                          const std::filesystem::path& folder, std::int64_t samples,
                                          ThreadPool& pool) {
  return Pictures(runs, data, folder, pool, samples).draw();
}

}  // namespace thalweg

#include "thalweg/metrics/model_check.h"

#include <Eigen/LU>
#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/free_form_flow.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/metrics/free_form_check.h"
#include "thalweg/metrics/grid_divergence.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {

namespace {

constexpr std::int64_t kCells = 200000;  // of an integral over a line

Verdict judge(double value, double good, double doubtful) {
  // NaN is broken.
  return value <= good ? Verdict::kGood : value <= doubtful ? Verdict::kDoubtful : Verdict::kBroken;
}

/// Rows with finite values, and how many were left out.
struct Points {
  std::int64_t features = 0;
  std::vector<double> x;
  std::vector<double> low, high, deviation;

  std::int64_t rows() const { return static_cast<std::int64_t>(x.size()) / features; }
};

Points finite_points(const std::vector<double>& samples, std::int64_t features) {
  Points points;
  points.features = features;
  const auto width = static_cast<std::size_t>(features);
  for (std::size_t begin = 0; begin < samples.size(); begin += width) {
    const auto row = samples.begin() + static_cast<std::ptrdiff_t>(begin);
    if (std::all_of(row, row + features, [](double value) { return std::isfinite(value); }))
      points.x.insert(points.x.end(), row, row + features);
  }
  for (std::size_t column = 0; column < width; ++column) {
    double low = INFINITY, high = -INFINITY, mean = 0.0, square = 0.0;
    const auto count = static_cast<double>(points.rows());
    for (std::size_t i = column; i < points.x.size(); i += width) {
      low = std::min(low, points.x[i]);
      high = std::max(high, points.x[i]);
      mean += points.x[i] / count;
    }
    for (std::size_t i = column; i < points.x.size(); i += width)
      square += (points.x[i] - mean) * (points.x[i] - mean) / count;
    points.low.push_back(low);
    points.high.push_back(high);
    points.deviation.push_back(std::max(std::sqrt(square), 1e-300));
  }
  return points;
}

std::vector<double> repeated(std::span<const double> row, std::int64_t count) {
  std::vector<double> result;
  result.reserve(row.size() * static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) result.insert(result.end(), row.begin(), row.end());
  return result;
}

/// Largest |x - forward(inverse(x))| in units of the columns' deviations.
double round_trip_error(DensityEvaluator& evaluator, const Points& points,
                        std::span<const double> context) {
  const std::vector<double> given = repeated(context, points.rows());
  const std::vector<double> z = evaluator.to_latent(points.x, given);
  const std::vector<bool> unknown = evaluator.makeshift();  // of which another finding tells
  const std::vector<double> back = evaluator.to_data(z, given);
  const auto width = static_cast<std::size_t>(points.features);
  double worst = 0.0;
  for (std::size_t i = 0; i < back.size(); ++i) {
    if (!unknown.empty() && unknown[i / width]) continue;
    const double error = std::abs(back[i] - points.x[i]) / points.deviation[i % width];
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

/// Largest difference of log|det dz/dx| from that of the Jacobian by forward derivatives, of `most`
/// rows.
double log_det_error(DensityEvaluator& evaluator, const Points& points,
                     std::span<const double> context, std::int64_t most, ThreadPool& pool) {
  const Model& model = evaluator.model();
  const std::int64_t features = points.features;
  const auto width = static_cast<std::size_t>(features);
  const std::int64_t rows = std::min(points.rows(), most);
  Graph graph(model.parameters());
  const Value x = graph.input({features, 1});
  const Value direction = graph.input({features, 1});
  const Value given =
      context.empty() ? Value{} : graph.input({static_cast<std::int64_t>(context.size()), 1});
  const Value z = model.flow().inverse(x, given).value;
  RowMap derivative(graph, jvp({z}, {x}, {direction}), pool);

  // Each point with each column's direction, one deviation long so that units far apart do not
  // spoil the determinant.
  std::vector<double> repeated_points, directions;
  double log_scale = 0.0;
  for (const double deviation : points.deviation) log_scale -= std::log(deviation);
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::size_t column = 0; column < width; ++column) {
      const auto begin = points.x.begin() + row * features;
      repeated_points.insert(repeated_points.end(), begin, begin + features);
      directions.resize(directions.size() + width, 0.0);
      directions[directions.size() - width + column] = points.deviation[column];
    }
  const std::int64_t count = rows * features;
  const std::vector<double> contexts = standardised_context(model, repeated(context, count));
  const std::vector<double> columns =
      derivative({.rows = count, .inputs = {repeated_points, directions, contexts}});

  std::vector<double> log_det;
  evaluator.to_latent(std::span(points.x).first(static_cast<std::size_t>(rows * features)),
                      repeated(context, rows), &log_det);
  const std::vector<bool> unknown = evaluator.makeshift();
  double worst = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    if (!unknown.empty() && unknown[static_cast<std::size_t>(row)]) continue;
    const Eigen::Map<const Eigen::MatrixXd> jacobian(columns.data() + row * features * features,
                                                     features, features);
    const Eigen::MatrixXd factors = Eigen::PartialPivLU<Eigen::MatrixXd>(jacobian).matrixLU();
    const double expected = factors.diagonal().array().abs().log().sum() + log_scale;
    const double error = std::abs(log_det[static_cast<std::size_t>(row)] - expected);
    if (!(error <= worst)) worst = error;
  }
  return worst;
}

bool within_bounds(const Model& model, std::size_t column, double value) {
  const std::vector<ColumnOptions>& columns = model.options().columns;
  return columns.empty() || (value > columns[column].lower && value < columns[column].upper);
}

/// Points with uniform columns in boxes around the samples, 2, 4, ... 64 times as wide as these
/// reach, within bounds; in each at most as many as there are samples.
std::vector<double> distant_points(const Model& model, const Points& points, std::uint64_t seed) {
  constexpr std::int64_t kMostPerBox = 4096;
  const auto per_box = static_cast<std::uint64_t>(std::min(kMostPerBox, points.rows()));
  const auto width = static_cast<std::size_t>(points.features);
  std::vector<double> x;
  double factor = 2.0;
  for (std::uint64_t box = 0; box < 6; ++box, factor *= 2.0)
    for (std::uint64_t row = 0; row < per_box; ++row) {
      RandomSequence random(seed, Stream::kEvaluation, box * kMostPerBox + row);
      for (std::size_t column = 0; column < width; ++column) {
        const double middle = 0.5 * (points.low[column] + points.high[column]);
        const double half = 0.5 * factor * (points.high[column] - points.low[column]);
        const double value = middle + half * (2.0 * random.uniform() - 1.0);
        // Beyond a bound there is nothing: the middle is within.
        x.push_back(within_bounds(model, column, value) ? value : middle);
      }
    }
  return x;
}

GridIntegral integral_around(DensityEvaluator& evaluator, const Points& points,
                             std::span<const double> context) {
  const auto centre = [&](std::size_t column) {
    return 0.5 * (points.low[column] + points.high[column]);
  };
  const auto half = [&](std::size_t column) { return points.high[column] - points.low[column]; };
  const auto in_bounds = [&](std::size_t column, double value) {
    return within_bounds(evaluator.model(), column, value);
  };
  if (points.features == 1) {
    const std::int64_t cells = std::min(kCells, evaluator.affordable_rows());
    const double step = 2.0 * half(0) / static_cast<double>(cells);
    std::vector<double> x;
    for (std::int64_t cell = 0; cell < cells; ++cell) {
      const double value = centre(0) - half(0) + step * (static_cast<double>(cell) + 0.5);
      if (in_bounds(0, value)) x.push_back(value);
    }
    GridIntegral result;
    for (const double value :
         evaluator.log_prob(x, repeated(context, static_cast<std::int64_t>(x.size())))) {
      const double density = std::exp(value);
      if (std::isfinite(density))
        result.value += density * step;
      else
        ++result.non_finite;
    }
    return result;
  }
  const double log_area = std::log(half(0)) + std::log(half(1));
  return grid_integral(
      [&](std::span<const double> unit) {
        std::vector<double> x(unit.size());
        for (std::size_t i = 0; i < unit.size(); ++i) x[i] = centre(i % 2) + half(i % 2) * unit[i];
        std::vector<double> result =
            evaluator.log_prob(x, repeated(context, static_cast<std::int64_t>(unit.size() / 2)));
        for (std::size_t row = 0; row < result.size(); ++row)
          result[row] = in_bounds(0, x[2 * row]) && in_bounds(1, x[2 * row + 1])
                            ? result[row] + log_area
                            : -INFINITY;
        return result;
      },
      1.0, evaluator.affordable_cells(1000));
}

}  // namespace

GridIntegral density_integral(DensityEvaluator& evaluator, const std::vector<double>& samples,
                              std::span<const double> context) {
  const Points points = finite_points(samples, evaluator.model().flow().features());
  if (points.features > 2)
    fail<ShapeError>("density_integral: expected 1 or 2 columns, got {}", points.features);
  if (points.rows() == 0)
    fail<NumericalError>("density_integral: no sample of the model is finite");
  return integral_around(evaluator, points, context);
}

std::vector<Finding> check_model(const Model& model, std::span<const double> context,
                                 std::int64_t rows, std::uint64_t seed, ThreadPool& pool,
                                 Precision precision) {
  std::vector<Finding> findings;
  const auto add = [&](std::string name, double value, std::string text, Verdict verdict,
                       std::string meaning) {
    findings.push_back({std::move(name), value, std::move(text), verdict, std::move(meaning)});
  };
  DensityEvaluator in_double(model, pool, Precision::kDouble);
  std::optional<DensityEvaluator> in_float;
  if (precision == Precision::kFloat) in_float.emplace(model, pool, precision);
  DensityEvaluator& evaluator = in_float ? *in_float : in_double;
  constexpr std::int64_t kFewest = 16, kMost = 8192, kDensities = 8;
  if (rows == 0) rows = std::clamp(evaluator.affordable_rows() / kDensities, kFewest, kMost);
  WorkPart part("examining: samples");
  FlowSampler sampler(model, pool, seed, precision);
  const std::vector<double> samples = sampler.next(rows, repeated(context, rows));
  const SamplingStatistics& statistics = sampler.statistics();
  const double non_finite =
      static_cast<double>(statistics.non_finite) / static_cast<double>(statistics.samples);
  add("samples not finite", non_finite, fmt::format("{:.3g} %", 100.0 * non_finite),
      judge(non_finite, 0.0, 1e-3),
      "Share of samples with a NaN or an infinity; a sound model has none.");

  // Values that stand for an interval are judged in the middle of it.
  std::vector<double> inner = samples;
  centre_in_intervals(model.options().columns, inner);
  const Points points = finite_points(inner, model.flow().features());
  if (points.rows() == 0) return findings;

  part.rename("examining: densities");
  std::int64_t bad = 0;
  for (const double value : evaluator.log_prob(points.x, repeated(context, points.rows())))
    if (!std::isfinite(value)) ++bad;
  const double bad_share = static_cast<double>(bad) / static_cast<double>(points.rows());
  add("densities not finite", bad_share, fmt::format("{:.3g} %", 100.0 * bad_share),
      judge(bad_share, 0.0, 1e-3),
      "Share of the model's own samples at which its log density is not finite.");

  part.rename("examining: densities far away");
  const std::vector<double> distant = distant_points(model, points, seed);
  std::int64_t undefined = 0;
  const std::int64_t distant_rows = static_cast<std::int64_t>(distant.size()) / points.features;
  for (const double value : evaluator.log_prob(distant, repeated(context, distant_rows)))
    if (std::isnan(value) || value == INFINITY) ++undefined;
  const double undefined_share = static_cast<double>(undefined) / static_cast<double>(distant_rows);
  add("densities far away", undefined_share, fmt::format("{:.3g} %", 100.0 * undefined_share),
      judge(undefined_share, 0.0, 1e-3),
      "Share without a density (NaN or infinite) among points in boxes 2 to 64 times as wide as "
      "the "
      "samples reach.");

  part.rename("examining: the inverse");
  // A stochastic layer draws anew on the way back.
  if (!model.flow().stochastic()) {
    const double exact = round_trip_error(in_double, points, context);
    add("round trip, double", exact, fmt::format("{:.2g}", exact), judge(exact, 1e-6, 1e-3),
        "Largest distance between x and forward(inverse(x)), in deviations of a column; beyond "
        "1e-3 "
        "the flow does not invert itself.");
    if (in_float) {
      const double single = round_trip_error(*in_float, points, context);
      add("round trip, float", single, fmt::format("{:.2g}", single), judge(single, 1e-2, 0.1),
          "The same in single precision, as samples are drawn; where it is large, use --precision "
          "double.");
    }
    const double determinant =
        log_det_error(in_double, points, context,
                      std::clamp<std::int64_t>(evaluator.affordable_rows() / 100, 2, 16), pool);
    add("log-determinant", determinant, fmt::format("{:.2g}", determinant),
        judge(determinant, 1e-4, 1e-2),
        "Largest difference in nats from the determinant of the whole Jacobian; beyond 0.01 "
        "densities "
        "are wrong.");
  }
  if (has_continuous(model.flow())) {
    const double missed =
        static_cast<double>(statistics.unsolved) / static_cast<double>(statistics.samples);
    add("samples too coarse", missed, fmt::format("{:.3g} %", 100.0 * missed),
        judge(missed, 1e-3, 0.05),
        "Share of samples that may be off by more than a thousandth of their size by the estimate "
        "of the integration itself; a larger flow.steps in config.toml cures it.");
    in_double.log_prob(points.x, repeated(context, points.rows()));
    const double coarse =
        static_cast<double>(in_double.unsolved()) / static_cast<double>(points.rows());
    add("integration too coarse", coarse, fmt::format("{:.3g} %", 100.0 * coarse),
        judge(coarse, 1e-3, 0.05),
        "Share of samples whose log density may be off by more than 0.01 nats by the estimate of "
        "the integration itself; a larger flow.steps in config.toml, without training, cures it.");
  }
  if (has_free_form(model.flow())) {
    part.rename("examining: encoder and decoder");
    const FreeFormCheck check =
        check_free_form(model, points.x, repeated(context, points.rows()), seed, pool);
    const double unsolved =
        static_cast<double>(check.unsolved()) / static_cast<double>(points.rows());
    add("no latent point found", unsolved, fmt::format("{:.3g} %", 100.0 * unsolved),
        judge(unsolved, 1e-3, 0.05),
        "Share of samples x for which the search for z with g(z) = x fails; their log densities "
        "are makeshifts, those at f(x).");
    add("reconstruction", check.reconstruction, fmt::format("{:.2g}", check.reconstruction),
        judge(check.reconstruction, 0.1, 0.5),
        "|g(f(x)) - x|, root mean square in deviations of the columns: how far the encoder is from "
        "inverting the decoder, which exact densities do not depend on.");
    add("encoder of decoder", check.latent, fmt::format("{:.2g}", check.latent),
        judge(check.latent, 0.3, 1.0),
        "Median of |f(g(z)) - z|; where it is large, the decoder may bring different z to the same "
        "x, and densities of samples miss a part.");
    add("Jacobians", check.jacobian, fmt::format("{:.2g}", check.jacobian),
        judge(check.jacobian, 0.5, 1e9),
        "|J_g J_f - I|, root mean square, which bounds the error of the gradient that the flow was "
        "trained by.");
    double difference = 0.0;
    for (std::size_t row = 0; row < check.exact.size(); ++row)
      difference += (check.decoder[row] - check.exact[row]) / static_cast<double>(points.rows());
    add("density as published", difference, fmt::format("{:+.3g} nats", difference),
        judge(std::abs(difference), 0.05, 1e9),
        "Mean difference of the log density by the decoder's Jacobian at f(x) from the exact one; "
        "doubtful where it is not to be believed.");
  }
  part.rename("examining: the integral");
  // The density of paths is an estimate, whose noise hides what a grid says.
  if (points.features <= 2 && model.options().stochastic.kinds.empty() &&
      !is_mean_free(model.options())) {
    const GridIntegral integral = integral_around(in_double, points, context);
    add("integral", integral.value,
        fmt::format("{:.5f}, {} points not finite", integral.value, integral.non_finite),
        std::max(judge(std::abs(integral.value - 1.0), 1e-2, 5e-2),
                 judge(static_cast<double>(integral.non_finite), 0.0, 100.0)),
        "Sum of the density over a grid around the samples; 1 unless the density is wrong or finer "
        "than the grid.");
  }
  if (const ResampledBase* base = model.resampled()) {
    const double per_sample =
        static_cast<double>(statistics.proposals) / static_cast<double>(statistics.samples);
    const double truncated =
        static_cast<double>(statistics.truncated) / static_cast<double>(statistics.samples);
    // That of the class which the context names, which sampling has found to be one.
    const auto number = static_cast<std::size_t>(
        model.classes().empty() ? 0 : model.classes().find(context).value());
    const double z = model.parameters().values(base->normaliser())[number];
    const double error = model.parameters().values(base->normaliser_error())[number];
    add("acceptance rate", z, fmt::format("{:.4f} +- {:.1g}", z, error),
        z > 0.02 && z <= 1.0 ? Verdict::kGood : Verdict::kDoubtful,
        "Z, the share of the base's proposals that are accepted; its relative error is an error of "
        "every log density.");
    add("proposals a sample", per_sample, fmt::format("{:.2f}", per_sample),
        judge(per_sample, 50.0, 1e9),
        "How many draws of the base a sample costs; the flow itself runs only on accepted ones.");
    add("truncated", truncated, fmt::format("{:.3g} %", 100.0 * truncated),
        judge(truncated, 0.05, 1.0),
        "Share of samples accepted only because the truncation was reached; the density accounts "
        "for them.");
  }
  return findings;
}

}  // namespace thalweg

#include "thalweg/sampling/density_evaluator.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/flows/latent_overflow.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {

namespace {

/// Throws DataError unless each row ends with species that the model knows, of two particles at
/// least.
void require_known_species(const char* function, const Model& model,
                           std::span<const double> context) {
  const FlowOptions& flow = model.options().flow;
  if (flow.species.empty()) return;
  const auto width = static_cast<std::size_t>(model.options().context_features);
  const auto particles =
      static_cast<std::size_t>(model.options().features / model.options().base.dimensions);
  for (std::size_t begin = 0; begin < context.size(); begin += width) {
    std::size_t present = 0;
    for (const double species : context.subspan(begin + width - particles, particles)) {
      if (species == 0.0) continue;
      ++present;
      if (std::ranges::none_of(flow.species, [&](std::int64_t known) {
            return species == static_cast<double>(known);
          }))
        fail<DataError>(
            "{}: row {} of the condition has the species {}, which the model has not learnt: it "
            "knows {}, and 0 for no particle",
            function, begin / width + 1, species, fmt::join(flow.species, ", "));
    }
    if (present < 2)
      fail<DataError>("{}: row {} of the condition: expected at least 2 particles, got {}",
                      function, begin / width + 1, present);
  }
}

}  // namespace
namespace {

/// log(exp(a) + exp(b)); NaN if one is NaN.
double log_sum_of_two(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return NAN;
  const double top = std::max(a, b);
  return std::isfinite(top) ? top + std::log1p(std::exp(std::min(a, b) - top)) : top;
}

std::int64_t checked_rows(const char* function, const Model& model, std::span<const double> x,
                          std::span<const double> context) {
  const std::int64_t features = model.flow().features();
  const std::int64_t context_features = model.flow().context_features();
  const auto size = static_cast<std::int64_t>(x.size());
  if (size % features != 0)
    fail<ShapeError>("{}: expected rows of {} values, got {} values", function, features, size);
  const std::int64_t rows = size / features;
  if (static_cast<std::int64_t>(context.size()) != rows * context_features)
    fail<ShapeError>("{}: expected {} rows of {} context values, got {} values", function, rows,
                     context_features, context.size());
  require_known_species(function, model, context);
  return rows;
}

}  // namespace

void require_known_classes(const char* function, const Model& model,
                           std::span<const double> context) {
  require_known_species(function, model, context);
  const ClassTable& classes = model.classes();
  if (classes.empty()) return;
  const auto width = static_cast<std::size_t>(classes.context_features());
  const std::vector<ColumnOptions>& columns = model.options().context_columns;
  for (std::size_t begin = 0; begin < context.size(); begin += width) {
    const std::span<const double> row = context.subspan(begin, width);
    if (classes.find(row)) continue;
    std::vector<std::string> values;
    for (std::size_t i = 0; i < width; ++i)
      values.push_back(columns.size() == width ? fmt::format("{} = {}", columns[i].name, row[i])
                                               : fmt::format("{}", row[i]));
    fail<DataError>(
        "{}: row {} of the condition, {}, is none of the {} classes that the model was trained "
        "with; give their very values",
        function, begin / width + 1, fmt::join(values, ", "), classes.count());
  }
}

Precision precision_of_moves(const Model& model, Precision wanted) {
  return model.options().stochastic.kinds.empty() && !classes_need_double(model)
             ? wanted
             : Precision::kDouble;
}

struct DensityEvaluator::Programs {
  const Model& model;
  ThreadPool& pool;
  Precision precision;
  std::int64_t draws;
  ColumnMap columns;
  std::span<const double> parameters = {};
  std::array<std::optional<RowMap>, 5> maps = {};
  std::vector<bool> unsolved = {};  // rows of the last call, where some can be

  enum class Kind : std::uint8_t { kDensity, kLatent, kData, kOverflow, kPullBack };

  RowMap& get(Kind kind) {
    auto& map = maps[static_cast<std::size_t>(kind)];
    if (map) return *map;
    const Flow& flow = model.flow();
    const std::size_t layers = model.layers();
    Graph graph(model.parameters());
    const Value main = graph.input({flow.features(), 1});
    const Value context =
        flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
    const Value cotangent = kind == Kind::kPullBack ? graph.input({flow.features(), 1}) : Value{};
    std::vector<Value> outputs;
    if (kind == Kind::kDensity) {
      const Mapped latent = flow.inverse(main, context, 0, layers);
      outputs = {flow.log_base(latent.value, context) + latent.log_det};
      if (latent.unsolved.valid()) outputs.push_back(latent.unsolved);
    } else if (kind == Kind::kOverflow) {
      outputs = {latent_overflow(flow, main, context, layers)};
    } else if (kind == Kind::kPullBack) {
      outputs = vjp({flow.forward(main, context).value}, {cotangent}, {main});
    } else {
      const Mapped mapped = kind == Kind::kLatent ? flow.inverse(main, context, 0, layers)
                                                  : flow.forward(main, context, 0, layers);
      outputs = {mapped.value, mapped.log_det};
      if (mapped.unsolved.valid()) outputs.push_back(mapped.unsolved);
    }
    return map.emplace(graph, outputs, pool, precision);
  }

  std::vector<std::vector<double>> run(Kind kind, std::span<const double> rows,
                                       std::span<const double> context, std::uint64_t seed = 0) {
    auto results =
        get(kind).run({.rows = static_cast<std::int64_t>(rows.size()) / model.flow().features(),
                       .inputs = {rows, context},
                       .seed = seed,
                       .parameters = parameters});
    const std::size_t own = kind == Kind::kDensity ? 1 : 2;
    if (kind == Kind::kOverflow || kind == Kind::kPullBack || results.size() <= own) return results;
    unsolved.resize(results.back().size(), false);
    for (std::size_t row = 0; row < unsolved.size(); ++row)
      if (results.back()[row] > 0.0) unsolved[row] = true;
    return results;
  }

  /// Puts -inf where `log_prob` is NaN only because the latent point is too far away for a number.
  /// `seed` is that of the draw.
  void settle_overflow(std::span<const double> y, std::span<const double> context,
                       std::uint64_t seed, std::vector<double>& log_prob) {
    const auto features = static_cast<std::size_t>(model.flow().features());
    const auto given = static_cast<std::size_t>(model.flow().context_features());
    if (std::ranges::none_of(log_prob, [](double value) { return std::isnan(value); })) return;
    std::vector<std::size_t> rows;
    std::vector<double> points, contexts;
    for (std::size_t row = 0; row < log_prob.size(); ++row) {
      // Random numbers go by the row, so a stochastic flow needs all rows to draw the same again.
      if (!std::isnan(log_prob[row]) && !model.flow().stochastic()) continue;
      rows.push_back(row);
      const auto point = y.subspan(row * features, features);
      const auto condition = context.subspan(row * given, given);
      points.insert(points.end(), point.begin(), point.end());
      contexts.insert(contexts.end(), condition.begin(), condition.end());
    }
    const std::vector<double> overflow = run(Kind::kOverflow, points, contexts, seed)[0];
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (std::isnan(log_prob[rows[i]]) && overflow[i] > 0.0) log_prob[rows[i]] = -INFINITY;
  }
};

DensityEvaluator::DensityEvaluator(const Model& model, ThreadPool& pool, Precision precision,
                                   std::int64_t draws)
    : programs_(new Programs{model,
                             pool,
                             precision_of_moves(model, precision),
                             model.flow().stochastic() ? draws : 1,
                             {model, pool}}) {
  if (draws < 1) fail<ConfigError>("log_prob: expected at least 1 draw, got {}", draws);
}

DensityEvaluator::~DensityEvaluator() = default;
DensityEvaluator::DensityEvaluator(DensityEvaluator&&) noexcept = default;

const Model& DensityEvaluator::model() const { return programs_->model; }

std::int64_t DensityEvaluator::draws() const { return programs_->draws; }

void DensityEvaluator::use_parameters(std::span<const double> parameters) {
  programs_->parameters = parameters;
}

std::vector<double> DensityEvaluator::log_prob(std::span<const double> x,
                                               std::span<const double> context) {
  checked_rows("log_prob", programs_->model, x, context);
  require_known_classes("log_prob", programs_->model, context);
  const std::vector<double> given = standardised_context(programs_->model, context);
  std::vector<double> mapped, log_det;
  if (!programs_->columns.identity()) mapped = programs_->columns.to_layers(x, &log_det);
  const std::span<const double> y = programs_->columns.identity() ? x : mapped;
  const auto draw = [&](std::int64_t number) {
    // Seeds that no caller is likely to draw samples with.
    const std::uint64_t seed =
        derived_seed(static_cast<std::uint64_t>(number), Stream::kEvaluation, 0, 1);
    std::vector<double> values =
        std::move(programs_->run(Programs::Kind::kDensity, y, given, seed)[0]);
    programs_->settle_overflow(y, given, seed, values);
    return values;
  };
  programs_->unsolved.clear();
  std::vector<double> result = draw(0);
  const std::int64_t draws = programs_->draws;
  for (std::int64_t number = 1; number < draws; ++number) {
    const std::vector<double> values = draw(number);
    for (std::size_t row = 0; row < result.size(); ++row)
      result[row] = log_sum_of_two(result[row], values[row]);
  }
  if (draws > 1)
    for (double& value : result) value -= std::log(static_cast<double>(draws));
  for (std::size_t row = 0; row < log_det.size(); ++row)
    result[row] = log_det[row] == -INFINITY ? -INFINITY : result[row] + log_det[row];
  return result;
}

std::int64_t DensityEvaluator::affordable_rows() {
  constexpr double kFlops = 2e12, kMost = 1e9;
  constexpr std::int64_t kFewest = 32;
  const double flops = programs_->get(Programs::Kind::kDensity).flops_per_row();
  return std::max(kFewest, static_cast<std::int64_t>(std::min(kMost, kFlops / flops)));
}

std::int64_t DensityEvaluator::rows_at_once() {
  return programs_->get(Programs::Kind::kDensity).rows_at_once();
}

std::int64_t DensityEvaluator::affordable_cells(std::int64_t most) {
  return std::min(most,
                  static_cast<std::int64_t>(std::sqrt(static_cast<double>(affordable_rows()))));
}

std::int64_t DensityEvaluator::unsolved() const {
  return std::ranges::count(programs_->unsolved, true);
}

std::vector<bool> DensityEvaluator::makeshift() const {
  return has_continuous(programs_->model.flow()) ? std::vector<bool>() : programs_->unsolved;
}

std::vector<double> DensityEvaluator::certain_log_prob(std::span<const double> x,
                                                       std::span<const double> context) {
  std::vector<double> values = log_prob(x, context);
  const std::vector<bool> doubtful = makeshift();
  double least = INFINITY;
  for (std::size_t row = 0; row < doubtful.size(); ++row)
    if (!doubtful[row]) least = std::min(least, values[row]);
  for (std::size_t row = 0; row < doubtful.size(); ++row)
    if (doubtful[row]) values[row] = std::isfinite(least) ? least : -INFINITY;
  return values;
}

std::vector<double> DensityEvaluator::to_latent(std::span<const double> x,
                                                std::span<const double> context,
                                                std::vector<double>* log_det) {
  checked_rows("to_latent", programs_->model, x, context);
  std::vector<double> outer;
  const std::vector<double> y = programs_->columns.to_layers(x, &outer);
  programs_->unsolved.clear();
  auto results =
      programs_->run(Programs::Kind::kLatent, y, standardised_context(programs_->model, context));
  const std::size_t features = results[0].size() / std::max<std::size_t>(1, outer.size());
  for (std::size_t row = 0; row < outer.size(); ++row) {
    results[1][row] += outer[row];
    if (outer[row] == -INFINITY)
      std::fill_n(results[0].begin() + static_cast<std::ptrdiff_t>(row * features), features, NAN);
  }
  if (log_det != nullptr) *log_det = std::move(results[1]);
  return std::move(results[0]);
}

std::vector<double> DensityEvaluator::to_data(std::span<const double> z,
                                              std::span<const double> context,
                                              std::vector<double>* log_det) {
  checked_rows("to_data", programs_->model, z, context);
  programs_->unsolved.clear();
  auto results =
      programs_->run(Programs::Kind::kData, z, standardised_context(programs_->model, context));
  std::vector<double> outer;
  std::vector<double> x = programs_->columns.to_data(std::move(results[0]), &outer);
  for (std::size_t row = 0; row < outer.size(); ++row) results[1][row] += outer[row];
  if (log_det != nullptr) *log_det = std::move(results[1]);
  return x;
}

std::vector<double> DensityEvaluator::pull_back(std::span<const double> z,
                                                std::span<const double> cotangent,
                                                std::span<const double> context) {
  const Model& model = programs_->model;
  const std::int64_t rows = checked_rows("pull_back", model, z, context);
  if (cotangent.size() != z.size())
    fail<ShapeError>("pull_back: expected as many gradients as values of z, {}, got {}", z.size(),
                     cotangent.size());
  if (model.flow().stochastic())
    fail<ConfigError>(
        "pull_back: this model has random moves between its layers, so that its samples are no "
        "function of z");
  const std::vector<double> given = standardised_context(model, context);
  std::vector<std::span<const double>> inputs{z};
  if (!given.empty()) inputs.emplace_back(given);
  inputs.emplace_back(cotangent);
  return programs_->get(Programs::Kind::kPullBack)(
      {.rows = rows, .inputs = std::move(inputs), .parameters = programs_->parameters});
}

}  // namespace thalweg

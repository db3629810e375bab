#include "thalweg/sampling/column_map.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "thalweg/datasets/column_coding.h"

namespace thalweg {

ColumnMap::ColumnMap(const Model& model, ThreadPool& pool) : features_(model.flow().features()) {
  if (model.column_maps() == 0) return;
  const Flow& flow = model.flow();
  const std::size_t layers = model.layers();
  const auto map = [&](const auto& build) {
    Graph graph(model.parameters());
    const Mapped mapped = build(graph.input({features_, 1}));
    return RowMap(graph, {mapped.value, mapped.log_det}, pool);
  };
  to_layers_ = map([&](Value x) { return flow.inverse(x, {}, layers); });
  to_data_ = map([&](Value y) { return flow.forward(y, {}, layers); });
  const std::vector<ColumnOptions>& columns = model.options().columns;
  if (std::ranges::any_of(columns, [](const ColumnOptions& column) {
        return column.is_category() ||
               (!column.periodic && (std::isfinite(column.lower) || std::isfinite(column.upper)));
      }))
    bounded_ = columns;
  if (!is_on_unit_interval(model.options())) return;
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (!columns[i].periodic && !columns[i].open && std::isfinite(columns[i].lower) &&
        std::isfinite(columns[i].upper))
      intervals_.push_back(i);
}

std::vector<double> ColumnMap::run(RowMap& map, std::span<const double> rows,
                                   std::vector<double>* log_det) {
  auto results =
      map.run({.rows = static_cast<std::int64_t>(rows.size()) / features_, .inputs = {rows}});
  if (log_det != nullptr) *log_det = std::move(results[1]);
  return std::move(results[0]);
}

std::vector<double> ColumnMap::to_layers(std::span<const double> x, std::vector<double>* log_det) {
  const auto width = static_cast<std::size_t>(features_);
  const std::size_t rows = x.size() / width;
  if (identity()) {
    if (log_det != nullptr) log_det->assign(rows, 0.0);
    return {x.begin(), x.end()};
  }
  std::vector<double> y = run(*to_layers_, x, log_det);
  for (std::size_t row = 0; row < rows && !bounded_.empty(); ++row) {
    bool outside = false;
    for (std::size_t column = 0; column < width; ++column) {
      const ColumnOptions& options = bounded_[column];
      const double value = x[row * width + column];
      if (std::ranges::binary_search(intervals_, column))
        outside = outside || value < options.lower || value > options.upper;
      else if (options.is_category())
        outside = outside || value <= 0.0 || value >= static_cast<double>(options.values.size());
      else
        outside =
            outside || (!options.periodic && (value <= options.lower || value >= options.upper));
    }
    // Rounding of the columns' map takes nothing out of [0, 1].
    for (const std::size_t column : intervals_)
      y[row * width + column] = std::clamp(y[row * width + column], 0.0, 1.0);
    if (!outside) continue;
    std::fill_n(y.begin() + static_cast<std::ptrdiff_t>(row * width), width, 0.0);
    if (log_det != nullptr) (*log_det)[row] = -INFINITY;
  }
  return y;
}

std::vector<double> ColumnMap::to_data(std::vector<double> y, std::vector<double>* log_det) {
  if (identity()) {
    if (log_det != nullptr) log_det->assign(y.size() / static_cast<std::size_t>(features_), 0.0);
    return y;
  }
  std::vector<double> x = run(*to_data_, y, log_det);
  const auto width = static_cast<std::size_t>(features_);
  for (std::size_t row = 0; row * width < x.size(); ++row)
    for (const std::size_t column : intervals_) {
      double& value = x[row * width + column];
      value = std::clamp(value, bounded_[column].lower, bounded_[column].upper);
    }
  return x;
}

std::vector<double> standardised_context(const Model& model, std::span<const double> context) {
  std::vector<double> result(context.begin(), context.end());
  const std::vector<ColumnOptions>& columns = model.options().context_columns;
  for (std::size_t i = 0; i < result.size() && !columns.empty(); ++i)
    result[i] = columns[i % columns.size()].standardised(result[i]);
  return result;
}

bool classes_need_double(const Model& model) {
  const ClassTable& classes = model.classes();
  std::vector<double> contexts;
  for (std::int64_t number = 0; number < classes.count(); ++number)
    contexts.insert(contexts.end(), classes.context(number).begin(), classes.context(number).end());
  return !classes.empty() &&
         ClassTable(classes.context_features(), standardised_context(model, contexts))
             .coincide_in_float();
}

std::int64_t finish_samples(const Model& model, std::span<double> x, ThreadPool& pool,
                            Drawn drawn) {
  constexpr std::int64_t kRows = 4096;
  const std::vector<ColumnOptions>& columns = model.options().columns;
  const std::int64_t features = model.flow().features();
  const std::int64_t rows = static_cast<std::int64_t>(x.size()) / features;
  std::atomic<std::int64_t> non_finite{0};
  pool.parallel((rows + kRows - 1) / kRows, [&](std::int64_t part, int) {
    std::int64_t found = 0;
    for (std::int64_t row = part * kRows; row < std::min(rows, (part + 1) * kRows); ++row) {
      bool finite = true;
      for (std::int64_t column = 0; column < features; ++column) {
        double& value = x[static_cast<std::size_t>(row * features + column)];
        finite = finite && std::isfinite(value);  // NaN of a missing value comes after.
        if (!columns.empty())
          value = value_at(columns[static_cast<std::size_t>(column)], value, drawn);
      }
      if (!finite) ++found;
    }
    non_finite += found;
  });
  return non_finite;
}

}  // namespace thalweg

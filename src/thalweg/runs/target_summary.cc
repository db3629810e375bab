#include "thalweg/runs/target_summary.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/report/plain_text.h"
#include "thalweg/runs/plan.h"

namespace thalweg {

namespace {

constexpr std::size_t kMostColumns = 8;  // in tables

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.5g}", value) : "-";
}

}  // namespace

TargetSummary summarise_target(std::string source, std::span<const double> x,
                               std::span<const double> weights, const ModelOptions& model) {
  TargetSummary summary{.source = std::move(source), .columns = {}, .correlations = {}};
  summary.correlations = weighted_correlations(weights, x, model.features);
  const std::vector<std::string> names = column_names(model);
  const auto width = static_cast<std::size_t>(model.features);
  for (std::size_t column = 0; column < width; ++column) {
    ColumnStatistics& statistics = summary.columns.emplace_back();
    statistics.name = names[column];
    std::vector<double> values;
    for (std::size_t i = column; i < x.size(); i += width) values.push_back(x[i]);
    if (!model.columns.empty() && model.columns[column].periodic) {
      const ColumnOptions& options = model.columns[column];
      statistics.circular = true;
      statistics.direction = circular_mean(weights, values, options.lower, options.upper);
      for (std::size_t other = 0; other < width; ++other)
        summary.correlations[column * width + other] =
            summary.correlations[other * width + column] = std::nan("");
    } else {
      statistics.quantiles = weighted_quantiles(weights, values, kQuantiles);
    }
  }
  return summary;
}

std::vector<TextTable> summary_tables(const TargetSummary& summary) {
  std::vector<const ColumnStatistics*> lines, angles;
  std::vector<std::size_t> numbers;
  const std::size_t shown = std::min(kMostColumns, summary.columns.size());
  for (std::size_t i = 0; i < shown; ++i) {
    const ColumnStatistics& column = summary.columns[i];
    (column.circular ? angles : lines).push_back(&column);
    if (!column.circular) numbers.push_back(i);
  }
  const std::string of = shown < summary.columns.size()
                             ? fmt::format("{}; the first {} of {} columns", summary.source, shown,
                                           summary.columns.size())
                             : summary.source;
  std::vector<TextTable> tables;
  if (!lines.empty()) {
    TextTable table{.caption = fmt::format("Quantiles under the target, by {}.", of),
                    .header = {"column"}};
    for (const double probability : kQuantiles)
      table.header.push_back(fmt::format("{:g} %", 100.0 * probability));
    for (const ColumnStatistics* column : lines) {
      std::vector<std::string>& row = table.rows.emplace_back(1, clean_text(column->name));
      for (const double value : column->quantiles) row.push_back(number(value));
    }
    tables.push_back(std::move(table));
  }
  if (!angles.empty()) {
    TextTable table{.caption = fmt::format("Directions under the target, by {}; a concentration of "
                                           "1 is a single direction, 0 none.",
                                           of),
                    .header = {"column", "mean direction", "concentration"}};
    for (const ColumnStatistics* column : angles)
      table.rows.push_back({clean_text(column->name), number(column->direction.direction),
                            number(column->direction.concentration)});
    tables.push_back(std::move(table));
  }
  if (lines.size() > 1) {
    TextTable table{.caption = fmt::format("Correlations under the target, by {}{}.", of,
                                           angles.empty() ? "" : "; circular columns have none"),
                    .header = {"column"}};
    for (const ColumnStatistics* column : lines) table.header.push_back(clean_text(column->name));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::vector<std::string>& row = table.rows.emplace_back(1, clean_text(lines[i]->name));
      for (const std::size_t j : numbers) {
        const double value = summary.correlations[numbers[i] * summary.columns.size() + j];
        row.push_back(std::isfinite(value) ? fmt::format("{:.3f}", value) : "-");
      }
    }
    tables.push_back(std::move(table));
  }
  return tables;
}

}  // namespace thalweg

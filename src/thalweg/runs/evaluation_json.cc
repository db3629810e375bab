#include "thalweg/runs/evaluation_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace thalweg {
namespace {

void add_columns(nlohmann::ordered_json& json, const TargetSummary& summary) {
  const std::size_t width = summary.columns.size();
  for (std::size_t i = 0; i < width; ++i) {
    const ColumnStatistics& column = summary.columns[i];
    if (column.circular) {
      json["directions"][column.name] = {{"mean", column.direction.direction},
                                         {"concentration", column.direction.concentration}};
      continue;
    }
    auto& quantiles = json["quantiles"][column.name];
    for (std::size_t q = 0; q < kQuantiles.size(); ++q)
      quantiles[fmt::format("{:g}", 100.0 * kQuantiles[q])] = column.quantiles[q];
    auto& correlations = json["correlations"][column.name];
    for (std::size_t j = 0; j < width; ++j)
      if (!summary.columns[j].circular)
        correlations[summary.columns[j].name] = summary.correlations[i * width + j];
  }
}

}  // namespace

std::string evaluation_json(const std::string& folder, const HeldOut& points,
                            const Evaluation& evaluation) {
  nlohmann::ordered_json json;
  json["run"] = folder;
  json["points"] = points.source;
  json["rows"] = points.rows;
  for (const Metric& metric : evaluation.metrics) {
    json[metric.name] = metric.value;
    // One that is not valid is null.
    if (metric.error != 0.0) json[metric.name + "_error"] = metric.error;
  }
  if (evaluation.columns) add_columns(json, *evaluation.columns);
  if (evaluation.verdict) {
    json["verdict"] = evaluation.verdict->text();
    json["explored"] = evaluation.verdict->explored;
    if (evaluation.verdict->explored) json["exploration_method"] = evaluation.verdict->method;
  }
  json["warnings"] = evaluation.warnings;
  return json.dump(2);
}

}  // namespace thalweg

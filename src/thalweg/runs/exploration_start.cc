#include "thalweg/runs/exploration_start.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/datasets/standardisation.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/report/progress.h"

namespace thalweg {

bool explores(const RunOptions& options) {
  return options.exploration.evaluations > 0 && options.data.path.empty() &&
         has_target(options.target);
}

void fit_model_to_exploration(RunOptions& options, const Exploration& exploration,
                              bool choose_base) {
  const auto width = static_cast<std::size_t>(exploration.features);
  bool periodic = false;
  for (std::size_t column = 0; column < width; ++column) {
    ColumnOptions& known = options.model.columns.at(column);
    std::vector<double> values;
    for (std::size_t i = column; i < exploration.x.size(); i += width)
      values.push_back(exploration.x[i]);
    measure(known, values);
    periodic = periodic || known.periodic;
  }
  if (!choose_base || periodic) return;
  BaseOptions& base = options.model.base;
  const std::int64_t components =
      1 + *std::max_element(exploration.component.begin(), exploration.component.end());
  base.kind = components > 1 ? "mixture" : "normal";
  if (components > 1) base.components = components;
}

void start_base(Model& model, const Exploration& exploration, ThreadPool& pool) {
  const BaseOptions& base = model.options().base;
  const std::int64_t features = exploration.features, components = base.components;
  if (base.kind != "mixture" ||
      *std::max_element(exploration.component.begin(), exploration.component.end()) >= components)
    return;
  Graph graph(model.parameters());
  const Value x = graph.input({features, 1});
  RowMap to_latent(graph, {model.flow().inverse(x).value}, pool);
  const auto rows = static_cast<std::int64_t>(exploration.component.size());
  const std::vector<double> z = to_latent({.rows = rows, .inputs = {exploration.x}});
  // Of each component: its samples, their mean and variance.
  std::vector<double> count(static_cast<std::size_t>(components), 0.0);
  std::vector<double> mean(static_cast<std::size_t>(components * features), 0.0), square = mean;
  const auto place = [&](std::int64_t feature, std::int64_t component) {
    return static_cast<std::size_t>(feature * components + component);
  };
  const auto of_each = [&](const auto& function) {
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t feature = 0; feature < features; ++feature)
        function(feature, exploration.component[static_cast<std::size_t>(row)],
                 z[static_cast<std::size_t>(row * features + feature)]);
  };
  for (const std::int64_t component : exploration.component)
    count[static_cast<std::size_t>(component)] += 1.0;
  of_each([&](std::int64_t feature, std::int64_t component, double value) {
    mean[place(feature, component)] += value / count[static_cast<std::size_t>(component)];
  });
  of_each([&](std::int64_t feature, std::int64_t component, double value) {
    const double difference = value - mean[place(feature, component)];
    square[place(feature, component)] +=
        difference * difference / count[static_cast<std::size_t>(component)];
  });
  std::vector<double> log_scales, logits;
  for (std::int64_t feature = 0; feature < features; ++feature)
    for (std::int64_t component = 0; component < components; ++component) {
      constexpr double kLeast = 1e-6;  // of a deviation of all samples
      log_scales.push_back(0.5 *
                           std::log(std::max(square[place(feature, component)], kLeast * kLeast)));
    }
  for (const double samples : count)
    logits.push_back(std::log((samples + 1.0) / static_cast<double>(rows + components)));
  ParameterStore& parameters = model.parameters();
  const auto set = [&](const char* name, const std::vector<double>& values) {
    std::ranges::copy(values, parameters.values(parameters.find(name)).begin());
  };
  set("base.mixture.locations", mean);
  set("base.mixture.log_scales", log_scales);
  set("base.mixture.logits", logits);
}

std::string exploration_text(const Exploration& exploration) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> masses;
  for (const ExploredMode& mode : exploration.modes)
    if (masses.size() < kMost) masses.push_back(fmt::format("{:.3g} %", 100.0 * mode.mass));
  if (exploration.modes.size() > kMost) masses.emplace_back("...");
  std::string text = fmt::format(
      "explored: {} mode{} ({}), log integral {:.4f}{} by {}; {} evaluations in {}\n",
      exploration.modes.size(), exploration.modes.size() == 1 ? "" : "s", fmt::join(masses, ", "),
      exploration.log_integral,
      exploration.endless.empty() ? fmt::format(" +- {:.4f}", exploration.log_integral_error)
                                  : ", not reliable,",
      exploration.method, format_count(exploration.evaluations),
      format_duration(exploration.seconds));
  for (const std::string& doubt : exploration.doubts) text += fmt::format("in doubt: {}\n", doubt);
  for (const std::string& warning : exploration.warnings)
    text += fmt::format("warning: {}\n", warning);
  return text;
}

ExplorationRows rows_of(const Exploration& exploration) {
  ExplorationRows result;
  const auto width = static_cast<std::size_t>(exploration.features);
  for (std::size_t row = 0; row * width < exploration.x.size(); ++row) {
    const auto begin = exploration.x.begin() + static_cast<std::ptrdiff_t>(row * width);
    auto& part = is_held_out(row) ? result.validation : result.train;
    part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
  }
  return result;
}

}  // namespace thalweg

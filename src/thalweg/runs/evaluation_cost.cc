#include "thalweg/runs/evaluation_cost.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "thalweg/flows/free_form_flow.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/runs/evaluation_parts.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

constexpr std::int64_t kChecks = 8, kFewestChecked = 16, kMostChecked = 4000;
constexpr std::int64_t kFewestDrawn = 500, kFewestPictured = 1000, kMostPictured = 20000;

/// Seconds of what `work` does.
template <typename Work>
double time_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

EvaluationRows evaluation_rows(const LoadedRun& run, std::int64_t available,
                               DensityEvaluator& density) {
  const Flow& flow = run.model->flow();
  const std::int64_t affordable = density.affordable_rows();
  EvaluationRows rows;
  rows.held_out = std::min(available, affordable);
  // The check takes some times as long as an exact density.
  if (has_free_form(flow)) {
    rows.checked = std::clamp(affordable / kChecks, kFewestChecked, kMostChecked);
    // Without held-out rows samples are checked.
    if (available > 0) rows.checked = std::min(rows.checked, available);
  }
  // A sample's density takes one Jacobian, that of a row two or more.
  if (has_target(run.options.target) || flow.coordinates() != nullptr)
    rows.drawn = std::min(kTargetSamples, std::max(kFewestDrawn, 2 * affordable));
  // Samples of most flows take as long as their densities, or a small part of it.
  rows.pictured = std::clamp(has_continuous(flow) ? 10 * affordable : kMostPictured,
                             kFewestPictured, kMostPictured);
  return rows;
}

EvaluationCost::EvaluationCost(const LoadedRun& run, DensityEvaluator& density, ThreadPool& pool) {
  constexpr double kQuick = 0.1;
  const Flow& flow = run.model->flow();
  const double compiling = time_of([&] { density.affordable_rows(); });
  const std::vector<double> usual = run.usual_context();
  const auto seconds_a_row = [&](std::int64_t rows, const auto& work) {
    double seconds = time_of([&] { work(rows); });
    // The first time memory is new.
    if (seconds < kQuick) seconds = std::min(seconds, time_of([&] { work(rows); }));
    return seconds / static_cast<double>(rows);
  };
  const std::int64_t at_once = density.rows_at_once();
  const auto context_of = [&](std::int64_t rows) {
    return rows_in_turn(usual, flow.context_features(), 0, rows);
  };
  const double row = seconds_a_row(at_once, [&](std::int64_t rows) {
    density.log_prob(std::vector<double>(static_cast<std::size_t>(rows * flow.features()), 0.0),
                     context_of(rows));
  });
  FlowSampler sampler(*run.model, pool, 1, run.precision());
  sampler.next(1, context_of(1));  // compiles
  const double sample =
      seconds_a_row(at_once, [&](std::int64_t rows) { sampler.next(rows, context_of(rows)); });
  *this = EvaluationCost(*run.model, compiling, row, sample);
}

EvaluationCost::EvaluationCost(const Model& model, double compiling, double row, double sample)
    : compiling_(compiling), row_(row), sample_(sample) {
  const bool free_form = has_free_form(model.flow());
  // As measured on 13 particles: a check is three densities and two Jacobians, a draw half of a
  // density where that is searched for.
  check_factor_ = 4.0;
  draw_factor_ = free_form ? 0.5 : 1.0;
  // Draws with densities have programs of their own, so has the check.
  programs_ = (free_form ? 4.0 : 1.0) * compiling_;
}

double EvaluationCost::seconds(const EvaluationRows& rows) const {
  const auto count = [](std::int64_t of) { return static_cast<double>(of); };
  return programs_ +
         row_ * (count(rows.held_out) + check_factor_ * count(rows.checked) +
                 draw_factor_ * count(rows.drawn)) +
         sample_ * count(rows.pictured);
}

double EvaluationCost::validation_seconds(std::int64_t rows) const {
  return compiling_ + row_ * static_cast<double>(rows);
}

EvaluationRows EvaluationCost::within(double limit, const EvaluationRows& rows) const {
  const double wanted = seconds(rows) - programs_;
  const double share = (limit - programs_) / std::max(wanted, 1e-9);
  if (share >= 1.0) return rows;
  const auto part = [&](std::int64_t of, std::int64_t fewest) {
    const auto kept = static_cast<std::int64_t>(share * static_cast<double>(of));
    return std::min(of, std::max(fewest, kept));
  };
  return {part(rows.held_out, 32), part(rows.checked, 16), part(rows.drawn, 100),
          part(rows.pictured, 200)};
}

std::string shortened_text(const EvaluationRows& taken, const EvaluationRows& wanted) {
  std::vector<std::string> parts;
  for (const auto& [part, name] : {std::pair{&EvaluationRows::held_out, "held-out rows"},
                                   {&EvaluationRows::checked, "rows of the check"},
                                   {&EvaluationRows::drawn, "weighted draws"},
                                   {&EvaluationRows::pictured, "samples in pictures"}})
    if (taken.*part < wanted.*part)
      parts.push_back(fmt::format("{} of {} {}", taken.*part, wanted.*part, name));
  if (parts.empty()) return "";
  return fmt::format(
      "to end within the time budget, the evaluation took {}; `thalweg evaluate` and `report` take "
      "all",
      fmt::join(parts, ", "));
}

}  // namespace thalweg

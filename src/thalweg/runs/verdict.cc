#include "thalweg/runs/verdict.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "thalweg/core/error.h"
#include "thalweg/exploration/nearest_mode.h"
#include "thalweg/runs/plan.h"

namespace thalweg {

namespace {

constexpr double kSigmas = 3.0;
constexpr double kLogIntegralRoom = 0.02, kMassRoom = 0.02, kDrawnMassRoom = 0.05;
constexpr double kFewTimes = 20.0;     // less dense than the target by so much is missed
constexpr double kMissedLimit = 5e-3;  // share of the exploration's samples
constexpr std::int64_t kFewestMissed = 3;
constexpr double kConfirmingShare = 0.1;
constexpr std::size_t kFewRows = 320;      // of which none are held out
constexpr std::size_t kMostSentences = 5;  // about masses
constexpr std::size_t kMostModes = 8;      // with metrics of their own

std::string percent(double share) {
  return share > 0.0 && share < 1e-4 ? "under 0.01 %" : fmt::format("{:.3g} %", 100.0 * share);
}

class Comparison {
 public:
  Comparison(const FlowSide& flow, const Exploration& exploration, const ModelOptions& model)
      : flow_(flow), exploration_(exploration), model_(model) {
    const auto width = static_cast<std::size_t>(exploration.features);
    if (exploration.features != model.features || flow.x.size() % width != 0)
      fail<ShapeError>("verdict: expected an exploration of {} columns, got {}", model.features,
                       exploration.features);
    if (!flow.log_model.empty() && flow.log_model.size() != exploration.log_target.size())
      fail<ShapeError>("verdict: expected {} densities of the exploration's samples, got {}",
                       exploration.log_target.size(), flow.log_model.size());
    // Rows repeat: what counts for errors is how many there are of them.
    const std::set<double> values(exploration.log_target.begin(), exploration.log_target.end());
    distinct_ = static_cast<double>(values.size());
    verdict_.explored = true;
    verdict_.method = exploration.method;
    // Of an infinite integral a finding tells.
    for (const std::string& warning : exploration.warnings)
      if (warning != exploration.endless) verdict_.cautions.push_back(warning);
  }

  RunVerdict run() {
    compare_integrals();
    compare_densities();
    compare_masses();
    add_metrics();
    return std::move(verdict_);
  }

 private:
  void add(std::string name, double value, std::string text, Verdict verdict, std::string meaning,
           std::string sentence) {
    verdict_.findings.push_back(
        {std::move(name), value, std::move(text), verdict, std::move(meaning)});
    if (verdict != Verdict::kGood) verdict_.disagreements.push_back(std::move(sentence));
  }

  void compare_integrals() {
    if (!exploration_.endless.empty()) {
      add("log integral", std::nan(""), "infinite", Verdict::kDoubtful,
          "Whether exp(-energy) has an integral: the density must fall faster than the volume "
          "grows.",
          exploration_.endless);
      return;
    }
    const char* const meaning =
        "That of weighted draws of the flow less that of the exploration, beside 3 standard errors "
        "+ 0.02; beyond it one of them lacks something.";
    if (!flow_.weights) {
      add("log integral", std::nan(""), "weights not finite", Verdict::kBroken, meaning,
          "the weights of some draws of the flow are not finite: `doctor` says more");
      return;
    }
    const ImportanceEstimate estimate = importance_estimate(*flow_.weights);
    flow_integral_ = estimate.log_integral;
    flow_error_ = std::hypot(estimate.log_integral_error, flow_.normaliser_error);
    const double difference = flow_integral_ - exploration_.log_integral;
    const double known = std::isnan(flow_error_) ? flow_.normaliser_error : flow_error_;
    const double limit =
        kSigmas * std::hypot(known, exploration_.log_integral_error) + kLogIntegralRoom;
    const bool differs = !(std::abs(difference) <= limit);
    add("log integral", difference, fmt::format("{:+.4f}, limit {:.4f}", difference, limit),
        differs ? Verdict::kBroken : Verdict::kGood, meaning,
        fmt::format("the log integral is {:.4f} by weighted draws of the flow and {:.4f} +- {:.4f} "
                    "by exploration: the {} lacks mass that the other has found",
                    flow_integral_, exploration_.log_integral, exploration_.log_integral_error,
                    difference < 0.0 ? "flow" : "exploration"));
    if (!flow_.weights->reliable)
      add("weights", flow_.weights->pareto_k,
          fmt::format("Pareto k {:.2f}", flow_.weights->pareto_k), Verdict::kDoubtful,
          "Whether weighted draws of the flow give means with errors; where not, those of the "
          "exploration stand in for them.",
          fmt::format("the weights of the flow's draws have a tail too heavy for means and errors "
                      "(Pareto k {:.2f})",
                      flow_.weights->pareto_k));
    integral_agrees_ = !differs && flow_.weights->reliable;
  }

  void compare_densities() {
    if (flow_.log_model.empty()) return;
    // The one with the smaller error, if they agree.
    const bool by_flow = integral_agrees_ && flow_error_ < exploration_.log_integral_error;
    const double log_integral = by_flow ? flow_integral_ : exploration_.log_integral;
    const double integral_error = by_flow ? flow_error_ : exploration_.log_integral_error;
    std::vector<double> ratios;
    std::int64_t missed = 0;
    const bool all = flow_.log_model.size() < kFewRows;
    for (std::size_t row = 0; row < flow_.log_model.size(); ++row) {
      // What the flow has learnt from tells less of what it lacks.
      if (!all && !is_held_out(row)) continue;
      ratios.push_back(exploration_.log_target[row] - log_integral - flow_.log_model[row]);
      // NaN is missed.
      if (!(ratios.back() <= std::log(kFewTimes))) ++missed;
    }
    const auto rows = static_cast<double>(ratios.size());
    missed_ = static_cast<double>(missed) / rows;
    const bool lacks = missed >= kFewestMissed && *missed_ > kMissedLimit;
    add("missed samples", *missed_,
        fmt::format("{}, limit {}", percent(*missed_), percent(kMissedLimit)),
        lacks ? Verdict::kBroken : Verdict::kGood,
        "Share of the exploration's samples at which the flow has less than a twentieth of the "
        "target's density.",
        fmt::format("the flow has next to no density at {} of the exploration's samples",
                    percent(*missed_)));
    double mean = 0.0, square = 0.0;
    for (const double ratio : ratios) mean += ratio / rows;
    for (const double ratio : ratios) square += (ratio - mean) * (ratio - mean) / rows;
    const double limit = std::max(0.1, 0.01 * static_cast<double>(model_.features));
    const bool far = !(mean <= limit);
    divergence_ =
        Metric{"exploration_kl_nats", "KL(target || model) on its samples, nats", mean,
               std::isfinite(square)
                   ? std::hypot(std::sqrt(square / std::min(rows, distinct_)), integral_error)
                   : 0.0};
    add("KL on its samples", mean, fmt::format("{:.3f} nats, limit {:.2f}", mean, limit),
        far ? Verdict::kDoubtful : Verdict::kGood,
        "KL(target || flow) over the exploration's samples; beyond the limit plain draws of the "
        "flow are rough.",
        fmt::format("KL(target || flow) on the exploration's samples is {:.2f} nats: draws of the "
                    "flow are rough, weigh them (`sample --sampler importance`)",
                    mean));
    density_agrees_ = !lacks;
  }

  void compare_masses() {
    const std::size_t modes = exploration_.modes.size();
    if (modes < 2) return;
    const NearestMode nearest(exploration_.modes, model_.columns);
    const std::vector<std::size_t> of_flow = nearest.of(flow_.x);
    const std::vector<std::size_t> of_exploration = nearest.of(exploration_.x);
    const std::vector<std::string> names = column_names(model_);
    const auto share = [](const std::vector<std::size_t>& of, std::size_t mode) {
      return static_cast<double>(std::ranges::count(of, mode)) / static_cast<double>(of.size());
    };
    double worst = 0.0;
    Verdict verdict = Verdict::kGood;
    std::vector<std::string> sentences;
    for (std::size_t mode = 0; mode < modes; ++mode) {
      const ExploredMode& found = exploration_.modes[mode];
      const double expected = share(of_exploration, mode), drawn = share(of_flow, mode);
      const double error =
          std::max(found.mass_error, std::sqrt(expected * (1.0 - expected) / distinct_));
      const double drawn_error =
          std::sqrt(std::max(drawn * (1.0 - drawn), 1e-12) / static_cast<double>(of_flow.size()));
      WeightedMean weighted{std::nan(""), std::nan("")};
      if (flow_.weights) {
        std::vector<double> inside;
        for (const std::size_t other : of_flow) inside.push_back(other == mode ? 1.0 : 0.0);
        weighted = weighted_mean(*flow_.weights, inside);
      }
      const std::string where = place_of(found, names);
      const auto exceeds = [&](double value, double its_error, double room) {
        return std::abs(value - expected) > kSigmas * std::hypot(its_error, error) + room;
      };
      worst = std::max(worst, std::abs(drawn - expected));
      if (expected - kSigmas * error > kMissedLimit && drawn * kFewTimes < expected) {
        verdict = Verdict::kBroken;
        sentences.push_back(fmt::format(
            "the flow has lost the mode at {}, which holds {} of the mass by exploration and {} of "
            "the flow's draws",
            where, percent(expected), percent(drawn)));
      } else if (std::isfinite(weighted.error) &&
                 exceeds(weighted.value, weighted.error,
                         std::min(kMassRoom, kMissedLimit + 0.3 * expected))) {
        verdict = Verdict::kBroken;
        sentences.push_back(fmt::format(
            "the mode at {} holds {} of the mass by weighted draws of the flow and {} by "
            "exploration",
            where, percent(weighted.value), percent(expected)));
      } else if (exceeds(drawn, drawn_error, kDrawnMassRoom)) {
        verdict = std::max(verdict, Verdict::kDoubtful);
        sentences.push_back(fmt::format(
            "the flow draws the mode at {} with {} of its samples, where its mass is {}: weigh "
            "them (`sample --sampler importance`)",
            where, percent(drawn), percent(expected)));
      }
      if (mode >= kMostModes) continue;
      const std::string name = fmt::format("mode_{}", mode + 1);
      masses_.push_back({name + "_mass", fmt::format("mass of mode {}, {}", mode + 1, where),
                         expected, error, 4});
      masses_.push_back({name + "_drawn", "  of the flow's draws", drawn, drawn_error, 4});
      if (std::isfinite(weighted.value))
        masses_.push_back(
            {name + "_weighted", "  of its weighted draws", weighted.value, weighted.error, 4});
    }
    masses_agree_ = verdict != Verdict::kBroken;
    verdict_.findings.push_back(
        {"masses of the modes", worst,
         fmt::format("{} modes, at most {} apart", modes, percent(worst)), verdict,
         "The share of the flow's draws in each mode that the exploration found, beside the share "
         "of the exploration's own samples."});
    if (const std::size_t more = sentences.size(); more > kMostSentences) {
      sentences.resize(kMostSentences);
      sentences.push_back(
          fmt::format("the masses of {} more modes differ as well", more - kMostSentences));
    }
    verdict_.disagreements.insert(verdict_.disagreements.end(), sentences.begin(), sentences.end());
  }

  void add_metrics() {
    const auto add_metric = [&](Metric metric) { verdict_.metrics.push_back(std::move(metric)); };
    Metric integral{"log_integral", "log integral of exp(-energy)", exploration_.log_integral,
                    exploration_.log_integral_error};
    verdict_.flow_stands = integral_agrees_ && density_agrees_ && masses_agree_;
    if (verdict_.flow_stands) {
      integral.value = flow_integral_;
      integral.error = std::hypot(flow_error_, missed_.value_or(0.0));
      // What the exploration cannot have seen whole, a flow that learnt from it has not either.
      if (!exploration_.confirmed) integral.error = std::max(integral.error, kUnconfirmedError);
    } else if (flow_.weights) {
      integral.error =
          std::max(integral.error, 0.5 * std::abs(flow_integral_ - exploration_.log_integral));
    }
    // Weights of a flow that reach most of it are a second opinion on the integral.
    const bool confirms = verdict_.flow_stands &&
                          importance_estimate(*flow_.weights).effective_share > kConfirmingShare;
    if (!confirms)
      verdict_.cautions.insert(verdict_.cautions.end(), exploration_.doubts.begin(),
                               exploration_.doubts.end());
    verdict_.log_integral = integral.value;
    verdict_.log_integral_error = integral.error;
    add_metric(integral);
    add_metric({"exploration_log_integral",
                exploration_.method.empty()
                    ? "  by exploration"
                    : fmt::format("  by exploration ({})", exploration_.method),
                exploration_.log_integral, exploration_.log_integral_error});
    add_metric({"exploration_evaluations", "evaluations of the energy for it",
                static_cast<double>(exploration_.evaluations), 0.0, 0});
    if (missed_)
      add_metric({"missed_share", "share of its samples that is missed", *missed_, 0.0, 4});
    if (divergence_) add_metric(*divergence_);
    add_metric({"exploration_modes", "modes found", static_cast<double>(exploration_.modes.size()),
                0.0, 0});
    for (Metric& metric : masses_) add_metric(std::move(metric));
  }

  const FlowSide& flow_;
  const Exploration& exploration_;
  const ModelOptions& model_;
  double distinct_ = 0.0;  // rows of the exploration
  double flow_integral_ = 0.0, flow_error_ = 0.0;
  bool integral_agrees_ = false, density_agrees_ = true, masses_agree_ = true;
  std::optional<double> missed_;
  std::optional<Metric> divergence_;
  std::vector<Metric> masses_;
  RunVerdict verdict_;
};

}  // namespace

bool RunVerdict::lost() const {
  return std::ranges::any_of(
      findings, [](const Finding& finding) { return finding.verdict == Verdict::kBroken; });
}

std::string RunVerdict::text() const {
  if (!explored) return "nothing was checked against an independent exploration of the energy";
  if (agrees())
    return cautions.empty() ? "flow and exploration agree"
                            : "flow and exploration agree, but the exploration itself is in doubt";
  std::vector<std::string> names;
  for (const Finding& finding : findings)
    if (finding.verdict != Verdict::kGood) names.push_back(finding.name);
  return fmt::format("flow and exploration disagree: {}", fmt::join(names, ", "));
}

RunVerdict compare_with_exploration(const FlowSide& flow, const Exploration& exploration,
                                    const ModelOptions& model) {
  return Comparison(flow, exploration, model).run();
}

RunVerdict unexplored_verdict() {
  RunVerdict verdict;
  verdict.cautions = {
      "nothing was checked against an independent exploration of the energy: modes that the flow "
      "has lost do not show in its own weights"};
  return verdict;
}

}  // namespace thalweg

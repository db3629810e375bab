#include "thalweg/exploration/evidence.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace thalweg {

void judge(const Evidence& evidence, const std::vector<std::int64_t>& mode_of_component,
           Exploration& result) {
  std::vector<std::string>&doubts = result.doubts, &warnings = result.warnings;
  if (evidence.by_tempering && evidence.tempered.deviation > 0.4)
    doubts.push_back(
        fmt::format("independent populations disagree: their log integrals spread by {:.2f}",
                    evidence.tempered.deviation));
  if (!evidence.by_tempering && evidence.tempered.log_integral - evidence.log_integral >
                                    3.0 * std::hypot(evidence.tempered.error, evidence.error) + 0.1)
    doubts.push_back(fmt::format(
        "tempering found more mass than the fitted mixture: log integrals {:.2f} and {:.2f}",
        evidence.tempered.log_integral, evidence.log_integral));
  if (!evidence.settled)
    doubts.push_back(fmt::format("the log integral did not settle: its stages gave {:.2f}",
                                 fmt::join(evidence.history, ", ")));
  if (evidence.by_tempering && evidence.bridge &&
      std::abs(evidence.bridge->log_integral - evidence.tempered.log_integral) >
          3.0 * std::hypot(evidence.tempered.error, evidence.bridge->error) + 0.1)
    doubts.push_back(fmt::format("two estimates of the log integral disagree: {:.2f} and {:.2f}",
                                 evidence.bridge->log_integral, evidence.tempered.log_integral));
  if (evidence.by_tempering && evidence.weights.share < kUselessShare)
    doubts.emplace_back(
        "the log integral rests on tempering alone: no mixture fits the particles well enough to "
        "confirm it");
  if (evidence.weights.shape > 0.7 && evidence.weights.share >= kUselessShare)
    warnings.push_back(
        fmt::format("weights are heavy (Pareto k {:.2f}): thin parts of the density, as a "
                    "funnel's neck, may be cut off",
                    evidence.weights.shape));
  // The identity wants a density that is 0 nowhere within.
  const bool walls = (evidence.weights.log_weights.array() < -1e300).any();
  if (const double off = walls ? 0.0 : stein_discrepancy(evidence.islands); off > 0.1)
    warnings.push_back(fmt::format(
        "the particles fail an identity of the density's slopes by {:.2f} (Stein's; it should be "
        "0): part of its edge is missing",
        off));
  if (shares_differ(evidence.islands, evidence.mixture, mode_of_component))
    warnings.emplace_back("independent populations disagree about the masses of the modes");
  double slowest = 0.0;
  bool capped = false;
  for (const TemperedParticles& island : evidence.islands) {
    slowest = std::max(slowest, island.correlation);
    capped = capped || island.capped;
  }
  if (slowest > 0.9)
    doubts.push_back(fmt::format(
        "particles move slowly at the end: correlation {:.2f} with where they were", slowest));
  if (capped && !evidence.weights.clean())
    doubts.emplace_back("the evaluations or the time allowed were used up before it was done");
  if (evidence.died > 0)
    warnings.push_back(fmt::format("{} of {} populations met no finite energy", evidence.died,
                                   evidence.populations));
  // Some are to be expected far away, where the start is.
  if (100 * evidence.refused > evidence.evaluations)
    warnings.push_back(fmt::format(
        "{} of {} energies were no numbers and count as densities of 0{}", evidence.refused,
        evidence.evaluations, evidence.refusal.empty() ? "" : ": " + evidence.refusal));
}

}  // namespace thalweg

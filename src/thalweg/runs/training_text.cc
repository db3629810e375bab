#include "thalweg/runs/training_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "thalweg/objectives/kinds.h"
#include "thalweg/report/progress.h"

namespace thalweg {

double training_share(const TrainingProgress& progress) {
  return static_cast<double>(std::max(progress.step, progress.place)) /
         static_cast<double>(std::max<std::int64_t>(1, progress.iterations));
}

std::string training_text(const TrainingProgress& progress, const std::string& objective) {
  const double left = static_cast<double>(progress.iterations - progress.step) /
                      std::max(progress.steps_per_second, 1e-9);
  std::string text = objective_kinds().find("training.objective", objective).told + " " +
                     number_text(progress.loss, 4);
  if (std::isfinite(progress.validation_loss))
    text += "  validation " + number_text(progress.validation_loss, 4);
  text += fmt::format("  {:.0f} steps/s", progress.steps_per_second);
  // Where time is short, the steps left will not be made.
  if (progress.step < progress.iterations && progress.place <= progress.step)
    text += fmt::format("  {} left", format_duration(left));
  if (progress.bad_steps > 0)
    text +=
        fmt::format("  {} step{} skipped", progress.bad_steps, progress.bad_steps == 1 ? "" : "s");
  if (progress.returns > 0) text += fmt::format("  {} x back to its best", progress.returns);
  return text;
}

}  // namespace thalweg

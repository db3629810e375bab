#include "thalweg/targets/outside_energy.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/core/finite.h"

namespace thalweg {
namespace {

class OutsideTarget : public UnsampledTarget {
 public:
  OutsideTarget(std::shared_ptr<const OutsideFunction> function, std::vector<std::string> columns,
                double half_width)
      : UnsampledTarget("energy", std::move(columns), half_width), function_(std::move(function)) {}

 protected:
  Value build_log_density(Value x) const override { return -call(function_, x); }

 private:
  std::shared_ptr<const OutsideFunction> function_;
};

}  // namespace

std::unique_ptr<Target> make_outside_target(std::shared_ptr<const OutsideFunction> function,
                                            std::vector<std::string> columns, double half_width) {
  return std::make_unique<OutsideTarget>(std::move(function), std::move(columns), half_width);
}

void require_usable_energies(const std::string& source, std::span<const double> points,
                             std::span<const double> energies, std::span<const double> gradients) {
  if (all_finite(energies) && all_finite(gradients)) return;
  const std::size_t features = points.size() / std::max<std::size_t>(1, energies.size());
  for (std::size_t i = 0; i < energies.size(); ++i) {
    const std::span<const double> point = points.subspan(i * features, features);
    const auto shown = [&] {
      return fmt::format("{}", fmt::join(point.first(std::min<std::size_t>(features, 12)), ", "));
    };
    if (std::isnan(energies[i]) || energies[i] == -std::numeric_limits<double>::infinity())
      fail<NumericalError>(
          "{}: the energy at ({}) is {}; expected a finite one, or +inf for a density of 0", source,
          shown(), energies[i]);
    for (std::size_t f = 0; f < features && !gradients.empty() && std::isfinite(energies[i]); ++f)
      if (!std::isfinite(gradients[i * features + f]))
        fail<NumericalError>(
            "{}: slope {} of the energy at ({}) is {}; expected a finite one where the energy is "
            "{}",
            source, f, shown(), gradients[i * features + f], energies[i]);
  }
}

}  // namespace thalweg

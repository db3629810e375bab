#include "thalweg/sampling/minimise.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

// The paper's own numbers.
constexpr std::int64_t kDelay = 5;
constexpr double kLonger = 1.1, kShorter = 0.5, kFirstMix = 0.1, kLessMix = 0.99;
constexpr double kLongest = 10.0;  // of the first time step

/// A row on its way.
class Descent {
 public:
  Descent(const Potential& potential, const MinimisationOptions& options, std::span<double> x)
      : potential_(potential), options_(options), x_(x), v_(x.size(), 0.0), f_(x.size()) {
    potential_.evaluate(x_.data(), 1, &energy_, f_.data());
  }

  /// Gives the number of steps made.
  std::int64_t run() {
    double step = options_.first_step, mix = kFirstMix;
    std::int64_t downhill = 0, made = 0;
    while (made < options_.steps && std::isfinite(energy_) && largest() > options_.force) {
      double power = 0.0, speed = 0.0, force = 0.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        power += f_[c] * v_[c];
        speed += v_[c] * v_[c];
        force += f_[c] * f_[c];
      }
      if (power > 0.0) {
        const double turn = mix * std::sqrt(speed / force);
        for (std::size_t c = 0; c < x_.size(); ++c) v_[c] = (1.0 - mix) * v_[c] + turn * f_[c];
        if (++downhill > kDelay) {
          step = std::min(kLonger * step, kLongest * options_.first_step);
          mix *= kLessMix;
        }
      } else {
        std::ranges::fill(v_, 0.0);
        step *= kShorter;
        mix = kFirstMix;
        downhill = 0;
      }
      double longest = 0.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        v_[c] += step * f_[c];
        longest = std::max(longest, step * std::abs(v_[c]));
      }
      const double shrink = longest > options_.longest_move ? options_.longest_move / longest : 1.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        v_[c] *= shrink;
        x_[c] += step * v_[c];
      }
      potential_.evaluate(x_.data(), 1, &energy_, f_.data());
      ++made;
    }
    return made;
  }

  double energy() const { return energy_; }
  double largest() const {
    double most = 0.0;
    for (const double force : f_) {
      if (std::isnan(force)) return force;
      most = std::max(most, std::abs(force));
    }
    return most;
  }

 private:
  const Potential& potential_;
  const MinimisationOptions& options_;
  std::span<double> x_;
  std::vector<double> v_, f_;
  double energy_ = 0.0;
};

}  // namespace

MinimisationResult minimise(const Potential& potential, std::span<const double> rows,
                            const MinimisationOptions& options, ThreadPool& pool) {
  const auto width = static_cast<std::size_t>(potential.coordinates());
  if (rows.size() % width != 0)
    fail<ShapeError>("minimisation: expected rows of {} coordinates, got {} numbers", width,
                     rows.size());
  const std::size_t count = rows.size() / width;
  MinimisationResult result{.rows = {rows.begin(), rows.end()},
                            .energies = std::vector<double>(count),
                            .forces = std::vector<double>(count)};
  std::vector<std::int64_t> steps(count);
  pool.parallel(static_cast<std::int64_t>(count), [&](std::int64_t index, int) {
    const auto i = static_cast<std::size_t>(index);
    Descent descent(potential, options, {&result.rows[i * width], width});
    steps[i] = descent.run();
    result.energies[i] = descent.energy();
    result.forces[i] = descent.largest();
  });
  for (std::size_t i = 0; i < count; ++i) {
    result.steps = std::max(result.steps, steps[i]);
    if (!(result.forces[i] <= options.force)) ++result.unfinished;
  }
  return result;
}

}  // namespace thalweg

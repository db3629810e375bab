#include "thalweg/sampling/minimise.h"

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/work_progress.h"

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

  /// Makes so many steps more, or fewer to the end.
  void run(std::int64_t steps) {
    for (; steps > 0 && !over(); --steps) {
      double power = 0.0, speed = 0.0, force = 0.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        power += f_[c] * v_[c];
        speed += v_[c] * v_[c];
        force += f_[c] * f_[c];
      }
      if (power > 0.0) {
        const double turn = mix_ * std::sqrt(speed / force);
        for (std::size_t c = 0; c < x_.size(); ++c) v_[c] = (1.0 - mix_) * v_[c] + turn * f_[c];
        if (++downhill_ > kDelay) {
          step_ = std::min(kLonger * step_, kLongest * options_.first_step);
          mix_ *= kLessMix;
        }
      } else {
        std::ranges::fill(v_, 0.0);
        step_ *= kShorter;
        mix_ = kFirstMix;
        downhill_ = 0;
      }
      double longest = 0.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        v_[c] += step_ * f_[c];
        longest = std::max(longest, step_ * std::abs(v_[c]));
      }
      const double shrink = longest > options_.longest_move ? options_.longest_move / longest : 1.0;
      for (std::size_t c = 0; c < x_.size(); ++c) {
        v_[c] *= shrink;
        x_[c] += step_ * v_[c];
      }
      potential_.evaluate(x_.data(), 1, &energy_, f_.data());
      ++made_;
    }
  }

  bool over() const {
    return made_ >= options_.steps || !std::isfinite(energy_) || !(largest() > options_.force);
  }
  std::int64_t steps() const { return made_; }

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
  double energy_ = 0.0, step_ = options_.first_step, mix_ = kFirstMix;
  std::int64_t downhill_ = 0, made_ = 0;
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
  std::vector<Descent> descents;
  for (std::size_t i = 0; i < count; ++i)
    descents.emplace_back(potential, options, std::span(&result.rows[i * width], width));
  // A pool asks between its tasks whether someone wants them to end.
  constexpr std::int64_t kSteps = 100;
  std::int64_t made = 0;
  while (!std::ranges::all_of(descents, &Descent::over)) {
    {
      const WorkPart part("minimising");
      tell_progress(made, options.steps);
    }
    pool.parallel(static_cast<std::int64_t>(count), [&](std::int64_t index, int) {
      descents[static_cast<std::size_t>(index)].run(kSteps);
    });
    made += kSteps;
  }
  for (std::size_t i = 0; i < count; ++i) {
    result.energies[i] = descents[i].energy();
    result.forces[i] = descents[i].largest();
    result.steps = std::max(result.steps, descents[i].steps());
    if (!(result.forces[i] <= options.force)) ++result.unfinished;
  }
  return result;
}

}  // namespace thalweg

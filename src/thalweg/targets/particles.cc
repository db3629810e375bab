#include "thalweg/targets/particles.h"

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::vector<std::string> coordinate_names(const ParticleOptions& options) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < options.particles; ++i)
    for (std::int64_t d = 0; d < options.dimensions; ++d)
      names.push_back(options.dimensions <= 3 ? fmt::format("{}{}", "xyz"[d], i)
                                              : fmt::format("x{}_{}", i, d));
  return names;
}

class ParticleTarget : public UnsampledTarget {
 public:
  ParticleTarget(const std::string& name, std::shared_ptr<const ParticleEnergy> energy,
                 std::optional<double> log_integral, double log_integral_error)
      : UnsampledTarget(name, coordinate_names(energy->options()), 0.0),
        energy_(std::move(energy)),
        log_integral_(log_integral),
        log_integral_error_(log_integral_error) {}

  std::int64_t particle_dimensions() const override { return energy_->options().dimensions; }
  const ParticleOptions* particle_options() const override { return &energy_->options(); }
  std::optional<double> log_normaliser() const override {
    const ParticleOptions& options = energy_->options();
    if (!is_harmonic()) return log_integral_;
    return 0.5 * static_cast<double>(features() - options.dimensions) *
           std::log(2.0 * std::numbers::pi / energy_->spring());
  }
  double log_normaliser_error() const override { return is_harmonic() ? 0.0 : log_integral_error_; }

 protected:
  Value build_log_density(Value x) const override { return -call(energy_, x); }

 private:
  bool is_harmonic() const {
    return !(energy_->options().strength > 0.0) && energy_->options().spring != 0.0;
  }

  std::shared_ptr<const ParticleEnergy> energy_;
  std::optional<double> log_integral_;
  double log_integral_error_;
};

class WithoutLastParticle : public UnsampledTarget {
 public:
  explicit WithoutLastParticle(std::shared_ptr<const Target> whole)
      : UnsampledTarget(
            whole->name(),
            {whole->columns().begin(), whole->columns().end() - whole->particle_dimensions()}, 0.0),
        whole_(std::move(whole)) {}
  std::optional<double> log_normaliser() const override { return whole_->log_normaliser(); }
  double log_normaliser_error() const override { return whole_->log_normaliser_error(); }

 protected:
  Value build_log_density(Value x) const override {
    const std::int64_t dimensions = whole_->particle_dimensions();
    const std::int64_t others = features() / dimensions;
    const Value last = -sum(reshape(x, {others, dimensions}), Axis::kFeatures);
    return whole_->log_density(concat({x, reshape(last, {dimensions, 1})})) +
           0.5 * static_cast<double>(dimensions) * std::log(static_cast<double>(others + 1));
  }

 private:
  std::shared_ptr<const Target> whole_;
};

}  // namespace

std::unique_ptr<Target> make_particle_target(const std::string& name,
                                             const ParticleOptions& options,
                                             std::optional<double> log_integral,
                                             double log_integral_error) {
  return std::make_unique<ParticleTarget>(name, std::make_shared<const ParticleEnergy>(options),
                                          log_integral, log_integral_error);
}

std::shared_ptr<const Target> without_last_particle(std::shared_ptr<const Target> target) {
  if (target->particle_dimensions() == 0)
    fail<ConfigError>("{}: expected a target of particles", target->name());
  return std::make_shared<const WithoutLastParticle>(std::move(target));
}

}  // namespace thalweg

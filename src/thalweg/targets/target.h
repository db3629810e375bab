// Targets: densities known up to a constant, some of which can be sampled exactly.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

struct ParticleOptions;

/// A target over `features()` x 1 vectors. Const functions are thread safe (one graph belongs to
/// one thread).
class Target {
 public:
  virtual ~Target() = default;
  /// Unnormalised log density, 1 x 1 a sample; the energy in kT is its negative. Throws ShapeError.
  Value log_density(Value x) const;
  /// Whether sample() works: for all built-in targets, not for energies of the user's own.
  virtual bool can_sample() const { return true; }
  /// One exact sample; `random` is one sample's own sequence. Throws ConfigError unless
  /// can_sample().
  virtual std::vector<double> sample(RandomSequence& random) const = 0;
  /// Log of the integral of exp(log_density), where it is known.
  virtual std::optional<double> log_normaliser() const { return std::nullopt; }
  /// Its standard error, 0 where it is exact.
  virtual double log_normaliser_error() const { return 0.0; }
  /// Half width of a square or cube around 0 that holds practically all mass, for plots and grids;
  /// 0 if it is not known.
  virtual double half_width() const = 0;
  /// Whether the features are angles: the density then repeats every 2 pi in each, samples lie in
  /// [-pi, pi], and the normaliser is that of one turn of each.
  virtual bool circular() const { return false; }
  /// Of particles whose centre of mass the density does not depend on, the dimensions of space; 0:
  /// of any other target. See make_particle_target.
  virtual std::int64_t particle_dimensions() const { return 0; }
  /// What such particles feel of each other; null for any other target.
  virtual const ParticleOptions* particle_options() const { return nullptr; }
  /// Where in its definition the energy becomes NaN at a point of features() numbers, in words;
  /// empty if it does not, or if the target cannot tell.
  virtual std::string undefined_part(std::span<const double>) const { return ""; }
  /// Names of the columns; empty: x0, x1, ...
  virtual const std::vector<std::string>& columns() const;
  std::int64_t features() const { return features_; }
  const std::string& name() const { return name_; }

 protected:
  Target(std::string name, std::int64_t features) : name_(std::move(name)), features_(features) {}
  virtual Value build_log_density(Value x) const = 0;

 private:
  std::string name_;
  std::int64_t features_;
};

/// A target of which only the energy is known.
class UnsampledTarget : public Target {
 public:
  bool can_sample() const override { return false; }
  std::vector<double> sample(RandomSequence& random) const override;
  double half_width() const override { return half_width_; }
  const std::vector<std::string>& columns() const override { return columns_; }

 protected:
  /// One feature for each of `columns`.
  UnsampledTarget(std::string name, std::vector<std::string> columns, double half_width)
      : Target(std::move(name), static_cast<std::int64_t>(columns.size())),
        columns_(std::move(columns)),
        half_width_(half_width) {}

 private:
  std::vector<std::string> columns_;
  double half_width_;
};

/// What can be said of a target besides its name; of targets of particles alone.
struct TargetSettings {
  std::int64_t particles = 0;   ///< their number; 0: the target's own
  std::int64_t dimensions = 0;  ///< of space; 0: the target's own
  double temperature = 1.0;
  std::optional<double> log_integral = std::nullopt;  ///< where it is known from elsewhere
  double log_integral_error = 0.0;                    ///< its standard error
};

/// One built-in target.
struct TargetKind {
  std::string name, summary;
  std::function<std::unique_ptr<Target>()> make;
  /// Makes one of particles; empty for others.
  std::function<std::unique_ptr<Target>(const TargetSettings&)> make_particles = {};
};
/// What setting data.target chooses from, and what a program adds to it.
KindTable<TargetKind>& target_kinds();

/// A built-in target by name; throws ConfigError that names the nearest known one, and for settings
/// that are not the target's to take.
std::unique_ptr<Target> make_target(std::string_view name, const TargetSettings& settings = {});

}  // namespace thalweg

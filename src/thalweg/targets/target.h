// Targets: densities known up to a constant, some of which can be sampled exactly.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/engine/graph.h"

namespace thalweg {

/// A target over `features()` x 1 vectors. Const functions are thread safe (one graph belongs to
/// one thread).
class Target {
 public:
  virtual ~Target() = default;
  /// Unnormalised log density, 1 x 1 a sample; the energy in kT is its negative. Throws ShapeError.
  Value log_density(Value x) const;
  /// One exact sample; `random` is one sample's own sequence. Targets in the library can all be
  /// sampled.
  virtual std::vector<double> sample(RandomSequence& random) const = 0;
  /// Log of the integral of exp(log_density), where it is known.
  virtual std::optional<double> log_normaliser() const { return std::nullopt; }
  /// Half width of a square or cube around 0 that holds practically all mass, for plots and grids.
  virtual double half_width() const = 0;
  /// Whether the features are angles: the density then repeats every 2 pi in each, samples lie in
  /// [-pi, pi], and the normaliser is that of one turn of each.
  virtual bool circular() const { return false; }
  std::int64_t features() const { return features_; }
  const std::string& name() const { return name_; }

 protected:
  Target(std::string name, std::int64_t features) : name_(std::move(name)), features_(features) {}
  virtual Value build_log_density(Value x) const = 0;

 private:
  std::string name_;
  std::int64_t features_;
};

/// Name and one line about each built-in target.
struct TargetEntry {
  std::string name, summary;
};
const std::vector<TargetEntry>& built_in_targets();

/// A built-in target by name; throws ConfigError that names the nearest known one.
std::unique_ptr<Target> make_target(std::string_view name);

}  // namespace thalweg

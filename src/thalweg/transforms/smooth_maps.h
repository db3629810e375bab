// Maps of features that are smooth to any order: of intervals, of the line, and of circles.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/transforms/bump_mixture.h"
#include "thalweg/transforms/feature_maps.h"
#include "thalweg/transforms/monotone_mixture.h"

namespace thalweg {

/// What moves features that are not angles: mixtures of bumps, in [0, 1], or of logistic
/// distributions, on the whole line.
enum class LineMap : std::uint8_t { kBumps, kLogistics };

/// What moves angles: mixtures of bumps, or of Moebius maps (see MoebiusMixture).
enum class CircleMap : std::uint8_t {
  kBumps,
  kPublishedBumps,  ///< of one width, whatever the network says (BumpMixtureOptions::one_width)
  kMoebius
};

/// Names of all maps of angles: "bumps", "published_bumps", "moebius".
std::vector<std::string> circle_map_names();
/// Map by name; throws ConfigError that lists the names.
CircleMap circle_map_by_name(std::string_view name);

struct SmoothMapsOptions {
  /// Components and smallest density of all mixtures; the rest is of bumps. Which features are
  /// angles is said elsewhere.
  BumpMixtureOptions bumps = {};
  LineMap line = LineMap::kBumps;
  CircleMap circle = CircleMap::kBumps;
  RootSearch search = {};
};

/// A mixture for each feature, in [0, 1] or on the line, and for each angle in [-pi, pi], which
/// also has a shift, the last of its parameters, by which its image is turned. Values in [0, 1]
/// stay there.
class SmoothMaps : public FeatureMaps {
 public:
  /// `circular` says which features are angles; empty stands for none. Throws ConfigError, naming
  /// `name`, for a `circular` of another length or options out of range.
  SmoothMaps(const std::string& name, std::int64_t features, const SmoothMapsOptions& options,
             const std::vector<bool>& circular = {});

 protected:
  std::int64_t parameters_of(bool circular) const override;
  Mapped map(bool circular, bool invert, Value raw, Value x) const override;

 private:
  std::shared_ptr<const MonotoneMixture> line_, circle_;
  bool bounded_;  // what is not an angle is in [0, 1]
  RootSearch search_;
};

}  // namespace thalweg

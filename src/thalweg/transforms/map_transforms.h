// Transforms that move features by maps of their own: elementwise, and as couplings.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/nn/angle_embedding.h"
#include "thalweg/nn/network.h"
#include "thalweg/transforms/feature_maps.h"
#include "thalweg/transforms/feature_split.h"

namespace thalweg {

/// A map of its own for each feature; z = map(x).
class ElementwiseMaps : public Transform {
 protected:
  /// With a context, a network from it, made by `conditioner`, gives what is added to the maps' own
  /// parameters, which start at 0 as `name`.raw.
  ElementwiseMaps(ParameterStore& parameters, const std::string& name, RandomSequence& random,
                  std::int64_t features, std::unique_ptr<const FeatureMaps> maps,
                  const NetworkFactory& conditioner, std::int64_t context_features);
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  Value raw(Graph& graph, Value context) const;

  std::unique_ptr<const FeatureMaps> maps_;
  ParameterId raw_;
  std::unique_ptr<Network> conditioner_;
};

/// Coupling that moves its features by maps, z = map(x), whose parameters come from the kept ones.
class MapCoupling : public Transform {
 protected:
  /// Makes the maps of the moved features, of which some are angles (empty: none).
  using MapsFactory = std::function<std::unique_ptr<const FeatureMaps>(
      std::int64_t features, const std::vector<bool>& circular)>;

  /// `circular` says which features are angles; empty: none. The network, `name`.conditioner, sees
  /// kept ones by their cosine and sine, and others as they are, or, `unit_interval`, stretched
  /// from [0, 1] to [-1, 1]. Throws ConfigError for flags of another length.
  MapCoupling(ParameterStore& parameters, const std::string& name, RandomSequence& random,
              const FeatureSplit& split, const std::vector<bool>& circular, bool unit_interval,
              const MapsFactory& maps, const NetworkFactory& conditioner,
              std::int64_t context_features);
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  Value raw(Value kept, Value context) const;

  FeatureSplit split_;
  std::unique_ptr<const FeatureMaps> maps_;
  AngleEmbedding seen_;
  std::unique_ptr<Network> conditioner_;
};

}  // namespace thalweg

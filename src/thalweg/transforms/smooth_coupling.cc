#include "thalweg/transforms/smooth_coupling.h"

namespace thalweg {

ElementwiseSmooth::ElementwiseSmooth(ParameterStore& parameters, const std::string& name,
                                     RandomSequence& random, std::int64_t features,
                                     const ElementwiseSmoothOptions& options)
    : ElementwiseMaps(parameters, name, random, features,
                      std::make_unique<SmoothMaps>(name, features, options.maps, options.circular),
                      options.conditioner, options.context_features) {}

SmoothCoupling::SmoothCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const SmoothCouplingOptions& options)
    : MapCoupling(
          parameters, name, random, FeatureSplit(name, features, options.swap, options.mask),
          options.circular, options.maps.line == LineMap::kBumps,
          [&](std::int64_t moved, const std::vector<bool>& circular) {
            return std::make_unique<SmoothMaps>(name, moved, options.maps, circular);
          },
          options.conditioner ? options.conditioner
                              : network_factory<ResidualNetwork>(
                                    {.activation = Activation::kSilu, .zero_output = true}),
          options.context_features) {}

}  // namespace thalweg

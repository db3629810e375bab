#include "thalweg/transforms/smooth_coupling.h"

namespace thalweg {

ElementwiseSmooth::ElementwiseSmooth(ParameterStore& parameters, const std::string& name,
                                     RandomSequence& random, std::int64_t features,
                                     const ElementwiseSmoothOptions& options)
    : ElementwiseMaps(parameters, name, random, features,
                      std::make_unique<MixedBumps>(name, features, options.bumps, options.circular),
                      options.conditioner, options.context_features) {}

SmoothCoupling::SmoothCoupling(ParameterStore& parameters, const std::string& name,
                               RandomSequence& random, std::int64_t features,
                               const SmoothCouplingOptions& options)
    : MapCoupling(
          parameters, name, random, FeatureSplit(name, features, options.swap, options.mask),
          options.circular, true,
          [&](std::int64_t moved, const std::vector<bool>& circular) {
            return std::make_unique<MixedBumps>(name, moved, options.bumps, circular);
          },
          options.conditioner ? options.conditioner
                              : network_factory<ResidualNetwork>(
                                    {.activation = Activation::kSilu, .zero_output = true}),
          options.context_features) {}

}  // namespace thalweg

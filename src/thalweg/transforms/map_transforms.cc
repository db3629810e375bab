#include "thalweg/transforms/map_transforms.h"

#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

ElementwiseMaps::ElementwiseMaps(ParameterStore& parameters, const std::string& name,
                                 RandomSequence& random, std::int64_t features,
                                 std::unique_ptr<const FeatureMaps> maps,
                                 const NetworkFactory& conditioner, std::int64_t context_features)
    : Transform(name, features, context_features), maps_(std::move(maps)) {
  const std::int64_t count = maps_->parameters();
  const std::int64_t columns = maps_->has_angles() ? 1 : features;
  raw_ = parameters.add(name + ".raw", count / columns, columns, 0.0);
  if (context_features == 0) return;
  const NetworkFactory factory =
      conditioner ? conditioner : network_factory<Mlp>({.zero_output = true});
  conditioner_ = factory(parameters, name + ".conditioner", random, context_features, count, 0);
}

Value ElementwiseMaps::raw(Graph& graph, Value context) const {
  const Value own = graph.parameter(raw_);
  return conditioner_ ? own + reshape((*conditioner_)(context), own.shape()) : own;
}

Mapped ElementwiseMaps::build_forward(Value z, Value context) const {
  return maps_->invert(raw(*z.graph, context), z);
}

Mapped ElementwiseMaps::build_inverse(Value x, Value context) const {
  return maps_->apply(raw(*x.graph, context), x);
}

namespace {

/// `circular` for some of the features; empty stays empty.
std::vector<bool> flags_of(const std::string& name, std::int64_t all,
                           const std::vector<std::int32_t>& features,
                           const std::vector<bool>& circular) {
  if (!circular.empty() && static_cast<std::int64_t>(circular.size()) != all)
    fail<ConfigError>("{}: expected {} flags for circular features, got {}", name, all,
                      circular.size());
  std::vector<bool> flags;
  if (circular.empty()) return flags;
  for (const std::int32_t feature : features)
    flags.push_back(circular[static_cast<std::size_t>(feature)]);
  return flags;
}

}  // namespace

MapCoupling::MapCoupling(ParameterStore& parameters, const std::string& name,
                         RandomSequence& random, const FeatureSplit& split,
                         const std::vector<bool>& circular, bool unit_interval,
                         const MapsFactory& maps, const NetworkFactory& conditioner,
                         std::int64_t context_features)
    : Transform(name, split.kept() + split.moved(), context_features),
      split_(split),
      maps_(maps(split_.moved(), flags_of(name, features(), split_.moved_features(), circular))),
      seen_(split_.kept(), flags_of(name, features(), split_.kept_features(), circular),
            unit_interval) {
  const NetworkFactory factory =
      conditioner ? conditioner : network_factory<ResidualNetwork>({.zero_output = true});
  conditioner_ = factory(parameters, name + ".conditioner", random, seen_.outputs(),
                         maps_->parameters(), context_features);
}

Value MapCoupling::raw(Value kept, Value context) const {
  return (*conditioner_)(seen_(kept), context);
}

Mapped MapCoupling::build_forward(Value z, Value context) const {
  const auto [kept, moved] = split_.split(z);
  const Mapped mapped = maps_->invert(raw(kept, context), moved);
  return {split_.join({kept, mapped.value}), mapped.log_det};
}

Mapped MapCoupling::build_inverse(Value x, Value context) const {
  const auto [kept, moved] = split_.split(x);
  const Mapped mapped = maps_->apply(raw(kept, context), moved);
  return {split_.join({kept, mapped.value}), mapped.log_det};
}

}  // namespace thalweg

#include "thalweg/nn/equivariant_graph_network.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/nn/particle_species.h"

namespace thalweg {
namespace {

/// What sums over the neighbours are divided by (Satorras et al. 2021; the authors' code).
constexpr double kSumScale = 100.0;
/// Range of the last layer of phi, of Xavier's.
constexpr double kPullGain = 1e-3;
constexpr std::int64_t kMostTypes = 1000;

}  // namespace

EquivariantGraphNetwork::EquivariantGraphNetwork(ParameterStore& parameters,
                                                 const std::string& name, RandomSequence& random,
                                                 const EquivariantGraphNetworkOptions& options)
    : Network(name, options.particles * options.dimensions, options.particles * options.dimensions,
              options.context_features),
      options_(options) {
  const auto& [particles, dimensions, layers, message_blocks, hidden, context, types, species] =
      options;
  if (particles < 2 || dimensions < 1 || layers < 1 || message_blocks < 1 || hidden < 1)
    fail<ConfigError>(
        "{}: expected at least 2 particles, 1 dimension, 1 layer, 1 message block and a width of "
        "1, got {}, {}, {}, {} and {}",
        name, particles, dimensions, layers, message_blocks, hidden);
  if (!types.empty() && std::ssize(types) != particles)
    fail<ConfigError>("{}: expected a type for each of {} particles, got {}", name, particles,
                      types.size());
  if (std::ranges::any_of(types, [](std::int64_t type) { return type < 0 || type > kMostTypes; }))
    fail<ConfigError>("{}: expected types of particles from 0 to {}", name, kMostTypes);
  if (!species.empty() && !types.empty())
    fail<ConfigError>("{}: expected types of particles or species in the context, got both", name);
  if (!species.empty() && context < particles)
    fail<ConfigError>("{}: expected a context that ends with the species of {} particles, got {}",
                      name, particles, context);
  for (std::size_t i = 0; i < species.size(); ++i)
    if (species[i] < 1 || (i > 0 && species[i] <= species[i - 1]))
      fail<ConfigError>("{}: expected rising species from 1, got {}", name,
                        fmt::join(species, ", "));
  const auto matrix = [&](const std::string& part, std::int64_t rows, std::int64_t columns,
                          double range) {
    std::vector<double> values(static_cast<std::size_t>(rows * columns));
    for (double& value : values) value = range * (2.0 * random.uniform() - 1.0);
    return parameters.add(name + "." + part, rows, columns, values);
  };
  const auto range_of = [](std::int64_t inputs) {
    return 1.0 / std::sqrt(static_cast<double>(inputs));
  };
  const auto layer = [&](const std::string& part, std::int64_t inputs, std::int64_t outputs,
                         double range) {
    const ParameterId weights = matrix(part + ".weights", outputs, inputs, range);
    return Layer{weights, matrix(part + ".bias", outputs, 1, range)};
  };
  const auto pair_network = [&](const std::string& part) {
    const double range = range_of(2 * hidden + 2);
    PairNetwork network;
    network.receiver = matrix(part + ".receiver", hidden, hidden, range);
    network.sender = matrix(part + ".sender", hidden, hidden, range);
    network.distances = layer(part + ".distances", 2, hidden, range);
    network.second = layer(part + ".second", hidden, hidden, range_of(hidden));
    return network;
  };
  const std::int64_t given =
      std::max<std::int64_t>(species.empty() ? context : context - particles, 1);
  input_ = layer("input", given, hidden, range_of(given));
  for (std::int64_t i = 0; i < layers; ++i) {
    PositionBlock block;
    for (std::int64_t k = 0; k < message_blocks; ++k) {
      const std::string part = fmt::format("{}.message{}", i, k);
      MessageBlock message;
      message.message = pair_network(part);
      message.gate = layer(part + ".gate", hidden, 1, range_of(hidden));
      message.first = layer(part + ".update", 2 * hidden, hidden, range_of(2 * hidden));
      message.second = layer(part + ".update_second", hidden, hidden, range_of(hidden));
      block.messages.push_back(message);
    }
    block.pull = pair_network(fmt::format("{}.pull", i));
    block.output = matrix(fmt::format("{}.pull.output", i), 1, hidden,
                          kPullGain * std::sqrt(6.0 / static_cast<double>(hidden + 1)));
    blocks_.push_back(std::move(block));
  }
  if (!types.empty()) {
    const std::int64_t count = *std::ranges::max_element(types) + 1;
    types_ = matrix("types", hidden, count, 1.0);
    type_of_particle_.assign(types.begin(), types.end());
  }
  if (!species.empty()) types_ = matrix("species", hidden, std::ssize(species), 1.0);
  // Pairs whose numbers are equally far apart follow each other, so that receivers, and senders in
  // a list of the particles written twice, are runs (see StripPlan).
  for (std::int64_t apart = 1; apart < particles; ++apart)
    for (std::int64_t i = 0; i < particles; ++i) {
      receivers_.push_back(static_cast<std::int32_t>(i));
      senders_.push_back(static_cast<std::int32_t>(i + apart));
    }
}

struct EquivariantGraphNetwork::Pairs {
  const EquivariantGraphNetwork& network;
  Value present;    ///< 1 x particles, or empty: all are there
  Value distances;  ///< r and r0, 2 x pairs
  Value at_receivers(Value v) const { return take(v, network.receivers_, Axis::kItems); }
  Value at_senders(Value v) const {
    return take(concat({v, v}, Axis::kItems), network.senders_, Axis::kItems);
  }
  /// `v`, and 0 for pairs of which a particle is not there.
  Value of_present(Value v) const {
    return present.valid() ? v * at_receivers(present) * at_senders(present) : v;
  }
  Value sum_at_receivers(Value v) const {
    return scatter_add(v, network.receivers_, network.options_.particles, Axis::kItems) *
           (1.0 / kSumScale);
  }
};

Value EquivariantGraphNetwork::pair_features(const PairNetwork& network, const Pairs& pairs,
                                             Value h) const {
  Graph& graph = *pairs.distances.graph;
  const auto parameter = [&](ParameterId id) { return graph.parameter(id); };
  Value first = dense(parameter(network.distances.weights), pairs.distances,
                      parameter(network.distances.bias));
  if (h.items() == 1) {  // equal at all particles
    const Value both = parameter(network.receiver) + parameter(network.sender);
    first = first + (h.batched() ? dense(both, h) : matmul(both, h));
  } else {
    first = first + pairs.at_receivers(dense(parameter(network.receiver), h)) +
            pairs.at_senders(dense(parameter(network.sender), h));
  }
  return activate(Activation::kSilu,
                  dense(parameter(network.second.weights), activate(Activation::kSilu, first),
                        parameter(network.second.bias)));
}

Value EquivariantGraphNetwork::build(Value flat, Value context) const {
  Graph& graph = *flat.graph;
  if (flat.items() > 1) {  // each a system of its own
    std::vector<Value> parts;
    for (std::int64_t i = 0; i < flat.items(); ++i)
      parts.push_back(build(slice(flat, i, 1, Axis::kItems),
                            context.valid() ? slice(context, i, 1, Axis::kItems) : Value{}));
    return concat(parts, Axis::kItems);
  }
  const auto& [particles, dimensions, layers, message_blocks, hidden, context_features, types,
               species] = options_;
  const auto apply = [&](const Layer& layer, Value v) {
    return dense(graph.parameter(layer.weights), v, graph.parameter(layer.bias));
  };
  const Value start = transpose(reshape(flat, {particles, dimensions}));
  Value x = start;
  Value present, kinds;
  if (!species.empty()) {
    kinds = transpose(species_of(context, particles));
    present = presence(kinds);
    context =
        context_features > particles ? slice(context, 0, context_features - particles) : Value{};
  }
  Value h = context.valid() ? apply(input_, context)
                            : graph.parameter(input_.weights) + graph.parameter(input_.bias);
  // A value of each sample, as all that comes of it is.
  if (!types.empty())
    h = h + take(graph.parameter(types_), type_of_particle_, Axis::kItems) +
        0.0 * slice(flat, 0, 1);
  if (!species.empty()) {
    std::vector<Value> indicators;
    for (const std::int64_t kind : species)
      indicators.push_back(less(abs(kinds - static_cast<double>(kind)), graph.constant(0.5)));
    h = h + dense(graph.parameter(types_), concat(indicators)) + 0.0 * slice(flat, 0, 1);
  }
  Value start_distances;
  for (const PositionBlock& block : blocks_) {
    Pairs pairs{*this, present, {}};
    const Value apart = pairs.at_receivers(x) - pairs.at_senders(x);
    const Value distances = sum(square(apart), Axis::kFeatures);
    if (!start_distances.valid()) start_distances = distances;
    pairs.distances = concat({distances, start_distances});
    for (const MessageBlock& messages : block.messages) {
      const Value message = pair_features(messages.message, pairs, h);
      const Value received = pairs.sum_at_receivers(
          message * pairs.of_present(sigmoid(apply(messages.gate, message))));
      const Value own = broadcast(h, received.shape());
      h = own + apply(messages.second,
                      activate(Activation::kSilu, apply(messages.first, concat({own, received}))));
    }
    const Value strength =
        pairs.of_present(dense(graph.parameter(block.output), pair_features(block.pull, pairs, h)));
    x = x + pairs.sum_at_receivers(apart * (strength / (sqrt(distances + 1e-8) + 1.0)));
  }
  const Value displacement = x - start;
  const Value total = sum(displacement, Axis::kItems);
  const Value centred = present.valid()
                            ? displacement - present * (total / sum(present, Axis::kItems))
                            : displacement - total * (1.0 / static_cast<double>(particles));
  return reshape(transpose(centred), {particles * dimensions, 1});
}

NetworkFactory equivariant_graph_network_factory(const EquivariantGraphNetworkOptions& options) {
  return [options](ParameterStore& parameters, const std::string& name, RandomSequence& random,
                   std::int64_t inputs, std::int64_t outputs, std::int64_t context_features) {
    if (inputs != outputs || inputs % options.dimensions != 0)
      fail<ConfigError>(
          "{}: an equivariant network takes positions of particles in {} dimensions to as many: "
          "expected equal multiples of {} as inputs and outputs, got {} and {}",
          name, options.dimensions, options.dimensions, inputs, outputs);
    EquivariantGraphNetworkOptions with_context = options;
    with_context.particles = inputs / options.dimensions;
    with_context.context_features = context_features;
    return std::make_unique<EquivariantGraphNetwork>(parameters, name, random, with_context);
  };
}

}  // namespace thalweg

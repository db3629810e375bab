// E(n)-equivariant graph network: a function of particles that turns with them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/nn/network.h"

namespace thalweg {

struct EquivariantGraphNetworkOptions {
  std::int64_t particles = 4;       ///< at least 2
  std::int64_t dimensions = 2;      ///< of space, at least 1
  std::int64_t layers = 8;          ///< updates of the positions, at least 1
  std::int64_t message_blocks = 2;  ///< updates of the particles' features before each
  std::int64_t hidden = 64;         ///< width of features and of all layers
  std::int64_t context_features = 0;
  /// One a particle, from 0, as of an element; empty: all are alike.
  std::vector<std::int64_t> types = {};
  /// What a particle can be, numbers above 0, of which the context then ends with one a particle;
  /// see species_of(). Empty: the context has none.
  std::vector<std::int64_t> species = {};
};

/// E(n)-equivariant graph network (Satorras, Hoogeboom, Welling 2021; in the variant of Draxler,
/// Sorrenson et al. 2024, section 9.2.1, with attention) of N particles in n dimensions, all of
/// which see each other. The vector is x_0 y_0 ... x_1 y_1 ..., inputs() = outputs() = N n.
///
/// With h_i a linear function of the context (or of 1), plus a learned vector of the particle's
/// type, or of its species, where there are any, r_ij = |x_i - x_j|^2 at the layer's input and
/// r0_ij at the network's, each layer has `message_blocks` times
///
///   m_ij = SiLU(W2 SiLU(W1 [h_i, h_j, r_ij, r0_ij])),   m_ij *= sigmoid(w . m_ij + b)
///   h_i += W4 SiLU(W3 [h_i, sum_j m_ij / 100])
///
/// and then x_i += sum_j (x_i - x_j) / (sqrt(r_ij + 1e-8) + 1) * phi(h_i, h_j, r_ij, r0_ij) / 100
/// with an MLP phi. The value is how far each particle has moved, without the mean of that: it
/// turns, reflects and permutes with the particles, those of each type among themselves, and does
/// not change where all of them are shifted. A particle of species 0 sends nothing, does not move,
/// and counts in no mean: the others move as in a network that has only them. A species that is
/// none of those given has no vector. It starts near 0. Throws ConfigError for options out
/// of range.
class EquivariantGraphNetwork : public Network {
 public:
  EquivariantGraphNetwork(ParameterStore& parameters, const std::string& name,
                          RandomSequence& random, const EquivariantGraphNetworkOptions& options);

 protected:
  Value build(Value x, Value context) const override;

 private:
  struct Layer {
    ParameterId weights, bias;
  };
  /// A function of a pair. The first layer is three: of the receiver, of the sender and of the
  /// distances, so that the first two are products at the particles and not at the pairs.
  struct PairNetwork {
    ParameterId receiver, sender;
    Layer distances, second;
  };
  struct MessageBlock {
    PairNetwork message;
    Layer gate, first, second;
  };
  struct PositionBlock {
    std::vector<MessageBlock> messages;
    PairNetwork pull;
    ParameterId output;
  };

  /// Positions as they are written for pairs.
  struct Pairs;
  Value pair_features(const PairNetwork& network, const Pairs& pairs, Value h) const;

  EquivariantGraphNetworkOptions options_;
  Layer input_;
  ParameterId types_;  // hidden x types or species; where there are any
  std::vector<std::int32_t> type_of_particle_;
  std::vector<PositionBlock> blocks_;
  std::vector<std::int32_t> receivers_, senders_;
};

/// A recipe for layers that own one. The number of particles follows from that of the inputs, of
/// which it throws ConfigError where they are not whole particles or not as many as the outputs.
NetworkFactory equivariant_graph_network_factory(const EquivariantGraphNetworkOptions& options);

}  // namespace thalweg

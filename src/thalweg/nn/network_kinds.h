// The kinds of network that a layer's conditioner can be.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/nn/network.h"

namespace thalweg {

/// What a kind of network is made from.
struct NetworkSettings {
  std::vector<std::int64_t> hidden = {64, 64};  ///< widths of hidden layers
  std::int64_t blocks = 2;                      ///< of networks made of equal blocks
  Activation activation = Activation::kRelu;
  double dropout = 0.0;
  bool zero_output = true;                        ///< the last layer starts at 0
  std::int64_t dimensions = 3;                    ///< of the space that particles are in
  std::vector<std::int64_t> particle_types = {};  ///< one a particle; empty: all are alike
  std::vector<std::int64_t> species = {};         ///< see EquivariantGraphNetworkOptions
};

struct NetworkKind {
  std::string name, summary;
  std::vector<std::string> settings;  ///< keys that it reads
  std::function<NetworkFactory(const NetworkSettings&)> make;
  /// One width in place of several, as the contract tests set it.
  bool one_width = false;
  /// Takes positions of particles to as many numbers, in which they turn: of no use as a
  /// conditioner.
  bool of_particles = false;
};

/// "mlp", "residual", and those that a program adds.
KindTable<NetworkKind>& network_kinds();

}  // namespace thalweg

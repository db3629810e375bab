// The kinds of transform that a flow's blocks are made of, one row each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/nn/network.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

/// What a transform of a block is made from.
struct TransformRequest {
  ParameterStore& parameters;
  RandomSequence& random;
  std::string name;  ///< begins the names of its parameters
  std::int64_t features = 2, context_features = 0;
  const FlowOptions& options;
  std::int64_t dimensions = 3;  ///< of the space that particles are in, for networks of particles
  std::vector<bool> circular = {};  ///< which features of z are angles in [-pi, pi]; empty: none
};

struct TransformKind {
  std::string name, summary;
  std::vector<std::string> settings = {};  ///< keys of the settings that it reads
  /// Makes one, or gives null where the kind stands for no transform.
  std::function<std::shared_ptr<const Transform>(const TransformRequest&)> make;
  /// Follows the block's name in names of parameters, which are part of saved models; empty: name.
  std::string part = {};
  bool permuted = true;   ///< of a block: a permutation follows
  bool circular = false;  ///< features may be angles
  /// Of a block: its features are in [0, 1], unless they are angles. Of a permutation: they may be.
  bool unit_interval = false;
  /// Takes rows of particles whose centre of mass is 0 to such rows, with the log-determinant of
  /// that subspace.
  bool mean_free = false;
  /// Of a block: its maps have derivatives of any order, so that the networks have to be smooth,
  /// too.
  bool smooth = false;
};

/// What setting flow.kind chooses from, and what a program adds to it.
KindTable<TransformKind>& block_kinds();
/// What setting flow.permutation chooses from: maps that bring other features to the front.
KindTable<TransformKind>& permutation_kinds();
/// What other settings add to each block: "continuously_indexed" on its latent side, "act_norm" on
/// its data side.
KindTable<TransformKind>& block_layer_kinds();

/// The network that flow.network, flow.hidden, ... describe, starting at 0.
NetworkFactory conditioner_of(const FlowOptions& options);

}  // namespace thalweg

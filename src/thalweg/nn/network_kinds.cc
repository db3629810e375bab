#include "thalweg/nn/network_kinds.h"

#include "thalweg/core/error.h"
#include "thalweg/nn/equivariant_graph_network.h"
#include "thalweg/nn/residual_mlp.h"

namespace thalweg {
namespace {

NetworkFactory make_mlp(const NetworkSettings& settings) {
  return network_factory<Mlp>({.hidden = settings.hidden,
                               .activation = settings.activation,
                               .dropout = settings.dropout,
                               .zero_output = settings.zero_output});
}

NetworkFactory make_residual(const NetworkSettings& settings) {
  if (settings.hidden.size() != 1)
    fail<ConfigError>(
        "flow.hidden: expected one width, as [64], of the residual network, got {} widths: set "
        "the depth by flow.network_blocks",
        settings.hidden.size());
  if (settings.blocks < 1)
    fail<ConfigError>("flow.network_blocks: expected at least 1, got {}", settings.blocks);
  return network_factory<ResidualNetwork>({.hidden = settings.hidden[0],
                                           .blocks = settings.blocks,
                                           .activation = settings.activation,
                                           .dropout = settings.dropout,
                                           .zero_output = settings.zero_output});
}

NetworkFactory make_residual_mlp(const NetworkSettings& settings) {
  return network_factory<ResidualMlp>({.hidden = settings.hidden,
                                       .blocks = settings.blocks,
                                       .activation = settings.activation,
                                       .dropout = settings.dropout,
                                       .zero_output = settings.zero_output});
}

NetworkFactory make_equivariant(const NetworkSettings& settings) {
  if (settings.hidden.size() != 1)
    fail<ConfigError>(
        "flow.hidden: expected one width, as [64], of the equivariant network, got {} widths: set "
        "the number of layers by flow.network_blocks",
        settings.hidden.size());
  return equivariant_graph_network_factory({.dimensions = settings.dimensions,
                                            .layers = settings.blocks,
                                            .hidden = settings.hidden[0],
                                            .types = settings.particle_types,
                                            .species = settings.species});
}

}  // namespace

KindTable<NetworkKind>& network_kinds() {
  static KindTable<NetworkKind> table({
      {.name = "mlp",
       .summary = "multilayer perceptron",
       .settings = {"flow.hidden", "flow.activation", "flow.dropout"},
       .make = make_mlp},
      {.name = "residual",
       .summary = "residual blocks of one width",
       .settings = {"flow.hidden", "flow.network_blocks", "flow.activation", "flow.dropout"},
       .make = make_residual,
       .one_width = true},
      {.name = "residual_mlp",
       .summary = "a perceptron, then residual blocks of whole perceptrons",
       .settings = {"flow.hidden", "flow.network_blocks", "flow.activation", "flow.dropout"},
       .make = make_residual_mlp},
      {.name = "equivariant",
       .summary = "E(n)-equivariant graph network of particles, for free_form and continuous",
       .settings = {"flow.hidden", "flow.network_blocks", "flow.particle_types", "flow.species",
                    "base.dimensions"},
       .make = make_equivariant,
       .one_width = true,
       .of_particles = true},
  });
  return table;
}

}  // namespace thalweg

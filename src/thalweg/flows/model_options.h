// Settings of models: everything that decides a model's structure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/datasets/derived_columns.h"
#include "thalweg/stochastic/stochastic_layer.h"
#include "thalweg/transforms/column_inputs.h"

namespace thalweg {

/// Which transforms a flow is made of.
struct FlowOptions {
  /// "real_nvp" (affine couplings), "spline" (rational-quadratic spline couplings),
  /// "elementwise_spline" (one monotone spline a column: what serves a single column, where a
  /// coupling has nothing to condition on), "autoregressive_affine" or "autoregressive_spline"
  /// (each column moved by what those before it decide; sampling takes a network pass a column),
  /// "smooth" and "elementwise_smooth" (spline's and elementwise_spline's places taken by mixtures
  /// of bumps, smooth to any order, of columns in [0, 1] and angles), "logistic" and
  /// "elementwise_logistic" (the same by mixtures of logistic distributions, of the whole line),
  /// "residual" (z = x + g(x) with a Lipschitz bound on g), "free_form" (any encoder and any
  /// decoder, learnt by the objective free_form), "continuous" (dx/dt = v(x, t), learnt by the
  /// objective flow_matching) or "none", for blocks of nothing but stochastic layers.
  std::string kind = "real_nvp";
  /// couplings, each followed by a permutation and ActNorm, or residual layers, each followed by
  /// ActNorm; at least 1
  std::int64_t blocks = 16;
  /// What the conditioners are: "mlp", or "residual", a network of `network_blocks` residual
  /// blocks.
  std::string network = "mlp";
  std::int64_t network_blocks = 2;  ///< residual network: at least 1
  /// hidden layers of the conditioners, or of g; of a residual network its width alone, as {256}
  std::vector<std::int64_t> hidden = {32, 32};
  std::string activation = "relu";
  std::string scale_map = "exp";  ///< affine couplings: exp, sigmoid, tanh or none
  /// between couplings: swap (halves), reverse, random, lu (learned linear map) or none
  std::string permutation = "swap";
  /// Above 0, each block has a continuously indexed layer on its latent side, with so many numbers
  /// u: its density is then an estimate. See ContinuouslyIndexed.
  std::int64_t index_features = 0;
  std::vector<std::int64_t> index_hidden = {32, 32};  ///< of the networks from and to u
  /// Of an equivariant network: one a particle, from 0; empty: all are alike.
  std::vector<std::int64_t> particle_types = {};
  /// Of an equivariant network and a base of particles: what a particle can be, rising numbers from
  /// 1, of which the condition ends with one a particle, 0 where there is none; see species_of().
  std::vector<std::int64_t> species = {};
  std::vector<std::int64_t> usual_species = {};  ///< those of a row that was trained on
  bool act_norm = true;
  /// A layer of conditional heads between blocks and columns, with `hidden`, `activation`,
  /// `dropout`, `bins` and `tail_bound` of the flow: see ColumnHeads. Columns whose marginal map
  /// goes to (-1, 1) have cells there.
  bool heads = false;
  double dropout = 0.0;
  std::int64_t bins = 8;    ///< splines
  double tail_bound = 5.0;  ///< splines: identity beyond it
  std::int64_t bumps = 8;   ///< smooth, logistic: see SmoothMapsOptions, as the next four
  double smallest_density = 1e-6;
  std::string ramp = "exponential";  ///< exponential or monomial
  std::int64_t ramp_power = 0;
  std::string circle_map = "bumps";  ///< what moves angles: see circle_map_names()
  double lipschitz = 0.9;            ///< residual: bound on the Lipschitz constant of g, in (0, 1)
  /// residual: auto, exact or series; see ResidualLogDet
  std::string log_det = "auto";
  bool global_skip = true;  ///< free_form: see FreeFormOptions
  std::int64_t steps = 8;   ///< continuous: see ContinuousOptions
};

/// Layers of random moves on the data side of the blocks (Wu, Koehler, Noe 2020): see
/// make_stochastic_layer. They move in the coordinates between base and column maps.
struct StochasticFlowOptions {
  std::vector<std::string> kinds = {};  ///< of StochasticOptions, taken in turn; empty: no layers
  std::int64_t every = 1;  ///< a layer after so many blocks; divides the number of blocks
  /// What the i-th of n layers moves by: "interpolation", (1 - lambda_i) times the energy of the
  /// base plus lambda_i times that of the target, "target", or "learned", a network.
  std::string energy = "interpolation";
  /// lambda_i, each in [0, 1]; empty: i / (n - 1), from the base to the target
  std::vector<double> lambda = {};
  bool prior_layer = false;  ///< one more layer, first, that moves by the base's energy
  StochasticOptions moves;   ///< of each layer, but for its kind
};

/// Which base distribution a flow starts from.
struct BaseOptions {
  std::string kind =
      "normal";  ///< normal, trainable_normal, mean_free_normal, mixture, resampled or stack
  std::int64_t dimensions = 3;   ///< mean_free_normal: of the space that particles are in
  std::int64_t components = 10;  ///< mixture
  double location_scale = 1.0;   ///< mixture: spread of the first locations
  /// resampled: hidden layers of the acceptance network
  std::vector<std::int64_t> hidden = {256, 256};
  double dropout = 0.0;           ///< resampled: of the acceptance network
  std::int64_t truncation = 100;  ///< resampled: this draw is always accepted; 0: no limit
  double average_rate = 0.05;     ///< resampled: rate of the moving average of Z
  std::int64_t proposals = 1024;  ///< resampled: fresh proposals a training step, for Z
  /// resampled: normal, trainable_normal, mixture or flow
  std::string proposal = "normal";
  /// proposal flow: affine couplings over a standard normal; stack: spline couplings of its flows
  std::int64_t flow_blocks = 4;
  std::vector<std::int64_t> flow_hidden = {32, 32};  ///< of their conditioners
  /// What depends on the class that the context names: none, proposal (mean and scale; of the whole
  /// base, if that is not resampled), acceptance or both. Other contexts serve transforms alone.
  std::string conditional = "none";
  /// stack: names of the densities that it mixes, of which kind each is (normals, kernel, flows or
  /// heads), and of how many normals, rows or flows it is made; set by the data. See make_stack().
  std::vector<std::string> members = {}, member_kinds = {};
  std::vector<std::int64_t> member_sizes = {};
  std::vector<double> classes = {};  ///< contexts that name a class, classes x context_features
};

/// Of a model of a molecule: by what its positions become the model's columns.
struct MoleculeOptions {
  std::vector<std::string> atoms = {};  ///< what atoms are called, see atom_label(); may be empty
  std::vector<std::string> rows = {};   ///< of the z-matrix, see z_matrix_row(); empty: no molecule
  std::vector<double> torsion_centres = {};  ///< see InternalCoordinates; may be empty
  /// Of the EckartFrame that places the first atoms of the rows; empty: there is none.
  std::vector<double> anchor_reference = {}, anchor_directions = {};
};

/// Everything that decides a model's structure. Columns may be empty: then x0, x1, ... without
/// preparation.
struct ModelOptions {
  std::int64_t features = 2;
  std::int64_t context_features = 0;
  FlowOptions flow;
  BaseOptions base;
  StochasticFlowOptions stochastic;
  std::vector<ColumnOptions> columns;
  std::vector<ColumnHead> heads = {};          ///< of flow.heads without columns; else they follow
  std::vector<DerivedColumn> derived;          ///< what samples have besides
  MoleculeOptions molecule;                    ///< columns are internal coordinates
  std::vector<ColumnOptions> context_columns;  ///< of which layers take (c - mean) / scale; bounds
                                               ///< and integer are not used
};

/// Whether the layers' features are in [0, 1], unless they are angles. Throws ConfigError for an
/// unknown kind.
bool is_on_unit_interval(const ModelOptions& options);

/// Whether the base is one of particles whose centre of mass is 0. Throws ConfigError for an
/// unknown kind.
bool is_mean_free(const ModelOptions& options);

/// Whether a model of these options moves by the energy of a target.
bool moves_by_target(const StochasticFlowOptions& options);

}  // namespace thalweg

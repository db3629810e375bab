// Model: a flow built from options by name, with its parameters and what it knows about the columns
// of its data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/bases/resampled.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/flows/flow.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// A flow with its parameters. Not copyable; const functions are thread safe.
class Model {
 public:
  /// Builds the flow with parameters initialised from `seed`. `target` is what stochastic layers
  /// move by, in the units of the data; other models have no use for it. Throws ConfigError that
  /// names the option and what it may be.
  Model(const ModelOptions& options, std::uint64_t seed,
        const std::shared_ptr<const Target>& target = {});
  /// The flow with all that the constructor draws, orders of permutations too, taken from `source`:
  /// nothing is drawn. Throws as the constructor, and what `source` throws.
  static std::unique_ptr<Model> load(const ModelOptions& options, ParameterSource source,
                                     const std::shared_ptr<const Target>& target = {});

  const ModelOptions& options() const { return options_; }
  /// Takes contexts in units of their columns' spread: see standardised_context.
  const Flow& flow() const { return *flow_; }
  /// How many of the flow's last transforms serve the columns alone: they lead from standardised
  /// columns without bounds to data.
  std::size_t column_maps() const { return column_maps_; }
  /// How many of its first transforms are layers: all but the column maps.
  std::size_t layers() const { return flow_->transforms().size() - column_maps_; }
  ParameterStore& parameters() { return parameters_; }
  const ParameterStore& parameters() const { return parameters_; }
  /// The resampled base, or null.
  const ResampledBase* resampled() const { return resampled_.get(); }
  /// The classes of a class-conditional base, in the units of the data; empty for others.
  const ClassTable& classes() const { return classes_; }

 private:
  Model() = default;
  void build(const RandomSequence& random, const std::shared_ptr<const Target>& target);

  ModelOptions options_;
  ParameterStore parameters_;
  std::shared_ptr<const ResampledBase> resampled_;
  std::unique_ptr<Flow> flow_;
  ClassTable classes_;
  std::size_t column_maps_ = 0;
};

/// The internal coordinates that the options describe, or null for none. Throws ConfigError and
/// DataError for rows that are no z-matrix.
std::shared_ptr<const InternalCoordinates> make_internal_coordinates(
    const MoleculeOptions& molecule);

}  // namespace thalweg

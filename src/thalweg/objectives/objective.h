// What a model is trained by: a loss as a graph, and what a step of it is given.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/flows/flow.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// Which draw of the base belongs to which data row of a step.
enum class Pairing : std::uint8_t {
  kIndependent,       ///< as they come
  kOptimalTransport,  ///< so that the sum of squared distances is least
  /// Of particles: the same with distances that are least over permutations of the particles and
  /// then over rotations and reflections of the draw, which is handed over so moved.
  kEquivariant,
};

/// Names of all pairings: "independent", "optimal_transport", "equivariant".
std::vector<std::string> pairing_names();
/// Pairing by name; throws ConfigError that lists the names.
Pairing pairing_by_name(const std::string& name);

/// Where the values of a step's input come from.
enum class StepSource : std::uint8_t {
  kRows,     ///< training data as the layers know them: standardised columns without bounds
  kContext,  ///< their condition, standardised
  kLogDet,   ///< log|det| of the map from the data to kRows, 1 x 1
  kForces,   ///< slopes of a log density at the data, by the data's own columns
  kLatent,   ///< exact samples of a base with a rejection step
  kNumber,   ///< a number that is the same for all samples of a step, 1 x 1
  kPaired,   ///< draws of the base that are paired to kRows
};

/// One input of a step's graph; its slot is its place in StepBuilder::inputs().
struct StepInput {
  StepSource source = StepSource::kRows;
  Domain domain = 0;
  /// kNumber: its value in a step, counted from 0.
  std::function<double(std::int64_t step)> number = {};
  Pairing pairing = Pairing::kIndependent;  ///< kPaired
};

/// A graph of one training step: an objective asks it for what the step is given. Whatever was
/// asked for is in inputs(), for the trainer to fill.
class StepBuilder {
 public:
  /// `graph` should be in the phase kTraining. The first `layers` transforms of the flow are what
  /// data rows have not passed; where `mapped`, rows come with the log-determinant of their way
  /// through the others. `samples` is the size of a batch of draws. All must outlive the builder.
  StepBuilder(Graph& graph, const Flow& flow, std::int64_t samples = 1024,
              std::size_t layers = Flow::kAll, bool mapped = false);

  Graph& graph() const { return graph_; }
  const Flow& flow() const { return flow_; }
  std::size_t layers() const { return layers_; }
  /// Size of a batch of draws.
  std::int64_t samples() const { return samples_; }

  /// A batch of training data, in domain 0: to be asked for before draws(). Throws ConfigError
  /// else.
  struct Rows {
    Value y;        ///< features x 1
    Value context;  ///< context features x 1; empty for a flow without a context
    Value log_det;  ///< 1 x 1, to be added to log densities of y; empty where it is 0
  };
  const Rows& rows();
  /// What is known of the slopes of the data's log density by their columns at the rows, features x
  /// 1.
  Value forces();
  /// Where draws of the base are to go: domain 0, unless data rows have it.
  Domain draws();
  /// Samples of the base in `domain`, features x 1. Without a rejection step they are drawn in the
  /// graph, and derivatives flow through them where the base has them; else they are an input.
  Value latent(Domain domain);
  /// A draw of the base for each data row, features x 1, without derivatives. Those that are not
  /// independent are an input, and are exchanged among rows with the very same condition alone.
  /// Throws ConfigError for a base with a rejection step, and for equivariant pairs of a base that
  /// is not one of particles.
  Value paired(Pairing pairing);
  /// A number by step, for each sample of `domain`.
  Value number(Domain domain, std::function<double(std::int64_t step)> at);

  const std::vector<StepInput>& inputs() const { return inputs_; }

 private:
  Value input(std::int64_t features, StepInput described);
  Graph& graph_;
  const Flow& flow_;
  std::int64_t samples_;
  std::size_t layers_;
  bool mapped_, has_rows_ = false, has_draws_ = false;
  Rows rows_;
  std::vector<StepInput> inputs_;
};

/// What an objective makes of a step.
struct Loss {
  Value value;       ///< in nats, shared 1 x 1
  Value non_finite;  ///< number of samples whose part of the loss is not finite, shared 1 x 1
  /// A shared 1 x 1 value whose gradient is that of the loss; empty: the loss itself.
  Value surrogate = {};
};

/// What is minimised in training. Const functions are thread safe (one graph belongs to one
/// thread).
class Objective {
 public:
  virtual ~Objective() = default;
  virtual std::string name() const = 0;
  /// Builds the loss in the builder's graph. Throws ConfigError for a flow or a target that the
  /// objective does not suit.
  virtual Loss build(StepBuilder& step) const = 0;
  /// The target whose density the loss takes; null for most.
  virtual const Target* target() const { return nullptr; }
  /// Whether encoders of free-form layers learn, which no density depends on. training_step()
  /// throws ConfigError for a flow with such layers and an objective that leaves them alone.
  virtual bool trains_encoders() const { return false; }
  /// Whether the base learns. Parameters that no gradient reaches must not be given to an
  /// optimizer, whose weight decay would move them.
  virtual bool trains_base() const { return true; }
  /// Steps that another objective has first, and that one: none for most.
  virtual std::int64_t first_steps() const { return 0; }
  virtual const Objective* first() const { return nullptr; }
};

/// The values of one training step; compile loss, non_finite and gradients to one program.
struct TrainingStep {
  Value loss, non_finite;
  std::vector<ParameterId> trainable;  ///< all trainable tensors of the store, in its order
  std::vector<Value> gradients;        ///< of the loss, one a trainable tensor
};

/// The step of an objective with its gradients. Updates of buffers are then in
/// graph.buffer_updates(). Throws ConfigError if the store has no trainable tensor, and as build().
TrainingStep training_step(StepBuilder& step, const Objective& objective);
/// The same of a flow whose data rows have passed no transform.
TrainingStep training_step(Graph& graph, const Flow& flow, const Objective& objective,
                           std::int64_t samples = 1024);

/// What is taken off a loss for a base with a rejection step: `weight` times Z, its acceptance rate
/// (Stimper, Schoelkopf, Hernandez-Lobato 2022, eq. 26), shared 1 x 1; its mean over the batch
/// where it depends on the context. 0 for a weight of 0. Throws ConfigError for a weight that is
/// negative or not finite, and for a base without such a step.
Value acceptance_reward(Graph& graph, const Base& base, double weight, Value context = {});

}  // namespace thalweg

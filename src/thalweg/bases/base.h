// Base distributions of flows.
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/engine/graph.h"

namespace thalweg {

/// Base of all base distributions over `features()` x 1 vectors. The public functions check shapes;
/// a new base implements the protected ones. Const functions are thread safe (one graph belongs to
/// one thread).
class Base {
 public:
  virtual ~Base() = default;
  /// log p(z), 1 x 1 a sample. In a training graph a resampled base draws fresh proposals in a
  /// batch domain of its own and registers the update of its moving average. Throws ShapeError.
  Value log_prob(Value z, Value context = {}) const;
  /// One draw for each sample of `domain`. For a base with a rejection step this is the proposal,
  /// to be accepted with probability acceptance(). Throws ShapeError.
  Value draw(Graph& graph, Domain domain, Value context = {}) const;
  /// Probability in [0, 1] with which a draw is accepted, 1 x 1; empty if every draw is a sample.
  Value acceptance(Value z, Value context = {}) const;
  /// Share of draws that are accepted, 1 x 1, batched if it depends on the context; empty if every
  /// draw is a sample. In a training graph it is the value that log_prob uses, with its gradient.
  Value acceptance_rate(Graph& graph, Value context = {}) const;
  /// The draw of this number (counted from 1) is accepted in any case; 0: none is.
  virtual std::int64_t truncation() const { return 0; }
  /// Whether draw() gives proposals, of which acceptance() decides.
  virtual bool rejects() const { return false; }
  /// What draw() draws from: this base, unless it has a rejection step.
  virtual const Base& proposal() const { return *this; }
  /// Whether draw() gives exact samples whose derivatives flow to the parameters.
  virtual bool reparameterised() const { return true; }
  /// Of a base of particles whose centre of mass is 0, the dimensions of space; 0: of any other.
  /// Its density is one of the subspace of such rows.
  virtual std::int64_t mean_free_dimensions() const { return 0; }
  /// The part of a direction that leads from rows of that subspace to others: of any other base the
  /// direction itself.
  virtual Value along(Value direction, Value /*context*/) const { return direction; }
  /// Dimension of the subspace, 1 x 1.
  virtual Value dimension(Graph& graph, Value context) const;
  /// The least that it can be.
  virtual std::int64_t least_dimension() const { return features_ - mean_free_dimensions(); }
  std::int64_t features() const { return features_; }
  std::int64_t context_features() const { return context_features_; }
  const std::string& name() const { return name_; }

 protected:
  Base(std::string name, std::int64_t features, std::int64_t context_features = 0);
  virtual Value build_log_prob(Value z, Value context) const = 0;
  virtual Value build_draw(Graph& graph, Domain domain, Value context) const = 0;
  virtual Value build_acceptance(Value z, Value context) const;
  virtual Value build_acceptance_rate(Graph& graph, Value context) const;

 private:
  Graph& graph_of(const char* function, Value z) const;
  void check(const char* function, const Graph& graph, const Value* z, Value context) const;
  std::string name_;
  std::int64_t features_, context_features_;
};

}  // namespace thalweg

#include "thalweg/sampling/chain_kernels.h"

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr double kLangevinAcceptance = 0.574;  // Roberts and Rosenthal 1998
constexpr double kHamiltonianAcceptance = 0.8;

Value squared_norm(Value v) { return sum(square(v), Axis::kFeatures); }

class Independence : public ChainKernel {
 public:
  Independence() : ChainKernel("independence") {}
  ProposedMove propose(const LatentDensity& density, const ChainPoint& from, Value /*step_size*/,
                       Value context) const override {
    return {density.draw(*from.z.graph, context), {}};
  }
  Value log_proposal_ratio(const LatentDensity& density, const ChainPoint& from,
                           const ChainPoint& to, const ProposedMove& /*move*/, Value /*step_size*/,
                           Value context) const override {
    return density.log_draw(from.z, context) - density.log_draw(to.z, context);
  }
  bool serves(ChainTarget /*target*/) const override { return true; }
};

class Langevin : public ChainKernel {
 public:
  Langevin() : ChainKernel("mala") {}
  ProposedMove propose(const LatentDensity& density, const ChainPoint& from, Value step_size,
                       Value context) const override {
    const Value noise = density.noise(*from.z.graph, context);
    return {from.z + 0.5 * square(step_size) * from.gradient + step_size * noise, noise};
  }
  Value log_proposal_ratio(const LatentDensity& /*density*/, const ChainPoint& from,
                           const ChainPoint& to, const ProposedMove& move, Value step_size,
                           Value /*context*/) const override {
    const Value back = (from.z - to.z) / step_size - 0.5 * step_size * to.gradient;
    return 0.5 * (squared_norm(move.carried) - squared_norm(back));
  }
  bool serves(ChainTarget /*target*/) const override { return true; }
  bool needs_gradient() const override { return true; }
  double wanted_acceptance() const override { return kLangevinAcceptance; }
};

class Hamiltonian : public ChainKernel {
 public:
  explicit Hamiltonian(std::int64_t steps) : ChainKernel("hmc"), steps_(steps) {
    if (steps < 1) fail<ConfigError>("hmc: expected at least 1 leapfrog step, got {}", steps);
  }
  ProposedMove propose(const LatentDensity& density, const ChainPoint& from, Value step_size,
                       Value context) const override {
    Graph& graph = *from.z.graph;
    const Value start = density.noise(graph, context);
    const Value length = step_size * (0.8 + 0.4 * graph.uniform({1, 1}));
    Value z = from.z;
    Value momentum = start + 0.5 * length * from.gradient;
    for (std::int64_t step = 0; step < steps_; ++step) {
      if (step > 0) momentum = momentum + length * density.gradient(z, context);
      z = z + length * momentum;
    }
    // Half a step is missing from the last momentum: it takes the gradient at the end.
    return {z, concat({start, momentum, length})};
  }
  Value log_proposal_ratio(const LatentDensity& density, const ChainPoint& /*from*/,
                           const ChainPoint& to, const ProposedMove& move, Value /*step_size*/,
                           Value /*context*/) const override {
    const std::int64_t features = density.features();
    const Value start = slice(move.carried, 0, features);
    const Value length = slice(move.carried, 2 * features, 1);
    const Value end = slice(move.carried, features, features) + 0.5 * length * to.gradient;
    return 0.5 * (squared_norm(start) - squared_norm(end));
  }
  bool serves(ChainTarget /*target*/) const override { return true; }
  bool needs_gradient() const override { return true; }
  double wanted_acceptance() const override { return kHamiltonianAcceptance; }

 private:
  std::int64_t steps_;
};

/// The local kernels of SAILS.
class Sails : public ChainKernel {
 public:
  explicit Sails(bool as_published)
      : ChainKernel(as_published ? "sails_published" : "sails"), as_published_(as_published) {}
  ProposedMove propose(const LatentDensity& density, const ChainPoint& from, Value step_size,
                       Value context) const override {
    const Value noise = density.noise(*from.z.graph, context);
    const Value drift = 0.5 * square(step_size) * from.score;
    if (as_published_)
      return {density.to_latent(from.y + step_size * noise, context) +
                  density.pull_back(from, drift, context),
              {}};
    return {from.z + density.pull_back(from, drift + step_size * noise, context), noise};
  }
  Value log_proposal_ratio(const LatentDensity& density, const ChainPoint& from,
                           const ChainPoint& to, const ProposedMove& move, Value step_size,
                           Value context) const override {
    const Value there = as_published_
                            ? density.push_forward(from, to.z - from.z, context) / step_size -
                                  0.5 * step_size * from.score
                            : move.carried;
    const Value back =
        density.push_forward(to, from.z - to.z, context) / step_size - 0.5 * step_size * to.score;
    return to.log_det - from.log_det + 0.5 * (squared_norm(there) - squared_norm(back));
  }
  bool serves(ChainTarget target) const override { return target == ChainTarget::kSharpened; }
  bool needs_score() const override { return true; }
  double wanted_acceptance() const override { return kLangevinAcceptance; }

 private:
  bool as_published_;
};

}  // namespace

std::unique_ptr<const ChainKernel> make_chain_kernel(std::string_view name,
                                                     std::int64_t leapfrog_steps) {
  if (name == "independence") return std::make_unique<Independence>();
  if (name == "mala") return std::make_unique<Langevin>();
  if (name == "hmc") return std::make_unique<Hamiltonian>(leapfrog_steps);
  if (name == "sails" || name == "sails_published")
    return std::make_unique<Sails>(name == "sails_published");
  fail<ConfigError>(
      "unknown kernel '{}': expected one of independence, mala, hmc, sails, sails_published", name);
}

}  // namespace thalweg

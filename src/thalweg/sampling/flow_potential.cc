#include "thalweg/sampling/flow_potential.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

struct FlowPotential::Worker {
  explicit Worker(const std::shared_ptr<const Program<double>>& program)
      : pool(1), executor(program, pool) {}
  ThreadPool pool;
  Executor<double> executor;

  /// `log_prob` and `slopes` of rows.
  void run(const std::vector<double>& parameters, const double* rows, std::int64_t count,
           double* log_prob, double* slopes) {
    const std::vector<BatchInput<double>> inputs = {{rows, nullptr}};
    const std::vector<std::int64_t> counts = {count};
    const std::vector<std::uint64_t> first_samples = {0};
    const std::vector<double*> outputs = {log_prob, slopes};
    RunArguments<double> arguments;
    arguments.parameters = parameters.data();
    arguments.inputs = inputs;
    arguments.counts = counts;
    arguments.first_samples = first_samples;
    arguments.outputs = outputs;
    executor.run(arguments);
  }
};

FlowPotential::FlowPotential(const Model& model, double temperature, std::int64_t block)
    : block_(block),
      kt_(kBoltzmann * temperature),
      parameters_(model.parameters().flat().begin(), model.parameters().flat().end()) {
  const Flow& flow = model.flow();
  if (!(temperature > 0.0))
    fail<ConfigError>("flow potential: expected a temperature above 0, got {}", temperature);
  if (flow.coordinates() == nullptr)
    fail<ConfigError>("flow potential: expected a model of a molecule, which this is not");
  if (flow.context_features() > 0 || flow.stochastic())
    fail<ConfigError>("flow potential: expected a model without condition and random layers");
  coordinates_ = flow.coordinates()->positions();
  Graph graph(model.parameters());
  const Value positions = graph.input({coordinates_, 1});
  const Value log_prob = flow.log_prob_at_positions(positions);
  const Value slopes = vjp({log_prob}, {}, {positions}).front();
  program_ =
      std::make_shared<const Program<double>>(graph, std::vector<Value>{log_prob, slopes}, block);
}

FlowPotential::~FlowPotential() = default;

std::unique_ptr<FlowPotential::Worker> FlowPotential::take_worker() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Worker>(program_);
  std::unique_ptr<Worker> worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void FlowPotential::evaluate(const double* x, std::int64_t count, double* energies,
                             double* forces) const {
  const auto width = static_cast<std::size_t>(coordinates_), n = static_cast<std::size_t>(count);
  std::vector<double> rows(n * width), slopes(n * width);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < width; ++c) rows[i * width + c] = x[c * n + i];
  std::unique_ptr<Worker> worker = take_worker();
  worker->run(parameters_, rows.data(), count, energies, slopes.data());
  for (std::size_t i = 0; i < n; ++i) {
    energies[i] *= -kt_;
    for (std::size_t c = 0; c < width; ++c) forces[c * n + i] = kt_ * slopes[i * width + c];
  }
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

std::vector<double> FlowPotential::log_prob(std::span<const double> rows, ThreadPool& pool,
                                            std::vector<double>* slopes) const {
  if (std::ssize(rows) % coordinates_ != 0)
    fail<ShapeError>("flow potential: expected rows of {} positions, got {} numbers", coordinates_,
                     rows.size());
  const std::int64_t count = std::ssize(rows) / coordinates_;
  std::vector<double> values(static_cast<std::size_t>(count)), found(rows.size());
  pool.parallel((count + block_ - 1) / block_, [&](std::int64_t tile, int) {
    const std::int64_t first = tile * block_;
    std::unique_ptr<Worker> worker = take_worker();
    worker->run(parameters_, rows.data() + first * coordinates_, std::min(block_, count - first),
                values.data() + first, found.data() + first * coordinates_);
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(worker));
  });
  if (slopes != nullptr) *slopes = std::move(found);
  return values;
}

}  // namespace thalweg

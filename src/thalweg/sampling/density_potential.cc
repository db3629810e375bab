#include "thalweg/sampling/density_potential.h"

#include <algorithm>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {
namespace {

constexpr std::int64_t kBlock = 64;

void check_model(const Model& model) {
  const Flow& flow = model.flow();
  if (flow.context_features() > 0 || flow.stochastic())
    fail<ConfigError>("flow potential: expected a model without condition and random layers");
  if (!flow.exact_slopes())
    fail<ConfigError>(
        "flow potential: the model has free-form layers or series of determinants, and the slopes "
        "of their log densities are estimates, no forces of an energy: draw samples from it, or "
        "chains");
}

std::vector<double> parameters_of(const Model& model) {
  return {model.parameters().flat().begin(), model.parameters().flat().end()};
}

}  // namespace

struct DensityPotential::Worker {
  explicit Worker(const std::shared_ptr<const Program<double>>& program)
      : pool(1), executor(program, pool) {}
  ThreadPool pool;
  Executor<double> executor;

  /// `log_prob` and `slopes` of rows.
  void run(const std::vector<double>& parameters, const double* rows, std::int64_t count,
           double* log_prob, double* slopes) {
    const BatchInput<double> input{rows, nullptr};
    const std::vector<double*> outputs = {log_prob, slopes};
    executor.run({.parameters = parameters.data(),
                  .inputs = {&input, 1},
                  .counts = {&count, 1},
                  .outputs = outputs});
  }
};

DensityPotential::DensityPotential(Graph& graph, Value log_density, Value x,
                                   std::vector<double> parameters, double scale, std::int64_t block)
    : coordinates_(x.shape().features),
      block_(block),
      scale_(scale),
      parameters_(std::move(parameters)) {
  Value slopes = vjp({log_density}, {}, {x}).front();
  // Of a linear energy they are one for all rows, and each row is to have its own.
  if (!slopes.batched()) slopes = slopes + 0.0 * x;
  if (!log_density.batched()) log_density = log_density + 0.0 * sum(x);
  program_ = std::make_shared<const Program<double>>(graph, std::vector<Value>{log_density, slopes},
                                                     block);
}

DensityPotential::~DensityPotential() = default;

std::unique_ptr<DensityPotential::Worker> DensityPotential::take_worker() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Worker>(program_);
  std::unique_ptr<Worker> worker = std::move(idle_.back());
  idle_.pop_back();
  return worker;
}

void DensityPotential::evaluate(const double* x, std::int64_t count, double* energies,
                                double* forces) const {
  const auto width = static_cast<std::size_t>(coordinates_), n = static_cast<std::size_t>(count);
  std::vector<double> rows(n * width), slopes(n * width);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < width; ++c) rows[i * width + c] = x[c * n + i];
  std::unique_ptr<Worker> worker = take_worker();
  worker->run(parameters_, rows.data(), count, energies, slopes.data());
  for (std::size_t i = 0; i < n; ++i) {
    energies[i] *= -scale_;
    for (std::size_t c = 0; c < width; ++c) forces[c * n + i] = scale_ * slopes[i * width + c];
  }
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(worker));
}

std::vector<double> DensityPotential::log_prob(std::span<const double> rows, ThreadPool& pool,
                                               std::vector<double>* slopes) const {
  if (std::ssize(rows) % coordinates_ != 0)
    fail<ShapeError>("potential: expected rows of {} coordinates, got {} numbers", coordinates_,
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

std::unique_ptr<const DensityPotential> molecule_potential(const Model& model, double temperature,
                                                           std::int64_t block) {
  const Flow& flow = model.flow();
  if (!(temperature > 0.0))
    fail<ConfigError>("flow potential: expected a temperature above 0, got {}", temperature);
  if (flow.coordinates() == nullptr)
    fail<ConfigError>("flow potential: expected a model of a molecule, which this is not");
  check_model(model);
  Graph graph(model.parameters());
  const Value positions = graph.input({flow.coordinates()->positions(), 1});
  return std::make_unique<const DensityPotential>(graph, flow.log_prob_at_positions(positions),
                                                  positions, parameters_of(model),
                                                  kBoltzmann * temperature, block);
}

std::unique_ptr<const DensityPotential> model_potential(const Model& model, double scale) {
  if (model.flow().coordinates() != nullptr)
    fail<ConfigError>("flow potential: the model is of a molecule: give its system");
  check_model(model);
  Graph graph(model.parameters());
  const Value x = graph.input({model.flow().features(), 1});
  return std::make_unique<const DensityPotential>(graph, model.flow().log_prob(x), x,
                                                  parameters_of(model), scale, kBlock);
}

std::unique_ptr<const DensityPotential> target_potential(const Target& target) {
  const ParameterStore none;
  Graph graph(none);
  const Value x = graph.input({target.features(), 1});
  return std::make_unique<const DensityPotential>(graph, target.log_density(x), x,
                                                  std::vector<double>{}, 1.0, kBlock);
}

}  // namespace thalweg

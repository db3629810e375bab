#include "thalweg/runs/flow_potential.h"

#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/objectives/force_matching.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {
namespace {

/// What one thread needs: all of it has one caller at a time.
struct Worker {
  explicit Worker(const Model& model) : pool(1), columns(model, pool) {
    const Flow& flow = model.flow();
    Graph graph(model.parameters());
    const Value y = graph.input({flow.features(), 1});
    map.emplace(graph,
                std::vector<Value>{flow.log_prob(y, {}, model.layers()),
                                   flow_forces(flow, y, model.layers())},
                pool);
  }
  ThreadPool pool;
  ColumnMap columns;
  std::optional<RowMap> map;
};

}  // namespace

struct FlowPotential::Programs {
  const Model& model;
  double thermal_energy;
  std::mutex mutex = {};
  std::vector<std::unique_ptr<Worker>> idle = {};

  std::unique_ptr<Worker> take() {
    {
      const std::lock_guard lock(mutex);
      if (!idle.empty()) {
        std::unique_ptr<Worker> worker = std::move(idle.back());
        idle.pop_back();
        return worker;
      }
    }
    return std::make_unique<Worker>(model);
  }
  void give_back(std::unique_ptr<Worker> worker) {
    const std::lock_guard lock(mutex);
    idle.push_back(std::move(worker));
  }
};

FlowPotential::FlowPotential(const LoadedRun& run, double thermal_energy)
    : programs_(new Programs{*run.model, thermal_energy}) {
  if (!(thermal_energy > 0.0) || !std::isfinite(thermal_energy))
    fail<ConfigError>("flow potential: expected a thermal energy above 0, got {}", thermal_energy);
  if (run.model->flow().context_features() > 0)
    fail<ConfigError>("{}: expected a model without a condition, got one with {} columns of it",
                      run.folder.path, run.model->flow().context_features());
  if (!has_model_forces(run))
    fail<ConfigError>(
        "{}: its layers have no exact slopes, of which forces are made: train it with another "
        "flow.kind, such as smooth",
        run.folder.path);
}

FlowPotential::~FlowPotential() = default;

std::int64_t FlowPotential::coordinates() const { return programs_->model.flow().features(); }

void FlowPotential::evaluate(const double* x, std::int64_t count, double* energies,
                             double* forces) const {
  const auto width = static_cast<std::size_t>(coordinates());
  const auto n = static_cast<std::size_t>(count);
  std::vector<double> rows(n * width);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < width; ++c) rows[i * width + c] = x[c * n + i];
  std::unique_ptr<Worker> worker = programs_->take();
  std::vector<double> log_det;
  const std::vector<double> y = worker->columns.to_layers(rows, &log_det);
  const auto results = worker->map->run({.rows = count, .inputs = {y}});
  programs_->give_back(std::move(worker));
  const double kt = programs_->thermal_energy;
  for (std::size_t i = 0; i < n; ++i) {
    const bool outside = log_det[i] == -INFINITY;
    energies[i] = outside ? INFINITY : -kt * (results[0][i] + log_det[i]);
    for (std::size_t c = 0; c < width; ++c)
      forces[c * n + i] = outside ? 0.0 : kt * results[1][i * width + c];
  }
}

}  // namespace thalweg

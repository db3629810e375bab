// A log density, of a trained flow or of a target, as the potential that moves points.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/program.h"
#include "thalweg/flows/model.h"
#include "thalweg/molecules/potential.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// -scale log p(x) with its exact forces, in double. Where the density is 0 energies are infinite
/// and forces NaN. Several threads may call it at once; each gets working memory of its own. Not to
/// be moved.
class DensityPotential : public Potential {
 public:
  /// Of `log_density`, 1 x 1, by `x`, n x 1, an input of `graph`, with these parameters. `block`
  /// points are worked on at once, a multiple of 16; results depend on it in their last bits.
  /// Throws ShapeError for other shapes, ConfigError for a bad block.
  DensityPotential(Graph& graph, Value log_density, Value x, std::vector<double> parameters,
                   double scale, std::int64_t block);
  ~DensityPotential() override;

  std::int64_t coordinates() const override { return coordinates_; }
  void evaluate(const double* x, std::int64_t count, double* energies,
                double* forces) const override;
  std::int64_t block() const override { return block_; }

  /// Log densities in nats of rows of coordinates() numbers, and if given their slopes, rows x
  /// coordinates(), by the threads of a pool. Throws ShapeError for other sizes.
  std::vector<double> log_prob(std::span<const double> rows, ThreadPool& pool,
                               std::vector<double>* slopes = nullptr) const;

 private:
  struct Worker;
  std::unique_ptr<Worker> take_worker() const;

  std::int64_t coordinates_, block_;
  double scale_;
  std::vector<double> parameters_;
  std::shared_ptr<const Program<double>> program_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
};

/// -kT log p of the positions of a molecule's atoms by a model of its internal coordinates, in
/// kJ/mol of nm. It depends on no place and no orientation: see Flow::log_prob_at_positions.
/// `temperature` in K; a `block` of 16 serves those who ask for one configuration at a time. Throws
/// ConfigError for a model of no molecule, with a condition or without exact slopes, and for a
/// temperature that is not above 0.
std::unique_ptr<const DensityPotential> molecule_potential(const Model& model, double temperature,
                                                           std::int64_t block = 64);

/// -scale log p of a model's points. Throws ConfigError for a model with a condition, without exact
/// slopes, or of a molecule.
std::unique_ptr<const DensityPotential> model_potential(const Model& model, double scale);

/// The energy of a target, in its own units; evaluate() throws what the energy does.
std::unique_ptr<const DensityPotential> target_potential(const Target& target);

}  // namespace thalweg

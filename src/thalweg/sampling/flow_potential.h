// A trained flow of a molecule as the potential that moves its atoms.
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

namespace thalweg {

/// -kT log p of the positions of a molecule's atoms by a model of its internal coordinates, in
/// kJ/mol, with its forces in kJ/mol/nm, in double. It depends on no place and no orientation: see
/// Flow::log_prob_at_positions. Where the model has density 0, beyond the bounds of a bond or an
/// angle, energies are infinite and forces NaN. Several threads may call it at once; each gets
/// working memory of its own.
class FlowPotential : public Potential {
 public:
  /// `temperature` in K. `model` must outlive it. `block` configurations are worked on at once, a
  /// multiple of 16; 16 serves those who ask for one at a time, and results depend on it in their
  /// last bits. Throws ConfigError for a model of no molecule, with a condition or with random
  /// layers, for a temperature that is not above 0 and a bad block.
  FlowPotential(const Model& model, double temperature, std::int64_t block = 64);
  ~FlowPotential() override;

  std::int64_t coordinates() const override { return coordinates_; }
  void evaluate(const double* x, std::int64_t count, double* energies,
                double* forces) const override;
  std::int64_t block() const override { return block_; }

  /// Log densities in nats of rows of 3 numbers an atom, and if given their slopes in 1/nm, rows x
  /// coordinates(), by the threads of a pool. Throws ShapeError for other sizes.
  std::vector<double> log_prob(std::span<const double> rows, ThreadPool& pool,
                               std::vector<double>* slopes = nullptr) const;

 private:
  struct Worker;
  std::unique_ptr<Worker> take_worker() const;

  std::int64_t coordinates_ = 0, block_;
  double kt_;  // kJ/mol
  std::vector<double> parameters_;
  std::shared_ptr<const Program<double>> program_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Worker>> idle_;
};

}  // namespace thalweg

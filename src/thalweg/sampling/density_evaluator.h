// Log densities and latent points of rows, by a trained model.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"

namespace thalweg {

/// Evaluates log p(x) and the latent map of one model. Columns and conditions are standardised in
/// double whatever the precision (see ColumnMap). Holds compiled programs and working memory: one
/// per caller.
class DensityEvaluator {
 public:
  /// `draws` is for flows with stochastic layers alone (see log_prob). Throws ConfigError for fewer
  /// than 1.
  DensityEvaluator(const Model& model, ThreadPool& pool, Precision precision = Precision::kFloat,
                   std::int64_t draws = 1);
  ~DensityEvaluator();
  DensityEvaluator(DensityEvaluator&&) noexcept;
  DensityEvaluator(const DensityEvaluator&) = delete;
  DensityEvaluator& operator=(const DensityEvaluator&) = delete;

  /// Evaluates with these parameters, in the layout of the model's store, from now on; they must
  /// stay where they are.
  void use_parameters(std::span<const double> parameters);
  const Model& model() const;
  /// That log_prob() takes: 1 for flows without stochastic layers.
  std::int64_t draws() const;

  /// Log densities in nats in the units of the data; `x` is rows x features, `context` rows x
  /// context features, row-major. -inf, density 0, outside of a column's bounds, and where z is too
  /// far away for a number, as couplings with the scale map exp make it some scales beyond the
  /// data; NaN only for a NaN in x or context, or in the model itself. Throws ShapeError, and
  /// DataError for a context that is none of the classes of a class-conditional base.
  ///
  /// Of a flow with stochastic layers, the logarithm of the mean over `draws` importance-weighted
  /// estimates: in the mean a lower bound that rises with the draws (Burda, Grosse, Salakhutdinov
  /// 2016). A row's random numbers depend on its place in `x` alone.
  std::vector<double> log_prob(std::span<const double> x, std::span<const double> context = {});
  /// Rows of the last call of log_prob(), to_latent() or to_data() for which a flow that looks for
  /// z numerically did not find it, or missed it: of a free-form one their log density is a
  /// makeshift, that at the encoder's f(x), of a continuous one it may be off by more than 0.01
  /// nats. See unsolved_text().
  std::int64_t unsolved() const;
  /// Which rows of that call have a makeshift, true; empty where that cannot be, as of continuous
  /// flows.
  std::vector<bool> makeshift() const;
  /// log_prob(), but where that is a makeshift the least log density of the other rows, and -inf
  /// where there are none: rows that a flow has lost must not look better than those that it has.
  std::vector<double> certain_log_prob(std::span<const double> x,
                                       std::span<const double> context = {});
  /// How many log densities are worth their time where not all rows are needed, as in evaluations:
  /// those that take 2e12 floating-point operations at one draw, which are a minute of two threads
  /// in double, and at least 32. More than any table has for all but free-form and continuous
  /// flows of many columns.
  std::int64_t affordable_rows();
  /// Rows that all threads work on at a time: log densities of fewer take as long.
  std::int64_t rows_at_once();
  /// Cells along each side of a grid in the plane: `most`, or fewer where so many densities would
  /// not be affordable_rows().
  std::int64_t affordable_cells(std::int64_t most);
  /// z of each row, and if `log_det` is given log|det dz/dx|; NaN outside of a column's bounds.
  std::vector<double> to_latent(std::span<const double> x, std::span<const double> context = {},
                                std::vector<double>* log_det = nullptr);
  /// x of each row of `z`, and if `log_det` is given log|det dx/dz|.
  std::vector<double> to_data(std::span<const double> z, std::span<const double> context = {},
                              std::vector<double>* log_det = nullptr);
  /// The transposed Jacobian of to_data() at each row of `z`, (dx/dz)^T `cotangent`: gradients by
  /// x, rows x features, to gradients by z. Throws ShapeError, and ConfigError for a flow with
  /// stochastic layers, whose map is another at each call.
  std::vector<double> pull_back(std::span<const double> z, std::span<const double> cotangent,
                                std::span<const double> context = {});

 private:
  struct Programs;
  std::unique_ptr<Programs> programs_;
};

/// The precision in which a model's densities and samples are made where `wanted` is asked for:
/// random moves go by differences of energies, which in float may drown in the energies, so that a
/// model with moves is evaluated and drawn from in double, and so is one whose classes float takes
/// for each other.
Precision precision_of_moves(const Model& model, Precision wanted);

/// Throws DataError for a row of `context` that names no class of a class-conditional base;
/// `function` begins the message.
/// And so of species that particles are said to have.
void require_known_classes(const char* function, const Model& model,
                           std::span<const double> context);

}  // namespace thalweg

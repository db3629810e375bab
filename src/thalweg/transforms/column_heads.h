// Tables of mixed columns, column after column: exact masses for discrete ones, splines for the
// rest.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/nn/masked_mlp.h"
#include "thalweg/transforms/column_inputs.h"
#include "thalweg/transforms/rational_quadratic_spline.h"
#include "thalweg/transforms/transform.h"

namespace thalweg {

struct ColumnHeadsOptions {
  SplineOptions spline = {};  ///< of the columns on the line; not circular
  /// Of the masked network from the columns before to the parameters of a column. With zero_output
  /// the layer starts as initialise() says, or with the marginals that borders carry.
  MlpOptions network = {.zero_output = true};
  std::int64_t context_features = 0;
};

/// An autoregressive layer whose parameters a masked network with a linear path makes of the
/// columns before (as ColumnInputs shows them) and the context. From data x to latent z:
///
/// - on the line: z = spline((x - shift) exp(-log_scale));
/// - of cells: with the masses m_k = softmax_k(log(width_k / 2) + raw_k), v is the piecewise linear
///   distribution function on [-1, 1] with these masses, and z = Phi^-1(v). The density in a cell
///   is m_k / width_k, so that with a standard normal base a density times the width of the cells
///   is the exact probability of discrete values given those before. raw = 0 gives v = (x + 1) / 2.
///
/// Both tails of v are kept to full relative accuracy; where one is below 1e-30, z stays at 11.5.
/// Outside of [-1, 1] such a column has density 0 (log_det is -inf). forward() gives values in
/// [-1, 1]. It evaluates the network once for each column, written out in the graph.
class ColumnHeads : public Transform {
 public:
  /// One head a column. Throws ConfigError as check_column_heads does and for options out of range.
  ColumnHeads(ParameterStore& parameters, const std::string& name, RandomSequence& random,
              std::vector<ColumnHead> heads, const ColumnHeadsOptions& options = {});

  bool wants_data() const override;
  /// Columns on the line start at a ridge regression on what the network sees of the context and of
  /// the columns before: the linear path of the shift, and the cross-validated residual deviation
  /// as the scale. Those of cells are left at their marginals. Throws DataError for sizes that do
  /// not fit or values that are not finite.
  void initialise(ParameterStore& parameters, std::span<const double> x,
                  std::span<const double> context = {}) const override;

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  Mapped move_on_line(Value raw, Value from, bool to_data) const;
  Mapped move_in_cells(Value raw, Value from, const std::vector<std::int32_t>& columns,
                       bool to_data) const;

  std::vector<ColumnHead> heads_;
  ColumnInputs inputs_;
  SplineOptions spline_;
  /// Columns on the line first, if there are some, then those of each number of cells. The outputs
  /// of the network are a row-major matrix parameters x columns for each group.
  std::vector<std::vector<std::int32_t>> groups_;
  std::vector<std::int32_t> back_;  ///< from the order of the groups to that of the columns
  std::unique_ptr<MaskedMlp> network_;
};

}  // namespace thalweg

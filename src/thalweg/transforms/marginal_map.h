// Fixed elementwise maps through knots: what makes each column of data nearly normal by itself.
#pragma once

#include <string>
#include <vector>

#include "thalweg/transforms/transform.h"

namespace thalweg {

/// The map of one column, from data x to latent z: through the knots (x, z), both ascending; beyond
/// them straight on, with the slope from the first knot to the last. Without knots: the identity.
struct MarginalKnots {
  std::vector<double> x = {}, z = {};
  /// Whether slopes agree at the knots: rational-quadratic pieces (Gregory and Delbourgo 1982),
  /// whose slopes there are weighted harmonic means of those of the pieces. Else pieces are
  /// straight.
  bool smooth = true;
};

/// z = map(x), column by column; nothing of it is trained.
class MarginalMap : public Transform {
 public:
  /// One entry a feature. Throws ConfigError for knots of unequal number, a single one, and such as
  /// do not ascend.
  MarginalMap(const std::string& name, const std::vector<MarginalKnots>& columns);

 protected:
  Mapped build_forward(Value z, Value context) const override;
  Mapped build_inverse(Value x, Value context) const override;

 private:
  /// Columns whose maps have the same number of pieces; these lie in [-1, 1] on both sides.
  struct Group {
    std::int64_t start = 0, pieces = 0, count = 0;
    std::vector<double> widths, heights, left_slopes, right_slopes;  // pieces x count, row-major
    std::vector<double> x_middle, x_half, z_middle, z_half;
    double log_scale = 0.0;  // sum of log(z_half / x_half)
  };
  Mapped apply(Value from, bool to_data) const;

  std::vector<std::int32_t> order_, back_;
  std::vector<Group> groups_;
  std::int64_t plain_ = 0;  // columns without knots, which come first
};

}  // namespace thalweg

// What a stack is made of, by name: densities that were fitted one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "thalweg/bases/full_gaussian_mixture.h"
#include "thalweg/bases/gaussian_mixture.h"
#include "thalweg/bases/stack.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/flows/base_kinds.h"
#include "thalweg/flows/flow_base.h"
#include "thalweg/flows/model_options.h"
#include "thalweg/transforms/column_heads.h"

namespace thalweg {

/// Of which kind a member is, in base.member_kinds.
inline constexpr const char* kNormalsMember = "normals";  ///< FullGaussianMixture
inline constexpr const char* kKernelMember = "kernel";    ///< KernelDensity
inline constexpr const char* kFlowsMember = "flows";      ///< mean density of small flows

inline constexpr const char* kHeadsMember = "heads";  ///< of flows of one layer, ColumnHeads

/// "base.stack" begins the names of all parameters of a stack, this those of its member `number`.
std::string member_name(std::size_t number);

/// A normal of one covariance around each of `rows` points: a mixture of normals with one scale,
/// NAME.mixture, behind a linear map, NAME.linear, that whitens. Nothing is trained.
class KernelDensity : public FlowBase {
 public:
  KernelDensity(ParameterStore& parameters, const std::string& name, std::int64_t features,
                std::int64_t rows);
  /// `points` (rows x features, row-major) are the centres; log p(z) is that of normals of
  /// covariance bandwidth^2 C around them, where C = U^-1 U^-T and `upper` is U, features x
  /// features, upper triangular with a positive diagonal. Throws ShapeError.
  static void set(ParameterStore& parameters, const std::string& name,
                  std::span<const double> points, std::span<const double> upper, double bandwidth);
};

/// The flow that members of kind "flows" are made of: base.flow_blocks spline couplings with LU
/// maps, conditioners of the widths base.flow_hidden, over a standard normal; elementwise splines
/// for one column.
FlowOptions small_flow_options(const BaseOptions& options, std::int64_t features);

/// The layer that members of kind "heads" are made of.
ColumnHeadsOptions small_heads_options(const BaseOptions& options);

/// The stack that base.members, base.member_kinds and base.member_sizes describe. Throws
/// ConfigError for lists that do not belong together.
std::shared_ptr<const Base> make_stack(const BaseRequest& request);

}  // namespace thalweg

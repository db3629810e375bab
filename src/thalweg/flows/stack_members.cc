#include "thalweg/flows/stack_members.h"

#include <Eigen/Core>
#include <cmath>

#include "thalweg/bases/normal.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/transform_kinds.h"
#include "thalweg/transforms/lu_linear.h"

namespace thalweg {
namespace {

using RowMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

std::shared_ptr<const Flow> kernel_flow(ParameterStore& parameters, const std::string& name,
                                        std::int64_t features, std::int64_t rows) {
  RandomSequence random(0, Stream::kInitialisation);  // All locations start at 0.
  auto mixture = std::make_shared<GaussianMixture>(
      parameters, name + ".mixture", random, features,
      GaussianMixtureOptions{.components = rows, .location_scale = 0.0, .trainable = false});
  auto linear = std::make_shared<LULinear>(parameters, name + ".linear", features);
  return std::make_shared<Flow>(std::move(mixture),
                                std::vector<std::shared_ptr<const Transform>>{linear});
}

/// One flow of small_flow_options(): the layers of a model of these options, by the same names
/// after `name`.
std::shared_ptr<const Base> small_flow(const BaseRequest& request, const std::string& name) {
  const FlowOptions flow = small_flow_options(request.options, request.features);
  const TransformKind& kind = block_kinds().find("flow.kind", flow.kind);
  const TransformKind& permutation = permutation_kinds().find("flow.permutation", flow.permutation);
  std::vector<std::shared_ptr<const Transform>> layers;
  for (std::int64_t block = 0; block < flow.blocks; ++block)
    for (const TransformKind* row : {&kind, &permutation})
      if (auto made = row->make({.parameters = request.parameters,
                                 .random = request.random,
                                 .name = fmt::format("{}.flow.{}.{}", name, block, row->part),
                                 .features = request.features,
                                 .options = flow}))
        layers.push_back(std::move(made));
  auto normal = std::make_shared<Normal>(request.parameters, name + ".normal", request.features);
  return std::make_shared<FlowBase>(name, std::make_shared<Flow>(std::move(normal), layers));
}

/// A layer of heads over a normal: as a model of it, by the same names after `name`.
std::shared_ptr<const Base> small_heads(const BaseRequest& request, const std::string& name) {
  auto layer =
      std::make_shared<ColumnHeads>(request.parameters, name + ".flow.heads", request.random,
                                    request.heads, small_heads_options(request.options));
  auto normal = std::make_shared<Normal>(request.parameters, name + ".normal", request.features);
  return std::make_shared<FlowBase>(
      name, std::make_shared<Flow>(std::move(normal),
                                   std::vector<std::shared_ptr<const Transform>>{layer}));
}

std::shared_ptr<const Base> make_member(const BaseRequest& request, std::size_t number) {
  const BaseOptions& options = request.options;
  const std::string name = member_name(number), &kind = options.member_kinds[number];
  const std::int64_t size = options.member_sizes[number];
  if (size < 1) fail<ConfigError>("base.member_sizes: expected at least 1, got {}", size);
  if (kind == kNormalsMember)
    return std::make_shared<FullGaussianMixture>(request.parameters, name, request.features, size);
  if (kind == kKernelMember)
    return std::make_shared<KernelDensity>(request.parameters, name, request.features, size);
  const bool heads = kind == kHeadsMember;
  if (kind != kFlowsMember && !heads)
    fail<ConfigError>("base.member_kinds: expected one of {}, {}, {}, {}, got '{}'", kNormalsMember,
                      kKernelMember, kFlowsMember, kHeadsMember, kind);
  std::vector<std::shared_ptr<const Base>> flows;
  for (std::int64_t flow = 0; flow < size; ++flow)
    flows.push_back((heads ? small_heads : small_flow)(request, fmt::format("{}.{}", name, flow)));
  return std::make_shared<Stack>(request.parameters, name, std::move(flows));
}

}  // namespace

std::string member_name(std::size_t number) { return fmt::format("base.stack.{}", number); }

KernelDensity::KernelDensity(ParameterStore& parameters, const std::string& name,
                             std::int64_t features, std::int64_t rows)
    : FlowBase(name, kernel_flow(parameters, name, features, rows)) {}

void KernelDensity::set(ParameterStore& parameters, const std::string& name,
                        std::span<const double> points, std::span<const double> upper,
                        double bandwidth) {
  const auto locations = parameters.values(parameters.find(name + ".mixture.locations"));
  const auto log_scales = parameters.values(parameters.find(name + ".mixture.log_scales"));
  const auto factors = parameters.values(parameters.find(name + ".linear.factors"));
  if (points.size() != locations.size() || upper.size() != factors.size())
    fail<ShapeError>("{}: expected {} values of points and {} of the factor, got {} and {}", name,
                     locations.size(), factors.size(), points.size(), upper.size());
  const auto width = static_cast<Eigen::Index>(std::lround(std::sqrt(factors.size())));
  const auto rows = static_cast<Eigen::Index>(points.size()) / width;
  const RowMatrix factor =
      Eigen::Map<const RowMatrix>(upper.data(), width, width).triangularView<Eigen::Upper>();
  const Eigen::Map<const RowMatrix> given(points.data(), rows, width);
  Eigen::Map<RowMatrix>(locations.data(), width, rows) = factor * given.transpose();
  std::fill(log_scales.begin(), log_scales.end(), std::log(bandwidth));
  Eigen::Map<RowMatrix> kept(factors.data(), width, width);
  kept = factor;
  kept.diagonal() = factor.diagonal().array().log().matrix();
}

FlowOptions small_flow_options(const BaseOptions& options, std::int64_t features) {
  FlowOptions flow;
  flow.kind = features == 1 ? "elementwise_spline" : "spline";
  flow.permutation = features == 1 ? "none" : "lu";
  flow.blocks = options.flow_blocks;
  flow.hidden = options.flow_hidden;
  flow.act_norm = false;
  return flow;
}

ColumnHeadsOptions small_heads_options(const BaseOptions& options) {
  const FlowOptions flow;
  ColumnHeadsOptions heads;
  heads.spline = {.bins = flow.bins, .bound = flow.tail_bound};
  heads.network.hidden = options.flow_hidden;
  return heads;
}

std::shared_ptr<const Base> make_stack(const BaseRequest& request) {
  const BaseOptions& options = request.options;
  if (options.members.empty())
    fail<ConfigError>("base.members: a stack takes its members from data when it is trained");
  if (options.members.size() != options.member_kinds.size() ||
      options.members.size() != options.member_sizes.size())
    fail<ConfigError>(
        "base.members: expected as many base.member_kinds and base.member_sizes, got {} beside {} "
        "and {}",
        options.members.size(), options.member_kinds.size(), options.member_sizes.size());
  const std::size_t first = request.parameters.infos().size();
  std::vector<std::shared_ptr<const Base>> members;
  for (std::size_t number = 0; number < options.members.size(); ++number)
    members.push_back(make_member(request, number));
  auto stack = std::make_shared<Stack>(request.parameters, "base.stack", std::move(members));
  request.parameters.add("base.stack.log_likelihoods", 1,
                         static_cast<std::int64_t>(options.members.size()), 0.0, false);
  request.parameters.freeze(first);
  return stack;
}

}  // namespace thalweg

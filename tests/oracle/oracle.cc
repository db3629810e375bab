#include "oracle.h"

#include <ATen/ATen.h>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::oracle {
namespace {

using torch::Tensor;

/// Counted from the end, so that the samples in front do not matter.
std::int64_t dimension(Axis axis) { return axis == Axis::kFeatures ? -2 : -1; }

Tensor as_double(const Tensor& mask) { return mask.to(torch::kDouble); }

Tensor apply_unary(Unary function, const Tensor& a, double parameter) {
  switch (function) {
    case Unary::kCopy:
      return a;
    case Unary::kNegate:
      return -a;
    case Unary::kAbs:
      return a.abs();
    case Unary::kSquare:
      return a * a;
    case Unary::kSqrt:
      return a.sqrt();
    case Unary::kReciprocal:
      return a.reciprocal();
    case Unary::kExp:
      return a.exp();
    case Unary::kExpm1:
      return a.expm1();
    case Unary::kLog:
      return a.log();
    case Unary::kLog1p:
      return a.log1p();
    case Unary::kTanh:
      return a.tanh();
    case Unary::kSigmoid:
      return a.sigmoid();
    case Unary::kSoftplus:
      return at::logaddexp(a, at::zeros_like(a));
    case Unary::kRelu:
      return a.relu();
    case Unary::kStep:
      return at::where(a.isnan(), a.detach(), as_double(a > 0));
    case Unary::kSign:
      return a.sign();
    case Unary::kSin:
      return a.sin();
    case Unary::kCos:
      return a.cos();
    case Unary::kErf:
      return a.erf();
    case Unary::kNormalCdf:
      return at::special_ndtr(a);
    case Unary::kNormalQuantile:
      return at::special_ndtri(a);
    case Unary::kFloor:
      return a.floor();
    case Unary::kPower:
      return a.pow(parameter);
    case Unary::kIsFinite:
      return as_double(a.isfinite());
  }
  fail<ConfigError>("oracle: unknown elementwise function {}", static_cast<int>(function));
}

Tensor apply_binary(Binary function, const Tensor& a, const Tensor& b) {
  switch (function) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    case Binary::kDivide:
      return a / b;
    // Not at::maximum: where operands tie, the derivative belongs to the first.
    case Binary::kMax:
      return at::where((b <= a).logical_or(a.isnan()), a, b);
    case Binary::kMin:
      return at::where((a <= b).logical_or(a.isnan()), a, b);
    case Binary::kLess:
      return as_double(a < b);
    case Binary::kLessEqual:
      return as_double(a <= b);
    case Binary::kEqual:
      return as_double(a == b);
    case Binary::kMultiplyStep:
      return a * as_double(b > 0);
    case Binary::kMultiplyTanhSlope:
      return a * (1 - b * b);
    case Binary::kMultiplySigmoidSlope:
      return a * b * (1 - b);
    case Binary::kAtan2:
      return at::atan2(a, b);
  }
  fail<ConfigError>("oracle: unknown function of two operands {}", static_cast<int>(function));
}

/// Zeros like `a`, but of extent `extent` along the axis.
Tensor zeros_along(const Tensor& a, Axis axis, std::int64_t extent) {
  auto sizes = a.sizes().vec();
  sizes[static_cast<std::size_t>(a.dim() + dimension(axis))] = extent;
  return at::zeros(sizes, a.options());
}

Tensor pad_along(const Tensor& a, Axis axis, std::int64_t start, std::int64_t extent) {
  const std::int64_t size = a.size(dimension(axis));
  return at::cat({zeros_along(a, axis, start), a, zeros_along(a, axis, extent - start - size)},
                 dimension(axis));
}

Tensor running_sum(Tensor a, bool reverse, bool exclusive) {
  const std::int64_t features = a.size(-2);
  if (reverse) a = a.flip({-2});
  if (exclusive) a = pad_along(a.narrow(-2, 0, features - 1), Axis::kFeatures, 1, features);
  a = a.cumsum(-2);
  return reverse ? a.flip({-2}) : a;
}

/// Samples x features x items of what `number` gives for a sample and an element.
template <typename Number>
Tensor random_numbers(const Node& node, const Feed& feed, std::int64_t samples, Number number) {
  Tensor result =
      at::empty({samples, node.shape.features, node.shape.items}, at::dtype(torch::kDouble));
  auto* out = result.data_ptr<double>();
  const auto size = static_cast<std::uint32_t>(node.shape.size());
  const std::uint64_t first = feed.first_samples.at(static_cast<std::size_t>(node.domain));
  for (std::int64_t row = 0; row < samples; ++row)
    for (std::uint32_t r = 0; r < size; ++r)
      *out++ = number(first + static_cast<std::uint64_t>(row), r);
  return result;
}

std::uint32_t graph_stream(std::int64_t stream) {
  return static_cast<std::uint32_t>(Stream::kGraph) + static_cast<std::uint32_t>(stream);
}

Tensor checked(const char* what, std::int64_t number, const Tensor& tensor,
               const std::vector<std::int64_t>& sizes) {
  if (tensor.sizes() != at::IntArrayRef(sizes))
    fail<ShapeError>("oracle: {} {} has {} elements, expected [{}]", what, number, tensor.numel(),
                     fmt::join(sizes, ", "));
  return tensor;
}

Tensor lower(const Graph& graph, const Node& node, const std::vector<Tensor>& values,
             const Feed& feed) {
  const auto in = [&](std::size_t i) -> const Tensor& {
    return values[static_cast<std::size_t>(node.inputs[i])];
  };
  const auto samples_of = [&](Domain domain) {
    return feed.counts.at(static_cast<std::size_t>(domain));
  };
  const Shape& shape = node.shape;
  const auto with_samples = [&](Shape wanted) {
    std::vector<std::int64_t> sizes{wanted.features, wanted.items};
    if (node.domain != kShared) sizes.insert(sizes.begin(), samples_of(node.domain));
    return sizes;
  };
  return std::visit(
      Overloaded{
          [&](const primitive::Input& p) {
            return checked("input", p.slot, feed.inputs.at(static_cast<std::size_t>(p.slot)),
                           with_samples(shape));
          },
          [&](const primitive::Parameter& p) {
            return checked("parameter", p.index,
                           feed.parameters.at(static_cast<std::size_t>(p.index)),
                           {shape.features, shape.items});
          },
          [&](const primitive::Fill& p) {
            return at::full({shape.features, shape.items}, p.number.value,
                            at::dtype(torch::kDouble));
          },
          [&](const primitive::Constant& p) {
            std::vector<double> elements;
            for (const ExactNumber element : *p.elements) elements.push_back(element.value);
            return torch::tensor(elements, torch::kDouble).reshape({shape.features, shape.items});
          },
          [&](const primitive::Count& p) {
            return at::full({1, 1}, static_cast<double>(samples_of(p.of)),
                            at::dtype(torch::kDouble));
          },
          [&](const primitive::Uniform& p) {
            return random_numbers(
                node, feed, samples_of(node.domain), [&](std::uint64_t sample, std::uint32_t r) {
                  const auto words = random_words(feed.seed, graph_stream(p.stream), sample, r);
                  return uniform_from_words(words[0], words[1]);
                });
          },
          [&](const primitive::Normal& p) {
            return random_numbers(
                node, feed, samples_of(node.domain), [&](std::uint64_t sample, std::uint32_t r) {
                  return normals_from_words(
                      random_words(feed.seed, graph_stream(p.stream), sample, r / 2))[r % 2];
                });
          },
          [&](const primitive::UnaryFunction& p) {
            return apply_unary(p.function, in(0), p.parameter.value);
          },
          [&](const primitive::BinaryFunction& p) {
            return apply_binary(p.function, in(0), in(1));
          },
          [&](const primitive::Select&) { return at::where(in(0) != 0, in(1), in(2)); },
          [&](const primitive::Sum& p) { return in(0).sum(dimension(p.axis), true); },
          [&](const primitive::Max& p) { return in(0).amax(dimension(p.axis), true); },
          [&](const primitive::CumulativeSum& p) {
            return running_sum(in(0), p.reverse, p.exclusive);
          },
          [&](const primitive::BatchSum&) { return in(0).sum(0); },
          [&](const primitive::Broadcast&) { return in(0).expand(with_samples(shape)); },
          [&](const primitive::Reshape&) { return in(0).reshape(with_samples(shape)); },
          [&](const primitive::Transpose&) { return in(0).transpose(-2, -1); },
          [&](const primitive::Slice& p) {
            return in(0).narrow(dimension(p.axis), p.start, shape.extent(p.axis));
          },
          [&](const primitive::Pad& p) {
            return pad_along(in(0), p.axis, p.start, shape.extent(p.axis));
          },
          [&](const primitive::Concat& p) {
            std::vector<Tensor> parts;
            for (const NodeId id : node.inputs)
              parts.push_back(
                  values[static_cast<std::size_t>(id)].expand(with_samples(graph.node(id).shape)));
            return at::cat(parts, dimension(p.axis));
          },
          [&](const primitive::Take& p) {
            const std::vector<std::int64_t> indices(p.indices->begin(), p.indices->end());
            return in(0).index_select(dimension(p.axis), torch::tensor(indices, torch::kLong));
          },
          [&](const primitive::ScatterAdd& p) {
            const std::vector<std::int64_t> indices(p.indices->begin(), p.indices->end());
            return zeros_along(in(0), p.axis, shape.extent(p.axis))
                .index_add(dimension(p.axis), torch::tensor(indices, torch::kLong), in(0));
          },
          [&](const primitive::Dense& p) {
            const Tensor product = at::matmul(p.transposed ? in(0).t() : in(0), in(1));
            return node.inputs.size() > 2 ? product + in(2) : product;
          },
          [&](const primitive::OuterSum&) {
            return at::matmul(in(0), in(1).transpose(-2, -1)).sum(0);
          },
          [&](const primitive::MatMul& p) {
            return at::matmul(p.transpose_left ? in(0).t() : in(0),
                              p.transpose_right ? in(1).t() : in(1));
          },
          [&](const primitive::Inverse&) { return at::linalg_inv(in(0)); },
          [&](const primitive::LogAbsDeterminant&) {
            return std::get<1>(at::linalg_slogdet(in(0))).unsqueeze(-1).unsqueeze(-1);
          },
          [&](const primitive::StopGradient&) { return in(0).detach(); },
          [&](const primitive::Root& p) -> Tensor {
            // Two of Newton's steps from the root, in torch: right to the third derivative.
            const std::int64_t samples = node.domain == kShared ? 1 : samples_of(node.domain);
            const auto batched = [&](std::size_t i) {
              return in(i).dim() == 2 ? in(i).unsqueeze(0).expand({samples, -1, -1}) : in(i);
            };
            const ParameterStore none;
            Graph inner(none);
            const Value x = inner.input(shape);
            Feed given{.inputs = {batched(0).detach()},
                       .parameters = {},
                       .counts = {samples},
                       .first_samples = {0}};
            std::vector<Value> parameters;
            for (std::size_t i = 2; i < node.inputs.size(); ++i) {
              parameters.push_back(inner.input(graph.node(node.inputs[i]).shape));
              given.inputs.push_back(batched(i));
            }
            const Value value = (*p.function)(x, parameters);
            const Value slope = jvp({value}, {x}, {broadcast(inner.constant(1.0), shape)}).front();
            for (int step = 0; step < 2; ++step) {
              const auto at = evaluate(inner, {value, slope}, given);
              given.inputs[0] = given.inputs[0] - (at[0] - batched(1)) / at[1];
            }
            return node.domain == kShared ? given.inputs[0].squeeze(0) : given.inputs[0];
          },
          [&](const OneOf<primitive::Call, primitive::CallValue> auto&) -> Tensor {
            fail<ConfigError>("oracle: a function called from outside is not known to libtorch");
          }},
      node.primitive);
}

}  // namespace

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Value>& outputs,
                             const Feed& feed) {
  std::vector<char> needed(static_cast<std::size_t>(graph.size()), 0);
  for (const Value& output : outputs) needed[static_cast<std::size_t>(output.id)] = 1;
  for (NodeId id = graph.size() - 1; id >= 0; --id)
    if (needed[static_cast<std::size_t>(id)])
      for (const NodeId input : graph.node(id).inputs) needed[static_cast<std::size_t>(input)] = 1;

  std::vector<Tensor> values(needed.size());
  for (NodeId id = 0; id < graph.size(); ++id)
    if (needed[static_cast<std::size_t>(id)])
      values[static_cast<std::size_t>(id)] = lower(graph, graph.node(id), values, feed);
  std::vector<Tensor> result;
  for (const Value& output : outputs) result.push_back(values[static_cast<std::size_t>(output.id)]);
  return result;
}

}  // namespace thalweg::oracle

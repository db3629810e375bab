// Rows of the table of primitives: reductions, arrangements and linear algebra.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "primitive_rows.h"
#include "scaled_growth.h"

namespace thalweg::testing {

/// Sum or maximum of what `element` gives for 0 to count - 1.
template <typename Element>
double total(std::int64_t count, Element element) {
  double result = 0.0;
  for (std::int64_t k = 0; k < count; ++k) result += element(k);
  return result;
}
template <typename Element>
double highest(std::int64_t count, Element element) {
  double result = element(0);
  for (std::int64_t k = 1; k < count; ++k) result = std::max(result, element(k));
  return result;
}

inline void add_reduction_rows(std::vector<Row>& rows) {
  for (const bool batched : {true, false}) {
    const std::string kind = batched ? "" : "_shared";
    rows.push_back({"sum_items" + kind,
                    {{kFull, batched}},
                    [](Graph&, const Values& v) { return sum(v[0], Axis::kItems); },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({3, 1}, [&](auto f, auto) {
                        return total(257, [&](auto i) { return a[0](f, i); });
                      });
                    }});
    rows.push_back({"sum_features" + kind,
                    {{{5, 300}, batched}},
                    [](Graph&, const Values& v) { return sum(v[0], Axis::kFeatures); },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({1, 300}, [&](auto, auto i) {
                        return total(5, [&](auto f) { return a[0](f, i); });
                      });
                    }});
    rows.push_back({"max_items" + kind,
                    {{kFull, batched, apart}},
                    [](Graph&, const Values& v) { return max(v[0], Axis::kItems); },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({3, 1}, [&](auto f, auto) {
                        return highest(257, [&](auto i) { return a[0](f, i); });
                      });
                    }});
    rows.push_back({"max_features" + kind,
                    {{kFull, batched, apart}},
                    [](Graph&, const Values& v) { return max(v[0], Axis::kFeatures); },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({1, 257}, [&](auto, auto i) {
                        return highest(3, [&](auto f) { return a[0](f, i); });
                      });
                    }});
    for (const bool reverse : {false, true})
      for (const bool exclusive : {false, true})
        rows.push_back(
            {std::string("cumulative_sum") + (reverse ? "_reverse" : "") +
                 (exclusive ? "_exclusive" : "") + kind,
             {{{5, 300}, batched}},
             [=](Graph&, const Values& v) { return cumulative_sum(v[0], reverse, exclusive); },
             [=](const std::vector<Matrix>& a, Sample) {
               return made({5, 300}, [&](auto f, auto i) {
                 const std::int64_t from_end = reverse ? 4 - f : f;
                 return total(from_end + (exclusive ? 0 : 1),
                              [&](auto k) { return a[0](reverse ? 4 - k : k, i); });
               });
             }});
  }
  rows.push_back({"batch_sum",
                  {{kFull}},
                  [](Graph&, const Values& v) { return batch_sum(v[0]); },
                  [](const std::vector<Matrix>& a, Sample) { return a[0]; },
                  true});
  rows.push_back({"batch_sum_of_products",
                  {{kFull}, {kFull}},
                  [](Graph&, const Values& v) { return batch_sum(v[0] * v[1]); },
                  [](const std::vector<Matrix>& a, Sample) {
                    return made(kFull, [&](auto f, auto i) { return a[0](f, i) * a[1](f, i); });
                  },
                  true});
}

/// Indices in no regular order, some of them twice.
inline std::vector<std::int32_t> scattered(std::int32_t count, std::int32_t bound) {
  std::vector<std::int32_t> result;
  for (std::int32_t i = 0; i < count; ++i) result.push_back(i * i % bound);
  return result;
}
/// A permutation without regular steps; `count` is prime.
inline std::vector<std::int32_t> permutation(std::int32_t count) {
  std::vector<std::int32_t> result;
  for (std::int32_t i = 0; i < count; ++i) result.push_back(i * 89 % count);
  std::swap(result[3], result[100]);
  return result;
}

inline void add_arrangement_rows(std::vector<Row>& rows) {
  /// `from` gives for an element of the result that of the operand, or -1 for a zero.
  const auto add = [&](const std::string& name, Shape shape, Shape result,
                       std::function<Value(Value)> build,
                       std::function<std::int64_t(std::int64_t, std::int64_t)> from) {
    for (const bool batched : {true, false})
      rows.push_back({name + (batched ? "" : "_shared"),
                      {{shape, batched}},
                      // The copy shows the view to an instruction with operands of its own.
                      [=](Graph&, const Values& v) { return build(v[0]) * build(v[0]); },
                      [=](const std::vector<Matrix>& a, Sample) {
                        return made(result, [&](auto f, auto i) {
                          const std::int64_t source = from(f, i);
                          const double x =
                              source < 0 ? 0.0 : a[0].elements[static_cast<std::size_t>(source)];
                          return x * x;
                        });
                      }});
  };
  add(
      "broadcast_features", {1, 300}, {4, 300},
      [](Value x) {
        return broadcast(x, {4, 300});
      },
      [](auto, auto i) { return i; });
  add(
      "broadcast_items", {3, 1}, kFull, [](Value x) { return broadcast(x, kFull); },
      [](auto f, auto) { return f; });
  add(
      "reshape", {3, 300}, {10, 90},
      [](Value x) {
        return reshape(x, {10, 90});
      },
      [](auto f, auto i) { return f * 90 + i; });
  add(
      "reshape_of_a_transpose", {3, 300}, {2, 450},
      [](Value x) {
        return reshape(transpose(x), {2, 450});
      },
      [](auto f, auto i) { return (f * 450 + i) % 3 * 300 + (f * 450 + i) / 3; });
  add(
      "transpose", kFull, {257, 3}, [](Value x) { return transpose(x); },
      [](auto f, auto i) { return i * 257 + f; });
  add(
      "slice_items", kFull, {3, 211}, [](Value x) { return slice(x, 31, 211, Axis::kItems); },
      [](auto f, auto i) { return f * 257 + i + 31; });
  add(
      "slice_features", {5, 300}, {2, 300}, [](Value x) { return slice(x, 2, 2); },
      [](auto f, auto i) { return (f + 2) * 300 + i; });
  add(
      "pad_items", {3, 200}, {3, 400}, [](Value x) { return pad(x, 77, 400, Axis::kItems); },
      [](auto f, auto i) { return i < 77 || i >= 277 ? -1 : f * 200 + i - 77; });
  add(
      "pad_features", {2, 300}, {5, 300}, [](Value x) { return pad(x, 1, 5); },
      [](auto f, auto i) { return f < 1 || f > 2 ? -1 : (f - 1) * 300 + i; });
  add(
      "take_items", kFull, {3, 300},
      [](Value x) { return take(x, scattered(300, 257), Axis::kItems); },
      [](auto f, auto i) { return f * 257 + i * i % 257; });
  add(
      "take_items_permuted", {2, 257}, {2, 257},
      [](Value x) { return take(x, permutation(257), Axis::kItems); },
      [order = permutation(257)](auto f, auto i) {
        return f * 257 + order[static_cast<std::size_t>(i)];
      });
  add(
      "take_items_reversed", {2, 257}, {2, 129},
      [](Value x) {
        std::vector<std::int32_t> every_other;
        for (std::int32_t i = 256; i >= 0; i -= 2) every_other.push_back(i);
        return take(x, every_other, Axis::kItems);
      },
      [](auto f, auto i) { return f * 257 + 256 - 2 * i; });
  add(
      "take_features", {5, 300}, {7, 300},
      [](Value x) {
        return take(x, {4, 0, 0, 3, 1, 4, 2});
      },
      [](auto f, auto i) {
        return std::vector{4, 0, 0, 3, 1, 4, 2}[static_cast<std::size_t>(f)] * 300 + i;
      });
  for (const bool batched : {true, false}) {
    const std::string kind = batched ? "" : "_shared";
    rows.push_back({"scatter_add_items" + kind,
                    {{{3, 300}, batched}},
                    [](Graph&, const Values& v) {
                      return scatter_add(v[0], scattered(300, 257), 257, Axis::kItems);
                    },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({3, 257}, [&](auto f, auto j) {
                        return total(300,
                                     [&](auto i) { return i * i % 257 == j ? a[0](f, i) : 0; });
                      });
                    }});
    rows.push_back({"scatter_add_features" + kind,
                    {{{5, 300}, batched}},
                    [](Graph&, const Values& v) {
                      return scatter_add(v[0], {3, 0, 3, 3, 2}, 4);
                    },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({4, 300}, [&](auto f, auto i) {
                        return f == 3   ? a[0](0, i) + a[0](2, i) + a[0](3, i)
                               : f == 1 ? 0.0
                                        : a[0](f == 0 ? 1 : 4, i);
                      });
                    }});
    rows.push_back({std::string("concat_items") + (batched ? "" : "_shared"),
                    {{{3, 200}, batched}, {{3, 57}, false}},
                    [](Graph&, const Values& v) {
                      return concat({v[0], v[1], v[0]}, Axis::kItems);
                    },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({3, 457}, [&](auto f, auto i) {
                        return i >= 200 && i < 257 ? a[1](f, i - 200)
                                                   : a[0](f, i < 200 ? i : i - 257);
                      });
                    }});
    rows.push_back({std::string("concat_features") + (batched ? "" : "_shared"),
                    {{{2, 300}, batched}, {{1, 300}, batched}},
                    [](Graph&, const Values& v) {
                      return concat({square(v[0]), v[1]});
                    },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({3, 300}, [&](auto f, auto i) {
                        return f < 2 ? a[0](f, i) * a[0](f, i) : a[1](0, i);
                      });
                    }});
  }
}

/// Gauss and Jordan without pivots, for matrices with a heavy diagonal.
inline Matrix inverse_of(Matrix a) {
  const std::int64_t size = a.shape.features;
  Matrix result = made(a.shape, [](auto f, auto i) { return f == i ? 1.0 : 0.0; });
  for (std::int64_t k = 0; k < size; ++k) {
    const double pivot = a(k, k);
    for (std::int64_t i = 0; i < size; ++i) {
      a(k, i) /= pivot;
      result(k, i) /= pivot;
    }
    for (std::int64_t f = 0; f < size; ++f) {
      const double factor = a(f, k);
      if (f == k || factor == 0.0) continue;
      for (std::int64_t i = 0; i < size; ++i) {
        a(f, i) -= factor * a(k, i);
        result(f, i) -= factor * result(k, i);
      }
    }
  }
  return result;
}

/// Value and gradient of the sum of sin(k x), with k from 1 to 2.
class Waves : public OutsideFunction {
 public:
  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    for (std::int64_t s = 0; s < count; ++s) {
      values[s] = 0.0;
      for (std::int64_t f = 0; f < features; ++f) {
        const double k = 1.0 + static_cast<double>(f) / static_cast<double>(features);
        values[s] += std::sin(k * points[s * features + f]);
        gradients[s * features + f] = k * std::cos(k * points[s * features + f]);
      }
    }
  }
};

inline void add_linear_rows(std::vector<Row>& rows) {
  for (const bool transposed : {false, true})
    for (const bool bias : {false, true}) {
      std::vector<Operand> operands = {{transposed ? Shape{5, 7} : Shape{7, 5}, false}, {{5, 300}}};
      if (bias) operands.push_back({{7, 1}, false});
      rows.push_back(
          {std::string("dense") + (transposed ? "_transposed" : "") + (bias ? "_bias" : ""),
           operands,
           [=](Graph&, const Values& v) {
             return dense(v[0], v[1], bias ? v[2] : Value{}, transposed);
           },
           [=](const std::vector<Matrix>& a, Sample) {
             return made({7, 300}, [&](auto f, auto i) {
               return (bias ? a[2](f, 0) : 0.0) + total(5, [&](auto k) {
                        return (transposed ? a[0](k, f) : a[0](f, k)) * a[1](k, i);
                      });
             });
           }});
    }
  rows.push_back({"dense_relu",
                  {{{7, 5}, false}, {{5, 300}}, {{7, 1}, false, far_from_zero}},
                  [](Graph&, const Values& v) { return square(relu(dense(v[0], v[1], v[2]))); },
                  [](const std::vector<Matrix>& a, Sample) {
                    return made({7, 300}, [&](auto f, auto i) {
                      const double x =
                          a[2](f, 0) + total(5, [&](auto k) { return a[0](f, k) * a[1](k, i); });
                      return x > 0.0 ? x * x : 0.0;
                    });
                  }});
  // Few sums, which are gathered lane by lane, and many, which go through the matrix product.
  for (const Shape size : {Shape{3, 4}, Shape{40, 37}})
    rows.push_back({"outer_sum_" + std::to_string(size.features),
                    {{{size.features, 211}}, {{size.items, 211}}},
                    [](Graph&, const Values& v) { return outer_sum(v[0], v[1]); },
                    [=](const std::vector<Matrix>& a, Sample) {
                      return made(size, [&](auto f, auto i) {
                        return total(211, [&](auto k) { return a[0](f, k) * a[1](i, k); });
                      });
                    },
                    true});
  for (const bool left : {false, true})
    for (const bool right : {false, true})
      rows.push_back({std::string("matmul") + (left ? "_left" : "") + (right ? "_right" : ""),
                      {{left ? Shape{300, 5} : Shape{5, 300}, false},
                       {right ? Shape{211, 300} : Shape{300, 211}, false}},
                      [=](Graph&, const Values& v) { return matmul(v[0], v[1], left, right); },
                      [=](const std::vector<Matrix>& a, Sample) {
                        return made({5, 211}, [&](auto f, auto i) {
                          return total(300, [&](auto k) {
                            return (left ? a[0](k, f) : a[0](f, k)) *
                                   (right ? a[1](i, k) : a[1](k, i));
                          });
                        });
                      }});
  rows.push_back({"inverse",
                  {{{200, 200}, false}},
                  [](Graph& g, const Values& v) {
                    std::vector<double> diagonal(200 * 200, 0.0);
                    for (std::size_t i = 0; i < 200; ++i) diagonal[201 * i] = 60.0;
                    return inverse(v[0] + g.constant({200, 200}, diagonal));
                  },
                  [](const std::vector<Matrix>& a, Sample) {
                    Matrix heavy = a[0];
                    for (std::int64_t i = 0; i < 200; ++i) heavy(i, i) += 60.0;
                    return inverse_of(heavy);
                  }});
  // Whatever the matrix, the first of its two terms keeps the determinant of this one clear of 0.
  const auto heavy_square = [](Graph& g, Value a, std::int64_t size, double weight) {
    std::vector<double> diagonal(static_cast<std::size_t>(size * size), 0.0);
    for (std::int64_t i = 0; i < size; ++i)
      diagonal[static_cast<std::size_t>(i * (size + 1))] = weight;
    return a + g.constant({size, size}, diagonal);
  };
  const auto heavy_matrix = [](const Matrix& a, double weight) {
    return made(a.shape, [&](auto f, auto i) { return a(f, i) + (f == i ? weight : 0.0); });
  };
  for (const bool batched : {false, true}) {
    const std::string suffix = batched ? "_batched" : "_shared";
    rows.push_back({"inverse" + suffix,
                    {{{17, 17}, batched}},
                    [=](Graph& g, const Values& v) {
                      return inverse(heavy_square(g, transpose(v[0]), 17, 20.0));
                    },
                    [=](const std::vector<Matrix>& a, Sample) {
                      return inverse_of(heavy_matrix(
                          made({17, 17}, [&](auto f, auto i) { return a[0](i, f); }), 20.0));
                    }});
    // Rows in turn, so that elimination has to look for its pivots, and the sign is not 1.
    rows.push_back({"log_abs_determinant" + suffix,
                    {{{17, 17}, batched}},
                    [=](Graph& g, const Values& v) {
                      std::vector<std::int32_t> turned(17);
                      for (std::int32_t i = 0; i < 17; ++i)
                        turned[static_cast<std::size_t>(i)] = (i + 3) % 17;
                      return log_abs_determinant(take(heavy_square(g, v[0], 17, 20.0), turned));
                    },
                    [=](const std::vector<Matrix>& a, Sample) {
                      Matrix m = heavy_matrix(a[0], 20.0);
                      Matrix result({1, 1});
                      for (std::int64_t k = 0; k < 17; ++k) {
                        result(0, 0) += std::log(std::abs(m(k, k)));
                        for (std::int64_t f = k + 1; f < 17; ++f) {
                          const double factor = m(f, k) / m(k, k);
                          for (std::int64_t i = k; i < 17; ++i) m(f, i) -= factor * m(k, i);
                        }
                      }
                      return result;
                    }});
  }
  for (const bool left : {false, true})
    for (const bool right : {false, true})
      rows.push_back(
          {std::string("matmul_batched") + (left ? "_left" : "") + (right ? "_right" : ""),
           {{left ? Shape{23, 5} : Shape{5, 23}}, {right ? Shape{31, 23} : Shape{23, 31}}},
           [=](Graph&, const Values& v) { return matmul(v[0], v[1], left, right); },
           [=](const std::vector<Matrix>& a, Sample) {
             return made({5, 31}, [&](auto f, auto i) {
               return total(23, [&](auto k) {
                 return (left ? a[0](k, f) : a[0](f, k)) * (right ? a[1](i, k) : a[1](k, i));
               });
             });
           }});
  // exp(a) (exp(x) - 1) = y, whose root is known; found elsewhere, so that it has no derivatives.
  for (const bool batched : {true, false})
    rows.push_back({std::string("root") + (batched ? "" : "_shared_parameter"),
                    {{{1, 257}, true, positive}, {{1, batched ? 257 : 1}, batched}},
                    [](Graph&, const Values& v) {
                      const Value found = stop_gradient(log1p(v[0] * exp(-v[1])));
                      return square(
                          root(std::make_shared<const ScaledGrowth>(), found, v[0], {v[1]}));
                    },
                    [](const std::vector<Matrix>& a, Sample) {
                      return made({1, 257}, [&](auto f, auto i) {
                        return std::pow(std::log1p(a[0](f, i) * std::exp(-a[1].wide(f, i))), 2);
                      });
                    }});
  rows.push_back(
      {"call",
       {{{200, 1}}},
       [](Graph&, const Values& v) { return square(call(std::make_shared<const Waves>(), v[0])); },
       [](const std::vector<Matrix>& a, Sample) {
         Matrix result({1, 1});
         std::vector<double> unused(200);
         Waves().evaluate(a[0].elements.data(), 1, 200, result.elements.data(), unused.data());
         result(0, 0) *= result(0, 0);
         return result;
       }});
}

}  // namespace thalweg::testing

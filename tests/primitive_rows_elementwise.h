// Rows of the table of primitives: elementwise functions and leaves.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "enumerators.h"
#include "primitive_rows.h"

namespace thalweg::testing {

struct UnaryTruth {
  std::function<double(double)> function;
  Draw draw = normal;
};

/// x with 0.5 erfc(-x / sqrt 2) = p, for p in [1e-9, 1 - 1e-9].
inline double normal_quantile_by_bisection(double p) {
  double low = -7.0, high = 7.0;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) < p ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

inline const std::map<Unary, UnaryTruth>& unary_truths() {
  static const std::map<Unary, UnaryTruth> truths = {
      {Unary::kCopy, {[](double x) { return x; }}},
      {Unary::kNegate, {[](double x) { return -x; }}},
      {Unary::kAbs, {[](double x) { return std::abs(x); }, signed_unit}},
      {Unary::kSquare, {[](double x) { return x * x; }}},
      {Unary::kSqrt, {[](double x) { return std::sqrt(x); }, positive}},
      {Unary::kReciprocal, {[](double x) { return 1.0 / x; }, signed_unit}},
      {Unary::kExp, {[](double x) { return std::exp(x); }}},
      {Unary::kExpm1, {[](double x) { return std::expm1(x); }}},
      {Unary::kLog, {[](double x) { return std::log(x); }, positive}},
      {Unary::kLog1p, {[](double x) { return std::log1p(x); }, positive}},
      {Unary::kTanh, {[](double x) { return std::tanh(x); }}},
      {Unary::kSigmoid, {[](double x) { return 1.0 / (1.0 + std::exp(-x)); }}},
      {Unary::kSoftplus, {[](double x) { return std::log1p(std::exp(x)); }}},
      {Unary::kRelu, {[](double x) { return x > 0.0 ? x : 0.0; }, signed_unit}},
      {Unary::kStep, {[](double x) { return x > 0.0 ? 1.0 : 0.0; }, signed_unit}},
      {Unary::kSign, {[](double x) { return x > 0.0 ? 1.0 : -1.0; }, signed_unit}},
      {Unary::kSin, {[](double x) { return std::sin(x); }}},
      {Unary::kCos, {[](double x) { return std::cos(x); }}},
      {Unary::kErf, {[](double x) { return std::erf(x); }}},
      {Unary::kNormalCdf, {[](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }}},
      {Unary::kNormalQuantile, {normal_quantile_by_bisection, probability}},
      {Unary::kFloor, {[](double x) { return std::floor(x); }, between}},
      {Unary::kPower, {[](double x) { return std::pow(x, 2.5); }, positive}},
      {Unary::kIsFinite, {[](double) { return 1.0; }}},
  };
  return truths;
}

struct BinaryTruth {
  std::function<double(double, double)> function;
  Draw draw_a = normal, draw_b = normal;
};

inline const std::map<Binary, BinaryTruth>& binary_truths() {
  static const std::map<Binary, BinaryTruth> truths = {
      {Binary::kAdd, {[](double a, double b) { return a + b; }}},
      {Binary::kSubtract, {[](double a, double b) { return a - b; }}},
      {Binary::kMultiply, {[](double a, double b) { return a * b; }}},
      {Binary::kDivide, {[](double a, double b) { return a / b; }, normal, positive}},
      {Binary::kMax, {[](double a, double b) { return std::max(a, b); }, whole, between}},
      {Binary::kMin, {[](double a, double b) { return std::min(a, b); }, whole, between}},
      {Binary::kLess, {[](double a, double b) { return a < b ? 1.0 : 0.0; }, whole, between}},
      {Binary::kLessEqual, {[](double a, double b) { return a <= b ? 1.0 : 0.0; }, whole, between}},
      // Equal operands must not move apart; see binary_rows.
      {Binary::kEqual, {[](double a, double b) { return a == b ? 1.0 : 0.0; }, whole, whole}},
      {Binary::kMultiplyStep,
       {[](double a, double b) { return b > 0.0 ? a : 0.0; }, normal, signed_unit}},
      {Binary::kMultiplyTanhSlope, {[](double a, double b) { return a * (1.0 - b * b); }}},
      {Binary::kMultiplySigmoidSlope, {[](double a, double b) { return a * b * (1.0 - b); }}},
      {Binary::kAtan2, {[](double a, double b) { return std::atan2(a, b); }, positive, normal}},
  };
  return truths;
}

/// "kExp" of "thalweg::kernels::Unary::kExp".
inline std::string short_name(const std::string& name) { return name.substr(name.rfind(':') + 1); }

inline void add_unary_rows(std::vector<Row>& rows) {
  const auto names = enumerators<Unary>();
  for (const auto& [function, truth] : unary_truths())
    for (const bool batched : {true, false})
      rows.push_back(
          {short_name(names.at(function)) + (batched ? "" : "_shared"),
           {{kFull, batched, truth.draw}},
           [function = function](Graph&, const Values& v) { return unary(function, v[0], 2.5); },
           [value = truth.function](const std::vector<Matrix>& a, Sample) {
             return made(kFull, [&](auto f, auto i) { return value(a[0](f, i)); });
           }});
}

inline void add_binary_rows(std::vector<Row>& rows) {
  struct Pattern {
    std::string name;
    Shape a, b;
    bool b_batched;
  };
  const std::vector<Pattern> patterns = {
      {"", kFull, kFull, true},
      {"_broadcast_items", kFull, {3, 1}, false},
      {"_broadcast_features", kFull, {1, 257}, true},
      {"_broadcast_both", {3, 1}, {1, 257}, true},
  };
  const auto names = enumerators<Binary>();
  for (const auto& [function, truth] : binary_truths())
    for (const Pattern& pattern : patterns) {
      const bool moves = function != Binary::kEqual;
      rows.push_back(
          {short_name(names.at(function)) + pattern.name,
           {{pattern.a, true, truth.draw_a, moves},
            {pattern.b, pattern.b_batched, truth.draw_b, moves}},
           [function = function](Graph&, const Values& v) { return binary(function, v[0], v[1]); },
           [value = truth.function](const std::vector<Matrix>& a, Sample) {
             return made(kFull,
                         [&](auto f, auto i) { return value(a[0].wide(f, i), a[1].wide(f, i)); });
           }});
    }
}

inline std::vector<Row> other_elementwise_rows() {
  return {
      {"select",
       {{kFull, true, flag, false}, {kFull}, {kFull}},
       [](Graph&, const Values& v) { return select(v[0], v[1], v[2]); },
       [](const std::vector<Matrix>& a, Sample) {
         return made(kFull,
                     [&](auto f, auto i) { return a[0](f, i) != 0.0 ? a[1](f, i) : a[2](f, i); });
       }},
      {"select_broadcast",
       {{{1, 257}, true, flag, false}, {{3, 1}, false}, {kFull}},
       [](Graph&, const Values& v) { return select(v[0], v[1], v[2]); },
       [](const std::vector<Matrix>& a, Sample) {
         return made(kFull,
                     [&](auto f, auto i) { return a[0](0, i) != 0.0 ? a[1](f, 0) : a[2](f, i); });
       }},
      {"stop_gradient",
       {{kFull, true, normal, false}, {kFull}},
       [](Graph&, const Values& v) { return stop_gradient(v[0]) * v[1]; },
       [](const std::vector<Matrix>& a, Sample) {
         return made(kFull, [&](auto f, auto i) { return a[0](f, i) * a[1](f, i); });
       }},
      {"fill_and_constant",
       {{kFull}},
       [](Graph& g, const Values& v) {
         std::vector<double> numbers(257);
         for (std::size_t i = 0; i < 257; ++i) numbers[i] = static_cast<double>(i) / 100.0;
         return v[0] * g.constant({1, 257}, numbers) + g.constant(kFull, std::vector(771, 2.5));
       },
       [](const std::vector<Matrix>& a, Sample) {
         return made(kFull, [&](auto f, auto i) {
           return a[0](f, i) * (static_cast<double>(i) / 100.0) + 2.5;
         });
       }},
      {"count",
       {{kFull}},
       [](Graph& g, const Values& v) { return v[0] * g.count(); },
       [](const std::vector<Matrix>& a, Sample sample) {
         return made(
             kFull, [&](auto f, auto i) { return a[0](f, i) * static_cast<double>(sample.count); });
       }},
      {"uniform",
       {{kFull}},
       [](Graph& g, const Values& v) { return v[0] * g.uniform(kFull); },
       [](const std::vector<Matrix>& a, Sample sample) {
         return made(kFull, [&](auto f, auto i) {
           const auto words = random_words(1, static_cast<std::uint32_t>(Stream::kGraph),
                                           static_cast<std::uint64_t>(sample.number),
                                           static_cast<std::uint32_t>(f * kFull.items + i));
           return a[0](f, i) * uniform_from_words(words[0], words[1]);
         });
       }},
      {"normal",
       {{kFull}},
       [](Graph& g, const Values& v) { return v[0] * g.normal(kFull); },
       [](const std::vector<Matrix>& a, Sample sample) {
         return made(kFull, [&](auto f, auto i) {
           const auto index = static_cast<std::uint32_t>(f * kFull.items + i);
           const auto pair = normals_from_words(
               random_words(1, static_cast<std::uint32_t>(Stream::kGraph),
                            static_cast<std::uint64_t>(sample.number), index / 2));
           return a[0](f, i) * pair[index % 2];
         });
       }},
  };
}

}  // namespace thalweg::testing

// The elementwise kernels and the reductions on every instruction set, against the C library and
// plain loops.
#include "thalweg/engine/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "enumerators.h"
#include "kernel_checks.h"

namespace thalweg::kernels {
namespace {

/// Types that are wide enough to hold the truth for T.
template <typename T>
using WideOf = std::conditional_t<std::is_same_v<T, float>, double, long double>;

/// x with Phi(x) = p: Newton's method from the side where each step stays short of the root. In the
/// middle it solves erf(x / sqrt 2) = 2 p - 1, which keeps the accuracy near 1/2, further out
/// log Phi.
template <typename Wide>
Wide normal_quantile_truth(Wide p) {
  if (p < 0 || p > 1) return std::numeric_limits<Wide>::quiet_NaN();
  if (p == 0 || p == 1) return (2 * p - 1) * std::numeric_limits<Wide>::infinity();
  if (p > Wide(0.5)) return -normal_quantile_truth(1 - p);  // 1 - p is exact
  const Wide root = std::numbers::sqrt2_v<Wide>;
  const Wide scale = root / std::numbers::inv_sqrtpi_v<Wide>;  // sqrt(2 pi)
  const bool middle = p > Wide(0.25);
  Wide x = middle ? 0 : -std::sqrt(-2 * std::log(p));
  for (int i = 0; i < 200; ++i) {
    const Wide slope = std::exp(-x * x / 2) / scale;
    const Wide below = std::erfc(-x / root) / 2;
    const Wide step = middle ? (std::erf(x / root) / 2 - (p - Wide(0.5))) / slope
                             : std::log(below / p) * below / slope;
    x -= step;
    if (std::abs(step) <= std::numeric_limits<Wide>::epsilon() * std::abs(x)) break;
  }
  return x;
}

template <typename Wide>
Wide truth_of(Unary function, Wide x) {
  if (std::isnan(x)) return function == Unary::kIsFinite ? Wide(0) : x;
  switch (function) {
    case Unary::kCopy:
      return x;
    case Unary::kNegate:
      return -x;
    case Unary::kAbs:
      return std::abs(x);
    case Unary::kSquare:
      return x * x;
    case Unary::kSqrt:
      return std::sqrt(x);
    case Unary::kReciprocal:
      return 1 / x;
    case Unary::kExp:
      return std::exp(x);
    case Unary::kExpm1:
      return std::expm1(x);
    case Unary::kLog:
      return std::log(x);
    case Unary::kLog1p:
      return std::log1p(x);
    case Unary::kTanh:
      return std::tanh(x);
    case Unary::kSigmoid:
      return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
    case Unary::kSoftplus:
      return std::max(x, Wide(0)) + std::log1p(std::exp(-std::abs(x)));
    case Unary::kRelu:
      return x > 0 ? x : 0;
    case Unary::kStep:
      return x > 0 ? 1 : 0;
    case Unary::kSign:
      return x > 0 ? 1 : (x < 0 ? -1 : 0);
    case Unary::kSin:
      return std::sin(x);
    case Unary::kCos:
      return std::cos(x);
    case Unary::kErf:
      return std::erf(x);
    case Unary::kNormalCdf:
      return std::erfc(-x / std::numbers::sqrt2_v<Wide>) / 2;
    case Unary::kNormalQuantile:
      return normal_quantile_truth(x);
    case Unary::kFloor:
      return std::floor(x);
    case Unary::kPower:
      return std::pow(x, Wide(1.5));
    case Unary::kIsFinite:
      return std::isfinite(x) ? 1 : 0;
  }
  return 0;
}

struct UnaryRow {
  Unary function;
  const char* name;
  double float_ulp, double_ulp;  ///< largest error allowed, for all arguments
};

// Correct rounding is an error of at most half a unit; references add a little of their own.
constexpr UnaryRow kUnaryTable[] = {
    {Unary::kCopy, "copy", 0, 0},
    {Unary::kNegate, "negate", 0, 0},
    {Unary::kAbs, "abs", 0, 0},
    {Unary::kSquare, "square", 0.51, 0.51},
    {Unary::kSqrt, "sqrt", 0.51, 0.51},
    {Unary::kReciprocal, "reciprocal", 0.51, 0.51},
    {Unary::kExp, "exp", 2, 2},
    {Unary::kExpm1, "expm1", 3, 4},
    {Unary::kLog, "log", 2, 2},
    {Unary::kLog1p, "log1p", 3, 4},
    {Unary::kTanh, "tanh", 4, 4},
    {Unary::kSigmoid, "sigmoid", 3, 3},
    {Unary::kSoftplus, "softplus", 3, 4},
    {Unary::kRelu, "relu", 0, 0},
    {Unary::kStep, "step", 0, 0},
    {Unary::kSign, "sign", 0, 0},
    {Unary::kSin, "sin", 4, 4},
    {Unary::kCos, "cos", 4, 4},
    {Unary::kErf, "erf", 3, 3},
    {Unary::kFloor, "floor", 0, 0},
    {Unary::kPower, "power", 2, 2},
    {Unary::kIsFinite, "isfinite", 0, 0},
    {Unary::kNormalCdf, "normal_cdf", 0.51, 4},
    {Unary::kNormalQuantile, "normal_quantile", 6, 8},
};

/// Arguments of both signs: all magnitudes from the smallest subnormal to the largest number, dense
/// around 1 and 10, and what is not finite.
template <typename T>
std::vector<T> arguments() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {Limits::quiet_NaN(),
                           Limits::infinity(),
                           -Limits::infinity(),
                           T(0),
                           T(-0.0),
                           T(1),
                           T(-1),
                           Limits::max(),
                           Limits::lowest(),
                           Limits::denorm_min(),
                           Limits::min(),
                           std::nextafter(T(1), T(2)),
                           std::nextafter(T(-1), T(0)),
                           std::nextafter(T(-1), T(-2)),
                           Limits::epsilon() / 4,
                           Limits::epsilon(),
                           T(0.34657359),
                           T(20),
                           T(-50)};
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> unit(0, 1);
  const auto add = [&values](double x) {
    values.push_back(static_cast<T>(x));
    values.push_back(static_cast<T>(-x));
  };
  const double lowest = Limits::min_exponent - Limits::digits;
  for (int i = 0; i < 8000; ++i) {
    add(std::exp2(lowest + (Limits::max_exponent - lowest) * unit(random)));
    add(std::exp2(-30 + 45 * unit(random)));
    add(2 * unit(random));
    add(12 * unit(random));
  }
  for (int i = 0; i < 2000; ++i) {  // where exp leaves the normal numbers
    add(85 + 20 * unit(random));
    add(700 + 50 * unit(random));
    add(1 + 1e-4 * (unit(random) - 0.5));
  }
  return values;
}

template <typename T>
void check_unary_accuracy() {
  const std::vector<T> x = arguments<T>();
  std::vector<std::vector<WideOf<T>>> truths;
  for (const UnaryRow& row : kUnaryTable) {
    std::vector<WideOf<T>>& truth = truths.emplace_back();
    for (const T value : x)
      truth.push_back(truth_of<WideOf<T>>(row.function, static_cast<WideOf<T>>(value)));
  }
  on_every_instruction_set([&] {
    for (std::size_t f = 0; f < std::size(kUnaryTable); ++f) {
      const UnaryRow& row = kUnaryTable[f];
      const auto size = static_cast<std::int64_t>(x.size());
      std::vector<T> y(x.size());
      unary<T>(row.function, {1, 1, size}, {x.data(), 0, 0, 1}, {y.data(), 0, 0, 1}, 1.5);
      double worst = 0;
      std::size_t where = 0;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (const double error = ulp_error(y[i], truths[f][i]); error > worst)
          worst = error, where = i;
      ::testing::Test::RecordProperty(
          std::string(row.name) + (sizeof(T) == 4 ? "_float_" : "_double_") + instruction_set(),
          std::to_string(worst));
      EXPECT_LE(worst, sizeof(T) == 4 ? row.float_ulp : row.double_ulp)
          << row.name << "(" << x[where] << ") = " << y[where] << ", expected " << truths[f][where];
    }
  });
}

TEST(UnaryKernels, HaveARowEach) {
  std::set<Unary> rows;
  for (const UnaryRow& row : kUnaryTable) rows.insert(row.function);
  for (const auto& [function, name] : testing::enumerators<Unary>())
    EXPECT_EQ(rows.count(function), 1U) << name;
}

TEST(UnaryKernels, StayWithinTheirErrorBounds) {
  check_unary_accuracy<float>();
  check_unary_accuracy<double>();
}

template <typename T>
void check_signed_zero() {
  const T zeros[2] = {T(0), T(-0.0)};
  for (const Unary function : {Unary::kCopy, Unary::kSqrt, Unary::kExpm1, Unary::kLog1p,
                               Unary::kTanh, Unary::kSin, Unary::kErf}) {
    T out[2];
    unary<T>(function, {1, 1, 2}, {zeros, 0, 0, 1}, {out, 0, 0, 1}, 0);
    EXPECT_FALSE(std::signbit(out[0])) << static_cast<int>(function);
    EXPECT_TRUE(std::signbit(out[1])) << static_cast<int>(function);
  }
}

TEST(UnaryKernels, KeepTheSignOfZeroInOddFunctions) {
  on_every_instruction_set([] {
    check_signed_zero<float>();
    check_signed_zero<double>();
  });
}

bool is_slope(Binary function) {
  return function == Binary::kMultiplyTanhSlope || function == Binary::kMultiplySigmoidSlope;
}

template <typename T>
void check_binary_values() {
  using Limits = std::numeric_limits<T>;
  const T values[] = {Limits::quiet_NaN(),
                      Limits::infinity(),
                      -Limits::infinity(),
                      T(0),
                      T(-0.0),
                      T(1),
                      T(-1),
                      T(0.3),
                      T(-2.5),
                      Limits::max(),
                      Limits::denorm_min()};
  std::vector<T> a, b;
  for (const T x : values)
    for (const T y : values) a.push_back(x), b.push_back(y);
  std::vector<T> out(a.size());
  const auto size = static_cast<std::int64_t>(a.size());
  for (const auto& [function, name] : testing::enumerators<Binary>()) {
    binary<T>(function, {1, 1, size}, {a.data(), 0, 0, 1}, {b.data(), 0, 0, 1},
              {out.data(), 0, 0, 1});
    for (std::size_t i = 0; i < a.size(); ++i) {
      const T truth = truth_of(function, a[i], b[i]);
      // Slopes are used for |b| <= 1, where 1 - b * b may be fused.
      if (is_slope(function) && std::isfinite(truth)) {
        EXPECT_NEAR(out[i], truth, 4 * Limits::epsilon() * std::abs(a[i]) * (1 + b[i] * b[i]));
      } else if (function == Binary::kAtan2 && !std::isnan(truth)) {
        EXPECT_NEAR(out[i], truth, 2 * Limits::epsilon() * std::abs(truth))
            << name << ": " << a[i] << ", " << b[i];
        EXPECT_EQ(std::signbit(out[i]), std::signbit(truth)) << a[i] << ", " << b[i];
      } else if (!is_slope(function) || std::abs(b[i]) <= 1 || std::isnan(b[i])) {
        EXPECT_TRUE(same(out[i], truth))
            << name << ": " << a[i] << ", " << b[i] << " gave " << out[i];
      }
    }
  }
}

TEST(BinaryKernels, FollowTheirDefinitionsForAllPairsOfSpecialValues) {
  on_every_instruction_set([] {
    check_binary_values<float>();
    check_binary_values<double>();
  });
}

/// Strides of an operand over an extent: contiguous, padded, or broadcast along some axes.
std::vector<Strided<const char>> layouts(const Extent& e) {
  const std::ptrdiff_t row = e.inner, plane = e.middle * e.inner;
  return {{nullptr, plane, row, 1},  {nullptr, (row + 3) * e.middle + 5, row + 3, 1},
          {nullptr, 0, row, 1},      {nullptr, plane, 0, 1},
          {nullptr, e.middle, 1, 0}, {nullptr, 1, 0, 0},
          {nullptr, 0, 0, 0},        {nullptr, row, row * e.outer, 1}};  // outer and middle swapped
}

std::size_t room(const Extent& e) { return (e.inner + 3) * e.middle * e.outer + 5 * e.outer + 64; }

template <typename T>
Strided<const T> view(const std::vector<T>& data, const Strided<const char>& layout) {
  return {data.data(), layout.outer, layout.middle, layout.inner};
}

template <typename T>
T at(const Strided<const T>& a, std::int64_t i, std::int64_t j, std::int64_t k) {
  return a.data[i * a.outer + j * a.middle + k * a.inner];
}

const Extent kExtents[] = {{1, 1, 64}, {3, 2, 64}, {5, 1, 64}, {2, 3, 7},  {4, 3, 1},
                           {1, 5, 33}, {7, 1, 1},  {2, 2, 16}, {3, 4, 100}};

/// Runs `call` for every extent and layout of the output and checks all of its elements against
/// `truth`, and that nothing else was written.
template <typename T, typename Call, typename Truth>
void check_elements(const Extent& e, Call call, Truth truth) {
  for (const std::size_t layout : {0U, 1U, 7U}) {
    const Strided<const char> shape = layouts(e)[layout];
    std::vector<T> data(room(e), T(777));
    call(Strided<T>{data.data(), shape.outer, shape.middle, shape.inner});
    for (std::int64_t i = 0; i < e.outer; ++i)
      for (std::int64_t j = 0; j < e.middle; ++j)
        for (std::int64_t k = 0; k < e.inner; ++k) {
          T& value = data[i * shape.outer + j * shape.middle + k];
          ASSERT_TRUE(same(value, truth(i, j, k)))
              << i << "," << j << "," << k << " of " << e.outer << "x" << e.middle << "x" << e.inner
              << ": " << value << ", expected " << truth(i, j, k);
          value = T(777);
        }
    for (const T value : data) ASSERT_EQ(value, T(777)) << "written outside";
  }
}

template <typename T>
void check_strides() {
  for (const Extent& e : kExtents) {
    const std::vector<T> x = random_values<T>(room(e), 1), y = random_values<T>(room(e), 2);
    std::vector<T> flags = random_values<T>(room(e), 3);
    for (std::size_t i = 0; i < flags.size(); i += 3) flags[i] = 0;
    flags[1] = std::numeric_limits<T>::quiet_NaN();
    for (const auto& layout_a : layouts(e)) {
      const auto a = view(x, layout_a);
      check_elements<T>(
          e, [&](const Strided<T>& out) { unary<T>(Unary::kSquare, e, a, out, 0); },
          [&](auto i, auto j, auto k) { return at(a, i, j, k) * at(a, i, j, k); });
      for (const auto& layout_b : layouts(e)) {
        const auto b = view(y, layout_b);
        check_elements<T>(
            e, [&](const Strided<T>& out) { binary<T>(Binary::kSubtract, e, a, b, out); },
            [&](auto i, auto j, auto k) { return at(a, i, j, k) - at(b, i, j, k); });
        for (const auto& layout_c : {layouts(e)[0], layouts(e)[2], layouts(e)[4], layouts(e)[6]}) {
          const auto flag = view(flags, layout_c);
          check_elements<T>(
              e, [&](const Strided<T>& out) { select<T>(e, flag, a, b, out); },
              [&](auto i, auto j, auto k) {
                const T f = at(flag, i, j, k);
                return std::isnan(f) ? f : (f != 0 ? at(a, i, j, k) : at(b, i, j, k));
              });
        }
      }
    }
  }
}

TEST(ElementwiseKernels, ReadAndWriteThroughAllStrides) {
  on_every_instruction_set([] {
    check_strides<float>();
    check_strides<double>();
  });
}

template <typename T>
void check_in_place() {
  for (std::int64_t size = 1; size <= 70; ++size) {
    const std::vector<T> x = random_values<T>(size, 4), y = random_values<T>(size, 5);
    std::vector<T> a = x, b = y;
    binary<T>(Binary::kAdd, {1, 1, size}, {a.data(), 0, 0, 1}, {b.data(), 0, 0, 1},
              {a.data(), 0, 0, 1});
    unary<T>(Unary::kNegate, {1, 1, size}, {b.data(), 0, 0, 1}, {b.data(), 0, 0, 1}, 0);
    for (std::int64_t i = 0; i < size; ++i) {
      EXPECT_EQ(a[i], x[i] + y[i]);
      EXPECT_EQ(b[i], -y[i]);
    }
  }
}

TEST(ElementwiseKernels, MayWriteOverAnOperand) {
  on_every_instruction_set([] {
    check_in_place<float>();
    check_in_place<double>();
  });
}

template <typename T>
void check_reductions() {
  for (const Extent& e : kExtents) {
    std::vector<T> x = random_values<T>(room(e), 6);
    x[2] = std::numeric_limits<T>::quiet_NaN();
    for (const auto& layout : layouts(e)) {
      const auto a = view(x, layout);
      const Extent one = {1, e.middle, e.inner};
      const auto reduced = [&](auto step) {
        return [&, step](auto, auto j, auto k) {
          T value = at(a, 0, j, k);
          for (std::int64_t i = 1; i < e.outer; ++i) value = step(value, at(a, i, j, k));
          return value;
        };
      };
      check_elements<T>(
          one, [&](const Strided<T>& out) { sum_outer<T>(e, a, out); },
          reduced([](T s, T v) { return s + v; }));
      check_elements<T>(
          one, [&](const Strided<T>& out) { max_outer<T>(e, a, out); }, reduced([](T s, T v) {
            return std::isnan(s) || std::isnan(v) ? s + v : std::max(s, v);
          }));
      for (const bool reverse : {false, true})
        for (const bool exclusive : {false, true})
          check_elements<T>(
              e,
              [&](const Strided<T>& out) {
                cumulative_sum_outer<T>(e, a, out, reverse, exclusive);
              },
              [&](auto i, auto j, auto k) {
                const std::int64_t last = reverse ? e.outer - 1 - i : i;
                T sum = 0;
                for (std::int64_t s = 0; s < last + (exclusive ? 0 : 1); ++s)
                  sum += at(a, reverse ? e.outer - 1 - s : s, j, k);
                return sum;
              });
    }
  }
}

TEST(ReductionKernels, SumInOrderAndKeepNaN) {
  on_every_instruction_set([] {
    check_reductions<float>();
    check_reductions<double>();
  });
}

TEST(MultiplyAdd, RoundsAtMostTwiceForAllStrides) {
  on_every_instruction_set([] {
    for (const std::int64_t inner : {1, 7, 16, 37})
      for (int broadcast = 0; broadcast < 8; ++broadcast) {
        const std::vector<double> values = random_values<double>(3 * 2 * 3 * inner, 31);
        const auto operand = [&](int number) {
          const bool one = ((broadcast >> number) & 1) != 0;
          return Strided<const double>{values.data() + number * 6 * inner, one ? 1 : 3 * inner,
                                       one ? 0 : inner, one ? 0 : 1};
        };
        const Strided<const double> a = operand(0);
        const Strided<const double> b = operand(1);
        const Strided<const double> c = operand(2);
        std::vector<double> out(6 * inner);
        multiply_add<double>({2, 3, inner}, a, b, c, {out.data(), 3 * inner, inner, 1});
        for (std::int64_t i = 0; i < 2; ++i)
          for (std::int64_t j = 0; j < 3; ++j)
            for (std::int64_t k = 0; k < inner; ++k) {
              const auto at = [&](const Strided<const double>& s) {
                return s.data[i * s.outer + j * s.middle + k * s.inner];
              };
              const double truth = at(a) * at(b) + at(c);
              EXPECT_NEAR(out[(i * 3 + j) * inner + k], truth,
                          4e-16 * (std::abs(at(a) * at(b)) + std::abs(at(c))));
            }
      }
  });
}

TEST(InstructionSets, AreTakenByName) {
  int count = 0;
  const std::int64_t* targets = supported_instruction_sets(&count);
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    force_instruction_set(targets[i]);
    names.emplace_back(instruction_set());
  }
  force_instruction_set(targets[0]);
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace thalweg::kernels

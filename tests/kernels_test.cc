// Every kernel on every instruction set of the machine, against the C library and plain loops.
#include "thalweg/engine/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "enumerators.h"
#include "thalweg/core/random.h"

namespace thalweg::kernels {
namespace {

/// Runs `check` once for each instruction set and restores the best one.
void on_every_instruction_set(const std::function<void()>& check) {
  int count = 0;
  const std::int64_t* targets = supported_instruction_sets(&count);
  ASSERT_GE(count, 1);
  for (int i = 0; i < count; ++i) {
    force_instruction_set(targets[i]);
    SCOPED_TRACE(instruction_set());
    check();
  }
  force_instruction_set(targets[0]);
}

/// Error of `got` in units in the last place of T at `truth`; infinite if one of them alone is NaN
/// or infinite.
template <typename T, typename Wide>
double ulp_error(T got, Wide truth) {
  const T rounded = static_cast<T>(truth);
  if (std::isnan(got) || std::isnan(rounded))
    return std::isnan(got) && std::isnan(rounded) ? 0.0 : HUGE_VAL;
  if (got == rounded) return 0.0;
  if (std::isinf(rounded) && std::isfinite(got))  // the largest finite number is one step away
    return std::abs(got) == std::numeric_limits<T>::max() ? 1.0 : HUGE_VAL;
  if (std::isinf(got)) return std::abs(rounded) == std::numeric_limits<T>::max() ? 1.0 : HUGE_VAL;
  const T magnitude = std::abs(rounded);
  const T above = std::nextafter(magnitude, std::numeric_limits<T>::infinity());
  const T spacing =
      std::isinf(above) ? magnitude - std::nextafter(magnitude, T(0)) : above - magnitude;
  return static_cast<double>(std::abs(static_cast<Wide>(got) - truth) / spacing);
}

/// Types that are wide enough to hold the truth for T.
template <typename T>
using WideOf = std::conditional_t<std::is_same_v<T, float>, double, long double>;

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
    {Unary::kCopy, "copy", 0, 0},         {Unary::kNegate, "negate", 0, 0},
    {Unary::kAbs, "abs", 0, 0},           {Unary::kSquare, "square", 0.51, 0.51},
    {Unary::kSqrt, "sqrt", 0.51, 0.51},   {Unary::kReciprocal, "reciprocal", 0.51, 0.51},
    {Unary::kExp, "exp", 2, 2},           {Unary::kExpm1, "expm1", 3, 4},
    {Unary::kLog, "log", 2, 2},           {Unary::kLog1p, "log1p", 3, 4},
    {Unary::kTanh, "tanh", 4, 4},         {Unary::kSigmoid, "sigmoid", 3, 3},
    {Unary::kSoftplus, "softplus", 3, 4}, {Unary::kRelu, "relu", 0, 0},
    {Unary::kStep, "step", 0, 0},         {Unary::kSign, "sign", 0, 0},
    {Unary::kSin, "sin", 4, 4},           {Unary::kCos, "cos", 4, 4},
    {Unary::kErf, "erf", 3, 3},           {Unary::kFloor, "floor", 0, 0},
    {Unary::kPower, "power", 2, 2},       {Unary::kIsFinite, "isfinite", 0, 0},
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

template <typename T>
T truth_of(Binary function, T a, T b) {
  const T one = 1, zero = 0;
  switch (function) {
    case Binary::kAdd:
      return a + b;
    case Binary::kSubtract:
      return a - b;
    case Binary::kMultiply:
      return a * b;
    case Binary::kDivide:
      return a / b;
    case Binary::kMax:
      return std::isnan(a) || std::isnan(b) ? a + b : std::max(a, b);
    case Binary::kMin:
      return std::isnan(a) || std::isnan(b) ? a + b : std::min(a, b);
    case Binary::kLess:
      return a < b ? one : zero;
    case Binary::kLessEqual:
      return a <= b ? one : zero;
    case Binary::kEqual:
      return a == b ? one : zero;
    case Binary::kMultiplyStep:
      return std::isnan(a) || std::isnan(b) ? a + b : (b > 0 ? a : zero);
    case Binary::kMultiplyTanhSlope:
      return a * (1 - b * b);
    case Binary::kMultiplySigmoidSlope:
      return a * (b * (1 - b));
  }
  return 0;
}

bool is_slope(Binary function) {
  return function == Binary::kMultiplyTanhSlope || function == Binary::kMultiplySigmoidSlope;
}

/// Equal bits of value, or both NaN.
template <typename T>
bool same(T a, T b) {
  return a == b || (std::isnan(a) && std::isnan(b));
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

template <typename T>
std::vector<T> random_values(std::size_t size, int seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<T> uniform(-2, 2);
  std::vector<T> values(size);
  for (T& value : values) value = uniform(random);
  return values;
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

enum class Finish { kPlain, kRelu, kMask };

/// Small integers make every order of summation exact. Padding holds NaN: it must not be used.
template <typename T>
void check_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, bool transposed,
                   bool with_bias, bool accumulate, Finish finish) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const std::ptrdiff_t a_row = transposed ? 1 : depth + 2, a_depth = transposed ? rows + 1 : 1;
  const std::ptrdiff_t ldb = columns + 3, ldc = columns + 2;
  std::vector<T> a((rows + 1) * (depth + 2), nan), b(depth * ldb, nan), c(rows * ldc, nan),
      bias(rows);
  const auto value = [](std::int64_t i, std::int64_t j) { return T((i * 7 + j * 5) % 11 - 5); };
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = 0; k < depth; ++k) a[r * a_row + k * a_depth] = value(r, k);
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t l = 0; l < columns; ++l) b[k * ldb + l] = value(l, 2 * k + 1);
  if (accumulate)
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t l = 0; l < columns; ++l) c[r * ldc + l] = value(r, 3 * l);
  for (std::int64_t r = 0; r < rows; ++r) bias[r] = value(r, r);
  std::vector<T> mask = c;  // zeros, negative numbers, positive ones and NaN
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = i % 13 == 0 ? nan : value(i, 2 * i);
  std::vector<T> truth = c;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t l = 0; l < columns; ++l) {
      T sum = accumulate ? c[r * ldc + l] : T(0);
      if (with_bias) sum += bias[r];
      for (std::int64_t k = 0; k < depth; ++k) sum += a[r * a_row + k * a_depth] * b[k * ldb + l];
      if (finish == Finish::kRelu) sum = std::max(sum, T(0));
      if (finish == Finish::kMask) sum = truth_of(Binary::kMultiplyStep, sum, mask[r * ldc + l]);
      truth[r * ldc + l] = sum;
    }
  const Epilogue<T> epilogue = {finish == Finish::kRelu,
                                finish == Finish::kMask ? mask.data() : nullptr, ldc};
  matrix_product<T>(rows, columns, depth, a.data(), a_row, a_depth, b.data(), ldb,
                    with_bias ? bias.data() : nullptr, accumulate, c.data(), ldc, epilogue);
  for (std::size_t i = 0; i < c.size(); ++i)
    ASSERT_TRUE(same(c[i], truth[i]))
        << rows << "x" << columns << "x" << depth << " transposed " << transposed << " bias "
        << with_bias << " accumulate " << accumulate << " finish " << static_cast<int>(finish)
        << " at row " << i / ldc << " column " << i % ldc << ": " << c[i] << ", expected "
        << truth[i];
}

template <typename T>
void check_products() {
  int choice = 0;
  for (std::int64_t rows = 1; rows <= 40; ++rows)
    for (std::int64_t columns = 1; columns <= 40; ++columns, ++choice)
      check_product<T>(rows, columns, 1 + (rows * 3 + columns) % 9, choice % 2 != 0,
                       choice / 2 % 2 != 0, choice / 4 % 2 != 0, static_cast<Finish>(choice % 3));
  for (const std::int64_t rows : {0, 1, 5, 12, 25, 64})
    for (const std::int64_t columns : {0, 1, 16, 64, 130})
      for (const std::int64_t depth : {0, 1, 3, 64, 300})
        for (int options = 0; options < 8; ++options)
          check_product<T>(rows, columns, depth, (options & 1) != 0, (options & 2) != 0,
                           (options & 4) != 0, static_cast<Finish>((options + rows) % 3));
}

TEST(MatrixProduct, IsExactForAllSizesAndStrides) {
  on_every_instruction_set([] {
    check_products<float>();
    check_products<double>();
  });
}

template <typename T>
void check_blocking() {
  const std::int64_t rows = 37, columns = 83, depth = 50;
  const std::vector<T> a = random_values<T>(rows * depth, 8);
  const std::vector<T> b = random_values<T>(depth * columns, 9);
  std::vector<T> whole(rows * columns);
  matrix_product<T>(rows, columns, depth, a.data(), depth, 1, b.data(), columns, nullptr, false,
                    whole.data(), columns);
  for (const std::int64_t r : {0, 11, 12, 36})
    for (std::int64_t l = 0; l < columns; ++l) {
      T element = 0;
      matrix_product<T>(1, 1, depth, a.data() + r * depth, depth, 1, b.data() + l, columns, nullptr,
                        false, &element, 1);
      EXPECT_EQ(element, whole[r * columns + l]);
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k)
        sum += static_cast<double>(a[r * depth + k]) * static_cast<double>(b[k * columns + l]);
      EXPECT_NEAR(element, sum, 100 * std::numeric_limits<T>::epsilon());
    }
}

TEST(MatrixProduct, DoesNotDependOnTheBlocking) {
  on_every_instruction_set([] {
    check_blocking<float>();
    check_blocking<double>();
  });
}

template <typename T>
void check_transpose() {
  for (std::int64_t rows = 1; rows <= 40; ++rows)
    for (std::int64_t columns = 1; columns <= 40; ++columns) {
      const std::ptrdiff_t lda = columns + 1, ldo = rows + 2;
      const std::vector<T> a = random_values<T>(rows * lda, 10);
      std::vector<T> out(columns * ldo, T(777));
      transpose<T>(rows, columns, a.data(), lda, out.data(), ldo);
      for (std::int64_t c = 0; c < columns; ++c)
        for (std::int64_t r = 0; r < ldo; ++r)
          ASSERT_EQ(out[c * ldo + r], r < rows ? a[r * lda + c] : T(777)) << rows << "x" << columns;
    }
}

TEST(Transpose, MovesEveryElementOnce) {
  on_every_instruction_set([] {
    check_transpose<float>();
    check_transpose<double>();
  });
}

template <typename T>
void check_partials() {
  const std::int64_t rows = 3, columns = 2;
  for (std::int64_t lanes = 0; lanes <= 70; ++lanes) {
    const std::int64_t stride = lanes + 3;
    std::vector<T> a(rows * stride), b(columns * stride);  // integers: sums are exact
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = T(i % 13) - 6;
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = T(i % 7) - 2;
    std::vector<T> sums(rows * kPartialLanes, T(1)), outer(rows * columns * kPartialLanes, T(1));
    std::vector<T> sums_truth = sums, outer_truth = outer;
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t l = 0; l < lanes; ++l) {
        sums_truth[r * kPartialLanes + l % kPartialLanes] += a[r * stride + l];
        for (std::int64_t c = 0; c < columns; ++c)
          outer_truth[(r * columns + c) * kPartialLanes + l % kPartialLanes] +=
              a[r * stride + l] * b[c * stride + l];
      }
    add_lane_partials<T>(rows, lanes, a.data(), stride, sums.data());
    add_outer_partials<T>(rows, columns, lanes, a.data(), stride, b.data(), stride, outer.data());
    EXPECT_EQ(sums, sums_truth) << lanes;
    EXPECT_EQ(outer, outer_truth) << lanes;
    // Row r of a with row r of b: the diagonal of the outer products.
    std::vector<T> products(rows * kPartialLanes, T(1));
    add_product_partials<T>(std::min(rows, columns), lanes, a.data(), stride, b.data(), stride,
                            products.data());
    for (std::int64_t r = 0; r < std::min(rows, columns); ++r)
      for (std::int64_t l = 0; l < kPartialLanes; ++l) {
        T truth = 1;
        for (std::int64_t k = l; k < lanes; k += kPartialLanes)
          truth += a[r * stride + k] * b[r * stride + k];
        EXPECT_EQ(products[r * kPartialLanes + l], truth) << lanes;
      }
    std::vector<T> out(rows);
    finish_lane_partials<T>(rows, sums.data(), out.data());
    for (std::int64_t r = 0; r < rows; ++r) {
      T total = 16;
      for (std::int64_t l = 0; l < lanes; ++l) total += a[r * stride + l];
      EXPECT_EQ(out[r], total);
    }
  }
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

TEST(LanePartials, AddUpToTheSum) {
  on_every_instruction_set([] {
    check_partials<float>();
    check_partials<double>();
  });
}

template <typename T>
void check_parts() {
  for (const std::int64_t count : {1, 2, 5, 8})
    for (const std::int64_t size : {1, 15, 64, 100}) {
      std::vector<std::vector<T>> parts;
      std::vector<const T*> sources;
      for (std::int64_t k = 0; k < count; ++k)
        sources.push_back(
            parts.emplace_back(random_values<T>(size, static_cast<int>(20 + k))).data());
      std::vector<T> out(size);
      sum_parts<T>(size, count, sources.data(), out.data());
      for (std::int64_t i = 0; i < size; ++i) {
        T sum = parts[0][i];
        for (std::int64_t k = 1; k < count; ++k) sum += parts[k][i];
        EXPECT_EQ(out[i], sum);
      }
    }
}

TEST(SumParts, AddsInTheOrderGiven) {
  on_every_instruction_set([] {
    check_parts<float>();
    check_parts<double>();
  });
}

template <typename T>
void check_adam(bool adamax) {
  const AdamStep step = {1e-2, 0.9, 0.99, 1e-8, 0.271, 0.0297, 0.5, 0.01, 1e-3, adamax};
  const std::int64_t size = 75;
  const std::vector<T> gradient = random_values<T>(size, 31), m = random_values<T>(size, 32);
  std::vector<T> v = random_values<T>(size, 33), p = random_values<T>(size, 34);
  for (T& value : v) value = std::abs(value);
  std::vector<T> new_m = m, new_v = v, new_p = p;
  adam<T>(size, step, gradient.data(), new_m.data(), new_v.data(), new_p.data());
  const double tolerance = 8 * std::numeric_limits<T>::epsilon();
  for (std::int64_t i = 0; i < size; ++i) {
    const double g = step.scale * gradient[i] + step.l2 * p[i];
    const double first = step.beta1 * m[i] + (1 - step.beta1) * g;
    const double second = adamax ? std::max(step.beta2 * v[i], std::abs(g) + step.epsilon)
                                 : step.beta2 * v[i] + (1 - step.beta2) * g * g;
    const double divisor = adamax ? second : std::sqrt(second / step.correction2) + step.epsilon;
    EXPECT_NEAR(new_m[i], first, tolerance);
    EXPECT_NEAR(new_v[i], second, tolerance);
    EXPECT_NEAR(new_p[i],
                p[i] * (1 - step.decay) - step.rate * (first / step.correction1) / divisor,
                tolerance * std::max(1.0, 0.1 / divisor));
  }
  for (std::int64_t i = 0; i < 40; ++i) {  // a gradient that is not finite reaches the parameter
    std::vector<T> bad = gradient;
    bad[i] = std::numeric_limits<T>::quiet_NaN();
    new_m = m, new_v = v, new_p = p;
    adam<T>(40, step, bad.data(), new_m.data(), new_v.data(), new_p.data());
    for (std::int64_t j = 0; j < 40; ++j) {
      EXPECT_EQ(std::isnan(new_p[j]), j == i);
      EXPECT_EQ(std::isnan(new_v[j]), j == i);
    }
  }
}

TEST(Adam, FollowsTheFormulas) {
  on_every_instruction_set([] {
    for (const bool adamax : {false, true}) {
      check_adam<float>(adamax);
      check_adam<double>(adamax);
    }
  });
}

template <typename T>
void check_random(std::uint64_t seed, std::uint64_t first_sample, std::int64_t rows,
                  std::int64_t lanes) {
  const std::uint32_t stream = 1029;
  const std::ptrdiff_t stride = lanes + 2;
  std::vector<T> uniform(rows * stride, T(777)), normal = uniform;
  random_uniform<T>(seed, stream, first_sample, rows, lanes, uniform.data(), stride);
  random_normal<T>(seed, stream, first_sample, rows, lanes, normal.data(), stride);
  double worst = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t l = 0; l < stride; ++l) {
      const T u = uniform[r * stride + l], n = normal[r * stride + l];
      if (l >= lanes) {
        EXPECT_EQ(u, T(777));
        EXPECT_EQ(n, T(777));
        continue;
      }
      const auto sample = first_sample + static_cast<std::uint64_t>(l);
      const auto words = random_words(seed, stream, sample, static_cast<std::uint32_t>(r));
      EXPECT_EQ(u, static_cast<T>(uniform_from_words(words[0], words[1])));
      const auto pair =
          normals_from_words(random_words(seed, stream, sample, static_cast<std::uint32_t>(r / 2)));
      worst = std::max(worst, ulp_error<T, double>(n, pair[r % 2]));
    }
  EXPECT_LE(worst, 4.0);
}

TEST(RandomKernels, GiveTheNumbersOfTheCore) {
  on_every_instruction_set([] {
    for (const std::int64_t lanes : {1, 3, 16, 37, 64, 4000}) {
      check_random<float>(1, 0, 5, lanes);
      check_random<double>(1, 0, 5, lanes);
    }
    // Sample numbers that cross 32 bits, and seeds above them.
    check_random<float>(0xfedcba9876543210U, 0xfffffff0U, 3, 64);
    check_random<double>(0xfedcba9876543210U, 0xfffffff0U, 3, 64);
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

// Matrix products, transposes and sums over lanes on every instruction set, against plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernel_checks.h"

namespace thalweg::kernels {
namespace {

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

}  // namespace
}  // namespace thalweg::kernels

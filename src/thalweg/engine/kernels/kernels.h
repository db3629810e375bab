// SIMD loops on raw pointers: the only place where the engine touches vector instructions.
//
// Every function is dispatched at run time to the best instruction set of the machine (Google
// Highway), is re-entrant, allocates nothing and never throws. `T` is float or double. What is not
// finite stays visible: NaN in gives NaN out, infinities follow IEEE and the C library (exp(-inf) =
// 0, log(0) = -inf, log(-1) = NaN, tanh(inf) = 1).
#pragma once

#include <cstddef>
#include <cstdint>

namespace thalweg::kernels {

/// Elementwise functions of one operand. `parameter` is used by kPower only. The numbers are the
/// largest errors that the test found on any instruction set, in units in the last place, for float
/// and for double; it takes 76 000 arguments of all magnitudes, subnormal ones included. What bears
/// no number is exact or correctly rounded.
enum class Unary : std::uint8_t {
  kCopy,
  kNegate,
  kAbs,
  kSquare,
  kSqrt,
  kReciprocal,
  kExp,             ///< 1.0 and 1.1
  kExpm1,           ///< 1.5 and 1.8
  kLog,             ///< 0.9 and 0.8
  kLog1p,           ///< 2.2 and 2.2
  kTanh,            ///< 2.2 and 2.3
  kSigmoid,         ///< 2.1 and 2.3
  kSoftplus,        ///< log(1 + exp(x)) without overflow or cancellation; 2.3 and 2.5
  kRelu,            ///< x for x > 0, else 0; NaN stays
  kStep,            ///< 1 for x > 0, else 0; NaN stays
  kSign,            ///< -1, 0, 1; NaN stays
  kSin,             ///< 1.9 and 2.4; the C library's beyond 30000
  kCos,             ///< 2.1 and 2.9; the C library's beyond 30000
  kErf,             ///< the C library's
  kNormalCdf,       ///< of the standard normal, to full relative accuracy below 0; 0.5 and 2.7
  kNormalQuantile,  ///< its inverse: -inf at 0, inf at 1, NaN outside of [0, 1]; 4.4 and 6.1
  kFloor,
  kPower,     ///< x^parameter for x > 0 (std::pow)
  kIsFinite,  ///< 1 for finite x, else 0
};

/// Elementwise functions of two operands. Comparisons give 1 or 0 (0 when an operand is NaN).
enum class Binary : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kMax,
  kMin,  ///< NaN if either operand is NaN
  kLess,
  kLessEqual,
  kEqual,
  kMultiplyStep,       ///< a * (b > 0): the backward pass of relu in one sweep; NaN of either stays
  kMultiplyTanhSlope,  ///< a * (1 - b * b), b being a tanh value
  kMultiplySigmoidSlope,  ///< a * b * (1 - b), b being a sigmoid value
  kAtan2,  ///< of a sine a and a cosine b, times any length: in [-pi, pi], as the C library's
};

/// Loop bounds of an elementwise operation: outer x middle x inner elements.
struct Extent {
  std::int64_t outer = 1, middle = 1, inner = 1;
};

/// An operand: element (i, j, k) is data[i * outer + j * middle + k * inner]; inner is 0
/// (broadcast) or 1.
template <typename T>
struct Strided {
  T* data = nullptr;
  std::ptrdiff_t outer = 0, middle = 0, inner = 1;
};

/// out = function(a). `out.inner` is 1. `out` may be `a` itself, else they must not overlap.
template <typename T>
void unary(Unary function, const Extent& extent, const Strided<const T>& a, const Strided<T>& out,
           double parameter);

/// out = function(a, b). `out` may be `a` or `b` itself, else they must not overlap.
template <typename T>
void binary(Binary function, const Extent& extent, const Strided<const T>& a,
            const Strided<const T>& b, const Strided<T>& out);

/// out = condition != 0 ? a : b (a NaN condition gives NaN).
template <typename T>
void select(const Extent& extent, const Strided<const T>& condition, const Strided<const T>& a,
            const Strided<const T>& b, const Strided<T>& out);

/// out = a * b + c with one rounding where the machine has a fused multiply-add. `out` may be an
/// operand itself.
template <typename T>
void multiply_add(const Extent& extent, const Strided<const T>& a, const Strided<const T>& b,
                  const Strided<const T>& c, const Strided<T>& out);

/// Reductions along the outer axis: out(j, k) = reduce over i of a(i, j, k), in increasing i.
/// `out.outer` is not used. Maximum is NaN if an element is NaN. `a.inner` may be 0.
template <typename T>
void sum_outer(const Extent& extent, const Strided<const T>& a, const Strided<T>& out);
template <typename T>
void max_outer(const Extent& extent, const Strided<const T>& a, const Strided<T>& out);
/// Running sums along the outer axis; `reverse` starts from the last i. `exclusive` leaves out the
/// element itself.
template <typename T>
void cumulative_sum_outer(const Extent& extent, const Strided<const T>& a, const Strided<T>& out,
                          bool reverse, bool exclusive);

/// What matrix_product does with a finished element c before it is stored: nothing, relu(c), or c *
/// (mask > 0) with a mask of C's shape and row stride `mask_row`, each as the elementwise functions
/// kRelu and kMultiplyStep do.
template <typename T>
struct Epilogue {
  bool relu = false;
  const T* mask = nullptr;
  std::ptrdiff_t mask_row = 0;
};

/// C (rows x columns, row stride ldc) = [C +] A B [+ bias]; A(r, k) = a[r * a_row + k * a_depth], B
/// is depth x columns with row stride ldb. `bias` (one value a row) may be null. `accumulate` adds
/// to what C holds. Any sizes; fastest where `columns` is a multiple of two vectors. C overlaps
/// neither A nor B. Sums run over k in increasing order with fused multiply-add, so a result
/// depends on the instruction set only, not on the blocking.
template <typename T>
void matrix_product(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a,
                    std::ptrdiff_t a_row, std::ptrdiff_t a_depth, const T* b, std::ptrdiff_t ldb,
                    const T* bias, bool accumulate, T* c, std::ptrdiff_t ldc,
                    const Epilogue<T>& epilogue = {});

/// out (columns x rows, row stride ldo) = transpose of a (rows x columns, row stride lda).
template <typename T>
void transpose(std::int64_t rows, std::int64_t columns, const T* a, std::ptrdiff_t lda, T* out,
               std::ptrdiff_t ldo);

/// Width of the lane partials below, the same on every machine.
inline constexpr std::int64_t kPartialLanes = 16;

/// Lane partials of a sum over lanes: partials[r * 16 + (l mod 16)] += a[r * a_row + l] for l <
/// lanes (any count).
template <typename T>
void add_lane_partials(std::int64_t rows, std::int64_t lanes, const T* a, std::ptrdiff_t a_row,
                       T* partials);

/// Lane partials of elementwise products: partials[r * 16 + (l mod 16)] += a[r, l] * b[r, l], l <
/// lanes.
template <typename T>
void add_product_partials(std::int64_t rows, std::int64_t lanes, const T* a, std::ptrdiff_t a_row,
                          const T* b, std::ptrdiff_t b_row, T* partials);

/// Lane partials of small outer products: partials[(r * columns + c) * 16 + (l mod 16)] += a[r, l]
/// * b[c, l], l < lanes.
template <typename T>
void add_outer_partials(std::int64_t rows, std::int64_t columns, std::int64_t lanes, const T* a,
                        std::ptrdiff_t a_row, const T* b, std::ptrdiff_t b_row, T* partials);

/// out[r] = sum of partials[r * 16 .. r * 16 + 15], summed pairwise in a fixed order.
template <typename T>
void finish_lane_partials(std::int64_t rows, const T* partials, T* out);

/// out[i] = parts[0][i] + parts[1][i] + ... in this order, i < size.
template <typename T>
void sum_parts(std::int64_t size, std::int64_t count, const T* const* parts, T* out);

/// Adam (Kingma and Ba 2015) on flat arrays: gradient g' = scale * g + l2 * p; m = b1 m + (1-b1)
/// g'; v = b2 v + (1-b2) g'^2; p = p * (1 - decay) - rate * (m / correction1) / (sqrt(v /
/// correction2) + epsilon). Adamax (section 7.1 there) keeps v = max(b2 v, |g'| + epsilon) and p -=
/// rate * (m / correction1) / v.
struct AdamStep {
  double rate, beta1, beta2, epsilon, correction1, correction2, scale, l2, decay;
  bool adamax;
};
template <typename T>
void adam(std::int64_t size, const AdamStep& step, const T* gradient, T* m, T* v, T* parameter);

/// Random numbers for lanes: sample number first_sample + l, value r at out[r * out_row + l], r <
/// rows, l < lanes. Normal r uses words of index r / 2 (element r % 2 of normals_from_words);
/// uniform r uses index r (words 0 and 1). The numbers are those of core/random.h to rounding:
/// normals within 4 ulp of T of the double value.
template <typename T>
void random_uniform(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                    std::int64_t rows, std::int64_t lanes, T* out, std::ptrdiff_t out_row);
template <typename T>
void random_normal(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                   std::int64_t rows, std::int64_t lanes, T* out, std::ptrdiff_t out_row);

/// Name of the instruction set that the dispatcher chose, for reports ("AVX3", "AVX2", "SSE4",
/// ...).
const char* instruction_set();

/// Restricts the dispatcher to targets this machine has, one of `supported_targets()`; for tests,
/// not thread safe.
void force_instruction_set(std::int64_t target);
/// All targets that this machine can run, best first; `count` receives how many.
const std::int64_t* supported_instruction_sets(int* count);

}  // namespace thalweg::kernels

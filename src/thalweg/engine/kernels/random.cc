// Random numbers for lanes, and the choice of instruction set.
#include "thalweg/core/random.h"

#include <numbers>
#include <vector>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/random.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// These are read after highway.h, once for each instruction set.
#include <hwy/contrib/math/math-inl.h>

#include "thalweg/engine/kernels/partial-inl.h"

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;
using std::ptrdiff_t;

#if HWY_TARGET == HWY_SCALAR
template <typename T>
void uniforms(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample, int64_t rows,
              int64_t lanes, T* out, ptrdiff_t out_row) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const auto words = random_words(seed, stream, first_sample + static_cast<std::uint64_t>(lane),
                                      static_cast<std::uint32_t>(row));
      out[row * out_row + lane] = static_cast<T>(uniform_from_words(words[0], words[1]));
    }
}

template <typename T>
void normals(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample, int64_t rows,
             int64_t lanes, T* out, ptrdiff_t out_row) {
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const auto pair = normals_from_words(
          random_words(seed, stream, first_sample + static_cast<std::uint64_t>(lane),
                       static_cast<std::uint32_t>(row / 2)));
      out[row * out_row + lane] = static_cast<T>(pair[0]);
      if (row + 1 < rows) out[(row + 1) * out_row + lane] = static_cast<T>(pair[1]);
    }
}
#else

using Doubles = hn::ScalableTag<double>;
using Words = hn::RebindToUnsigned<Doubles>;
using Word = hn::Vec<Words>;

/// The product of the lower halves of all lanes.
HWY_INLINE HWY_ATTR Word multiply_low(Word a, std::uint64_t b) {
  const Words d;
  const hn::Repartition<std::uint32_t, Words> halves;
  return hn::MulEven(hn::BitCast(halves, a), hn::BitCast(halves, hn::Set(d, b)));
}

/// random_words for the samples in `sample`. Each word is the lower half of its lane; the upper
/// halves hold anything.
HWY_INLINE HWY_ATTR void philox(std::uint64_t seed, std::uint32_t stream, Word sample,
                                std::uint32_t index, Word& w0, Word& w1, Word& w2, Word& w3) {
  const Words d;
  auto key0 = static_cast<std::uint32_t>(seed);
  auto key1 = static_cast<std::uint32_t>(seed >> 32);
  w0 = sample;
  w1 = hn::ShiftRight<32>(sample);
  w2 = hn::Set(d, std::uint64_t{index});
  w3 = hn::Set(d, std::uint64_t{stream});
  for (int round = 0; round < 10; ++round) {
    const Word a = multiply_low(w0, PHILOX_M4x32_0);
    const Word b = multiply_low(w2, PHILOX_M4x32_1);
    w0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), w1), hn::Set(d, std::uint64_t{key0}));
    w1 = b;
    w2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), w3), hn::Set(d, std::uint64_t{key1}));
    w3 = a;
    key0 += PHILOX_W32_0;
    key1 += PHILOX_W32_1;
  }
}

/// uniform_from_words, to the same bits.
HWY_INLINE HWY_ATTR hn::Vec<Doubles> uniform(Word high, Word low) {
  const Doubles d;
  const Words words;
  const hn::RebindToSigned<Doubles> di;
  const Word joined =
      hn::Or(hn::ShiftLeft<32>(high), hn::And(low, hn::Set(words, std::uint64_t{0xffffffff})));
  const auto whole = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<11>(joined)));
  return hn::Mul(hn::Add(whole, hn::Set(d, 0.5)), hn::Set(d, 0x1.0p-53));
}

/// Sine and cosine of 0 <= x <= 2 pi, within about 1 ulp.
HWY_INLINE HWY_ATTR void sine_and_cosine(hn::Vec<Doubles> x, hn::Vec<Doubles>& sine,
                                         hn::Vec<Doubles>& cosine) {
  const Doubles d;
  const hn::RebindToSigned<Doubles> di;
  const auto magic = hn::Set(d, 0x1.8p52);  // adding it rounds to an integer in the low bits
  const auto shifted = hn::MulAdd(x, hn::Set(d, 2 / std::numbers::pi), magic);
  const auto quarter = hn::Sub(shifted, magic);
  const auto turn = hn::BitCast(di, shifted);
  auto r = hn::NegMulAdd(quarter, hn::Set(d, 0x1.921fb544p+0), x);  // pi / 2 in three parts
  r = hn::NegMulAdd(quarter, hn::Set(d, 0x1.0b4611a6p-34), r);
  r = hn::NegMulAdd(quarter, hn::Set(d, 0x1.3198a2e037073p-69), r);
  const auto w = hn::Mul(r, r);
  // (sin(r) / r - 1) / w, error times w below 1.3e-17, and (cos(r) - 1 + w / 2) / w^2, error times
  // w^2 below 5e-19, both fitted at Chebyshev nodes for |r| <= pi / 4.
  auto s = hn::Set(d, 1.5918115263265974e-10);
  s = hn::MulAdd(s, w, hn::Set(d, -2.5051131650235181e-08));
  s = hn::MulAdd(s, w, hn::Set(d, 2.7557316101617874e-06));
  s = hn::MulAdd(s, w, hn::Set(d, -0.00019841269836756774));
  s = hn::MulAdd(s, w, hn::Set(d, 0.008333333333330948));
  s = hn::MulAdd(s, w, hn::Set(d, -0.16666666666666666));
  s = hn::MulAdd(hn::Mul(s, w), r, r);
  auto c = hn::Set(d, -1.1382623647474604e-11);
  c = hn::MulAdd(c, w, hn::Set(d, 2.087614614655861e-09));
  c = hn::MulAdd(c, w, hn::Set(d, -2.7557317271145144e-07));
  c = hn::MulAdd(c, w, hn::Set(d, 2.4801587298764561e-05));
  c = hn::MulAdd(c, w, hn::Set(d, -0.0013888888888887398));
  c = hn::MulAdd(c, w, hn::Set(d, 0.041666666666666664));
  c = hn::MulAdd(hn::Mul(c, w), w, hn::NegMulAdd(w, hn::Set(d, 0.5), hn::Set(d, 1.0)));
  const auto one = hn::Set(di, int64_t{1});
  const auto odd = hn::MaskFromVec(hn::BitCast(d, hn::Neg(hn::And(turn, one))));
  // The second bit of the quarter is the sign of the sine, that of the next quarter the cosine's.
  const auto sine_sign = hn::ShiftLeft<62>(hn::AndNot(one, turn));
  const auto cosine_sign = hn::ShiftLeft<62>(hn::AndNot(one, hn::Add(turn, one)));
  const auto sign_bit = hn::SignBit(d);
  sine = hn::Xor(hn::IfThenElse(odd, c, s), hn::And(sign_bit, hn::BitCast(d, sine_sign)));
  cosine = hn::Xor(hn::IfThenElse(odd, s, c), hn::And(sign_bit, hn::BitCast(d, cosine_sign)));
}

/// Stores `count` lanes as T.
template <typename T>
HWY_INLINE HWY_ATTR void put(hn::Vec<Doubles> values, T* to, size_t count) {
  const Doubles d;
  const hn::Rebind<T, Doubles> narrow;
  const bool whole = count == hn::Lanes(d);
  if constexpr (sizeof(T) == sizeof(double)) {
    whole ? hn::StoreU(values, d, to) : store_first(d, values, to, count);
  } else {
    const auto rounded = hn::DemoteTo(narrow, values);
    whole ? hn::StoreU(rounded, narrow, to) : store_first(narrow, rounded, to, count);
  }
}

template <typename T>
HWY_ATTR void uniforms(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                       int64_t rows, int64_t lanes, T* out, ptrdiff_t out_row) {
  const Words words;
  const auto width = static_cast<int64_t>(hn::Lanes(words));
  const auto steps = hn::Iota(words, first_sample);  // slow, so outside of the loops
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t lane = 0; lane < lanes; lane += width) {
      const auto sample = hn::Add(steps, hn::Set(words, static_cast<std::uint64_t>(lane)));
      Word w0, w1, w2, w3;
      philox(seed, stream, sample, static_cast<std::uint32_t>(row), w0, w1, w2, w3);
      put(uniform(w0, w1), out + row * out_row + lane,
          static_cast<size_t>(HWY_MIN(width, lanes - lane)));
    }
}

template <typename T>
HWY_ATTR void normals(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                      int64_t rows, int64_t lanes, T* out, ptrdiff_t out_row) {
  const Doubles d;
  const Words words;
  const auto width = static_cast<int64_t>(hn::Lanes(words));
  const auto steps = hn::Iota(words, first_sample);  // slow, so outside of the loops
  for (int64_t row = 0; row < rows; row += 2)
    for (int64_t lane = 0; lane < lanes; lane += width) {
      const auto sample = hn::Add(steps, hn::Set(words, static_cast<std::uint64_t>(lane)));
      const auto count = static_cast<size_t>(HWY_MIN(width, lanes - lane));
      Word w0, w1, w2, w3;
      philox(seed, stream, sample, static_cast<std::uint32_t>(row / 2), w0, w1, w2, w3);
      // The uniform numbers lie in (0, 1], where Highway's logarithm needs no care.
      const auto radius = hn::Sqrt(hn::Mul(hn::Set(d, -2.0), hn::Log(d, uniform(w0, w1))));
      hn::Vec<Doubles> sine, cosine;
      sine_and_cosine(hn::Mul(hn::Set(d, 2.0 * std::numbers::pi), uniform(w2, w3)), sine, cosine);
      put(hn::Mul(radius, cosine), out + row * out_row + lane, count);
      if (row + 1 < rows) put(hn::Mul(radius, sine), out + (row + 1) * out_row + lane, count);
    }
}
#endif

void uniform_float(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                   int64_t rows, int64_t lanes, float* out, ptrdiff_t out_row) {
  uniforms(seed, stream, first_sample, rows, lanes, out, out_row);
}
void uniform_double(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                    int64_t rows, int64_t lanes, double* out, ptrdiff_t out_row) {
  uniforms(seed, stream, first_sample, rows, lanes, out, out_row);
}
void normal_float(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                  int64_t rows, int64_t lanes, float* out, ptrdiff_t out_row) {
  normals(seed, stream, first_sample, rows, lanes, out, out_row);
}
void normal_double(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,
                   int64_t rows, int64_t lanes, double* out, ptrdiff_t out_row) {
  normals(seed, stream, first_sample, rows, lanes, out, out_row);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

#define THALWEG_EXPORT(function, T)                                                               \
  HWY_EXPORT(function##_##T);                                                                     \
  template <>                                                                                     \
  void random_##function(std::uint64_t seed, std::uint32_t stream, std::uint64_t first_sample,    \
                         std::int64_t rows, std::int64_t lanes, T* out, std::ptrdiff_t out_row) { \
    HWY_DYNAMIC_DISPATCH(function##_##T)(seed, stream, first_sample, rows, lanes, out, out_row);  \
  }

THALWEG_EXPORT(uniform, float)
THALWEG_EXPORT(uniform, double)
THALWEG_EXPORT(normal, float)
THALWEG_EXPORT(normal, double)
#undef THALWEG_EXPORT

namespace {

/// Targets that the library was built for and this machine has, best (lowest bit) first.
const std::vector<std::int64_t>& machine_targets() {
  static const std::vector<std::int64_t> targets = [] {
    std::vector<std::int64_t> found;
    std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
    for (; supported != 0; supported &= supported - 1) found.push_back(supported & -supported);
    return found;
  }();
  return targets;
}

}  // namespace

const char* instruction_set() {
  const std::int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(supported & -supported);
}

void force_instruction_set(std::int64_t target) {
  machine_targets();
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

const std::int64_t* supported_instruction_sets(int* count) {
  *count = static_cast<int>(machine_targets().size());
  return machine_targets().data();
}

}  // namespace thalweg::kernels
#endif

// The optimizers' update of flat arrays.
#include <cmath>

#include "thalweg/engine/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "thalweg/engine/kernels/optimizer.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace thalweg::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using std::int64_t;

template <typename T, class D>
HWY_INLINE HWY_ATTR void adam_vector(D d, const AdamStep& step, const T* gradient, T* m, T* v,
                                     T* parameter) {
  const auto constant = [d](double value) HWY_ATTR { return hn::Set(d, static_cast<T>(value)); };
  const auto p = hn::LoadU(d, parameter);
  const auto g =
      hn::MulAdd(constant(step.l2), p, hn::Mul(constant(step.scale), hn::LoadU(d, gradient)));
  const auto first =
      hn::MulAdd(constant(step.beta1), hn::LoadU(d, m), hn::Mul(constant(1.0 - step.beta1), g));
  const auto kept = hn::Mul(constant(1.0 - step.decay), p);
  auto second = hn::Mul(constant(step.beta2), hn::LoadU(d, v));
  auto scale = second;
  if (step.adamax) {
    const auto size = hn::Add(hn::Abs(g), constant(step.epsilon));
    // A comparison that is false for NaN of either keeps it, unlike Max.
    second = hn::IfThenElse(hn::Gt(second, size), second,
                            hn::IfThenElse(hn::IsNaN(second), second, size));
    scale = second;
  } else {
    second = hn::MulAdd(constant(1.0 - step.beta2), hn::Mul(g, g), second);
    scale = hn::Add(hn::Sqrt(hn::Mul(second, constant(1.0 / step.correction2))),
                    constant(step.epsilon));
  }
  hn::StoreU(first, d, m);
  hn::StoreU(second, d, v);
  hn::StoreU(hn::NegMulAdd(constant(step.rate / step.correction1), hn::Div(first, scale), kept), d,
             parameter);
}

template <typename T>
HWY_ATTR void adam_all(int64_t size, const AdamStep& step, const T* gradient, T* m, T* v,
                       T* parameter) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> one;
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + width <= size; i += width)
    adam_vector(d, step, gradient + i, m + i, v + i, parameter + i);
  for (; i < size; ++i) adam_vector(one, step, gradient + i, m + i, v + i, parameter + i);
}

void adam_float(int64_t size, const AdamStep& step, const float* gradient, float* m, float* v,
                float* parameter) {
  adam_all(size, step, gradient, m, v, parameter);
}
void adam_double(int64_t size, const AdamStep& step, const double* gradient, double* m, double* v,
                 double* parameter) {
  adam_all(size, step, gradient, m, v, parameter);
}

}  // namespace thalweg::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace thalweg::kernels {

HWY_EXPORT(adam_float);
HWY_EXPORT(adam_double);

template <>
void adam(std::int64_t size, const AdamStep& step, const float* gradient, float* m, float* v,
          float* parameter) {
  HWY_DYNAMIC_DISPATCH(adam_float)(size, step, gradient, m, v, parameter);
}
template <>
void adam(std::int64_t size, const AdamStep& step, const double* gradient, double* m, double* v,
          double* parameter) {
  HWY_DYNAMIC_DISPATCH(adam_double)(size, step, gradient, m, v, parameter);
}

}  // namespace thalweg::kernels
#endif

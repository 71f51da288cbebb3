// Elementary functions on vectors, to a few units in the last place over the whole range of floats:
// infinities, NaN and subnormal numbers included. Polynomials are minimax fits; ranges are
// reduced as in Cody and Waite, "Software Manual for the Elementary Functions" (1980).
#pragma once

#include "kernels/simd/vec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fastconv::FASTCONV_ISA {
namespace {
namespace math {

typedef double vd __attribute__((vector_size(kWidth * 4)));
typedef std::int64_t vl __attribute__((vector_size(kWidth * 4)));
typedef std::uint32_t vu __attribute__((vector_size(kWidth * 4)));
typedef float half_f __attribute__((vector_size(kWidth * 2)));

constexpr float kInf = __builtin_inff();
constexpr float kNaN = __builtin_nanf("");

FC_INLINE vi splat_int(std::int32_t x) { return x - vi{}; }
FC_INLINE vi bits(vf x) { return (vi)x; }
FC_INLINE vf sign_bit(vf x) { return (vf)(bits(x) & INT32_MIN); }
FC_INLINE vf with_sign(vf magnitude, vf sign) { return (vf)(bits(magnitude) | bits(sign)); }
FC_INLINE vf absolute(vf x) { return (vf)(bits(x) & INT32_MAX); }
FC_INLINE vf negative(vf x) { return (vf)(bits(x) ^ INT32_MIN); }
FC_INLINE vf to_float(vi x) { return __builtin_convertvector(x, vf); }
FC_INLINE vi to_int(vf x) { return __builtin_convertvector(x, vi); }  // toward zero
// Sums that wrap around: lanes of infinities and NaN go through the same steps as the others.
FC_INLINE vi add(vi a, std::int32_t b) { return (vi)((vu)a + static_cast<std::uint32_t>(b)); }
// 2^n for -126 <= n <= 127
FC_INLINE vf exp2_int(vi n) { return (vf)((vu)add(n, 127) << 23); }
// a > b ? a : b and a < b ? a : b, which the compiler would make of two instructions.
FC_INLINE vf larger(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_max_ps(0xFFFF, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}
FC_INLINE vf smaller(vf a, vf b) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_min_ps(0xFFFF, (__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__x86_64__)
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}
FC_INLINE vf clamp(vf x, float low, float high) {  // lets NaN through
  return smaller(splat(high), larger(splat(low), x));
}
// To the nearest integer for |x| < 2^22.
FC_INLINE vf nearest(vf x) {
  const vf magic = splat(12582912.0f);
  return (x + magic) - magic;
}

FC_INLINE vf sqrt(vf x) {
#if defined(__AVX512F__)
  return (vf)_mm512_maskz_sqrt_ps(0xFFFF, (__m512)x);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__x86_64__)
  return (vf)_mm_sqrt_ps((__m128)x);
#elif defined(__aarch64__)
  return (vf)vsqrtq_f32((float32x4_t)x);
#endif
}

// From 2^23 on every float is an integer.
FC_INLINE vf trunc(vf x) {
  const vf magnitude = absolute(x);
  const vi small = magnitude < 8388608.0f;
  return small ? with_sign(to_float(to_int(small ? magnitude : vf{})), sign_bit(x)) : x;
}
// As int32, and as the lowest byte of that: truncated, what is beyond int32 becomes its limit, and
// NaN the lower one.
FC_INLINE vf whole(vf x) {
  const vf t = trunc(x) + 0.0f;  // there is no -0
  return t > 0x1p31f ? splat(0x1p31f) : t >= -0x1p31f ? t : splat(-0x1p31f);
}
FC_INLINE vf byte(vf x) {
  const vi inside = (x >= -0x1p31f) & (x < 0x1p31f);
  const vi low = to_int(inside ? x : vf{}) & 255;
  return inside ? to_float(low) : x >= 0x1p31f ? splat(255.0f) : vf{};
}
FC_INLINE vf floor(vf x) {
  const vf t = trunc(x);
  return t > x ? t - 1.0f : t;
}
FC_INLINE vf ceil(vf x) {
  const vf t = trunc(x);
  return t < x ? with_sign(absolute(t + 1.0f), sign_bit(x)) : t;
}
FC_INLINE vf round(vf x) {  // halves to even
  const vf magnitude = absolute(x), magic = splat(8388608.0f);
  return magnitude < magic ? with_sign((magnitude + magic) - magic, sign_bit(x)) : x;
}

// x = n log(2) + r, |r| <= log(2) / 2
struct Reduced {
  vf n, r;
};
FC_INLINE Reduced reduce_exp(vf x) {
  const vf n = nearest(x * 1.44269504f);
  return {n, (x - n * 0.693359375f) - n * -2.12194440e-4f};
}

FC_INLINE vf exp(vf x) {
  const Reduced a = reduce_exp(clamp(x, -104.0f, 89.0f));
  const vf r = a.r;
  vf p = 1.3814172e-03f * r + 8.368922e-03f;
  p = p * r + 4.1668408e-02f;
  p = p * r + 1.666652e-01f;
  p = p * r + 4.9999994e-01f;
  p = p * (r * r) + r + 1.0f;
  // In two factors, because 2^n may be subnormal or too large.
  const vi n = to_int(a.n), half = n >> 1;
  return p * exp2_int(half) * exp2_int((vi)((vu)n - (vu)half));
}

// For -20 <= x <= 89.
FC_INLINE vf expm1_inside(vf x) {
  const Reduced a = reduce_exp(x);
  const vf r = a.r;
  vf p = 1.9913999e-04f * r + 1.3941325e-03f;
  p = p * r + 8.333273e-03f;
  p = p * r + 4.166635e-02f;
  p = p * r + 1.6666667e-01f;
  p = p * r + 0.5f;
  p = p * (r * r) + r;
  const vf half_scale = exp2_int(add(to_int(a.n), -1));
  return (half_scale * p + (half_scale - 0.5f)) * 2.0f;
}
FC_INLINE vf expm1(vf x) {
  const vf y = expm1_inside(clamp(x, -20.0f, 89.0f));
  return x == 0.0f ? x : y;
}

FC_INLINE vf log(vf x) {
  const vi subnormal = x < 1.17549435e-38f;
  const vf scaled = subnormal ? x * 8388608.0f : x;
  // Mantissa in [sqrt(1/2), sqrt(2)).
  const vi offset = add(bits(scaled), -0x3f3504f3);
  const vf e = to_float((offset >> 23) - (subnormal & 23));
  const vf f = (vf)((offset & 0x007fffff) + 0x3f3504f3) - 1.0f;
  vf p = 6.74648e-02f * f - 1.1687664e-01f;
  p = p * f + 1.1894673e-01f;
  p = p * f - 1.24042265e-01f;
  p = p * f + 1.4218563e-01f;
  p = p * f - 1.6668029e-01f;
  p = p * f + 2.0002164e-01f;
  p = p * f - 2.500001e-01f;
  p = p * f + 3.3333313e-01f;
  const vf square = f * f;
  vf y = p * (f * square) + e * -2.12194440e-4f;
  y = (y - 0.5f * square) + f;
  y = y + e * 0.693359375f;
  y = x == 0.0f ? splat(-kInf) : y;
  y = x < 0.0f ? splat(kNaN) : y;
  return x < kInf ? y : x;  // infinity and NaN are their own logarithms
}

FC_INLINE vf log1p(vf x) {
  const vf u = 1.0f + x;
  const vf y = log(u) + (x - (u - 1.0f)) / u;
  const vi special = (u <= 0.0f) | !(u < kInf) | (x == 0.0f);
  return special ? (x == 0.0f ? x : log(u)) : y;
}

FC_INLINE vf tanh(vf x) {
  const vf t = expm1_inside(smaller(splat(40.0f), 2.0f * absolute(x)));
  return with_sign(t / (t + 2.0f), sign_bit(x));
}

FC_INLINE vf sigmoid(vf x) {
  const vf z = exp(negative(absolute(x)));
  return (x >= 0.0f ? splat(1.0f) : z) / (1.0f + z);
}

FC_INLINE vf softplus(vf x) {
  const vf positive = x > 0.0f ? x : splat(0.0f);
  const vf y = positive + log1p(exp(negative(absolute(x))));
  return x == x ? y : x;
}

// Near 0 an odd polynomial, beyond 1 - exp(-g(|x|)) with g = -log(erfc).
FC_INLINE vf erf(vf x) {
  const vf z = x * x;
  vf p = 7.853855e-05f * z - 8.0101914e-04f;
  p = p * z + 5.1883273e-03f;
  p = p * z - 2.6853811e-02f;
  p = p * z + 1.12835854e-01f;
  p = p * z - 3.7612626e-01f;
  p = p * z + 1.1283791e+00f;
  const vf t = clamp(absolute(x), 0.0f, 4.0f);
  vf g = 2.1445592e-05f * t - 4.385302e-04f;
  g = g * t + 4.190857e-03f;
  g = g * t - 2.517181e-02f;
  g = g * t + 1.0836156e-01f;
  g = g * t + 6.332724e-01f;
  g = g * t + 1.129552e+00f;
  g = g * t - 1.8246048e-04f;
  const vf far = with_sign(1.0f - exp(negative(g)), sign_bit(x));
  return t <= 1.0f ? x * p : far;
}

// sin and cos of r, |r| <= pi / 4
FC_INLINE vf sin_kernel(vf r) {
  const vf z = r * r;
  vf p = -1.9515367e-04f * z + 8.332164e-03f;
  p = p * z - 1.6666655e-01f;
  return p * z * r + r;
}
FC_INLINE vf cos_kernel(vf r) {
  const vf z = r * r;
  vf p = 2.4430921e-05f * z - 1.3887297e-03f;
  p = p * z + 4.1666646e-02f;
  return p * (z * z) + (1.0f - 0.5f * z);
}
// sin(r + quadrant pi / 2)
FC_INLINE vf sin_quadrant(vf r, vi quadrant) {
  const vf y = (quadrant & 1) != 0 ? cos_kernel(r) : sin_kernel(r);
  return (vf)(bits(y) ^ ((quadrant & 2) << 30));
}

struct Wide {
  vd low, high;
};
FC_INLINE Wide widen(vf x) {
  half_f halves[2];
  __builtin_memcpy(halves, &x, sizeof x);
  return {__builtin_convertvector(halves[0], vd), __builtin_convertvector(halves[1], vd)};
}
FC_INLINE vf narrow(Wide x) {
  const half_f halves[2] = {__builtin_convertvector(x.low, half_f),
                            __builtin_convertvector(x.high, half_f)};
  vf y;
  __builtin_memcpy(&y, halves, sizeof y);
  return y;
}
FC_INLINE vd nearest(vd x) {  // for |x| < 2^51
  const vd magic = 6755399441055744.0 - vd{};
  return (x + magic) - magic;
}

// x = n pi / 2 + r, for |x| < 2^20
FC_INLINE void reduce_angle(vf x, vf& n, vf& r, vi& quadrant) {
  const Wide wide = widen(x);
  const vd n0 = nearest(wide.low * 0.63661977236758134308);
  const vd n1 = nearest(wide.high * 0.63661977236758134308);
  const auto remainder = [](vd a, vd m) {
    return (a - m * 1.57079632673412561417) - m * 6.07710050650619224932e-11;
  };
  r = narrow({remainder(wide.low, n0), remainder(wide.high, n1)});
  // n mod 4, exact as a float.
  const auto mod4 = [](vd m) { return m - 4.0 * nearest(m * 0.25); };
  n = narrow({mod4(n0), mod4(n1)});
  quadrant = to_int(n) & 3;
}
template <bool Cosine>
FC_INLINE vf sin_or_cos(vf x) {
  const vi moderate = absolute(x) < 1048576.0f;
  vf n, r;
  vi quadrant;
  reduce_angle(moderate ? x : vf{}, n, r, quadrant);
  vf y = sin_quadrant(r, Cosine ? quadrant + 1 : quadrant);
  for (int i = 0; i < kWidth; ++i) {
    if (!moderate[i]) y[i] = Cosine ? __builtin_cosf(x[i]) : __builtin_sinf(x[i]);
  }
  return Cosine ? y : (x == 0.0f ? x : y);
}
FC_INLINE vf sin(vf x) { return sin_or_cos<false>(x); }
FC_INLINE vf cos(vf x) { return sin_or_cos<true>(x); }

// 2^(y log2(x)) in double precision, for finite x > 0.
FC_INLINE vd power_kernel(vd x, vd y) {
  const vl offset = (vl)x - 0x3fe6a09e667f3bcdLL;
  const vl e = offset >> 52;
  const vd m = (vd)((vl)x - (e << 52));
  const vd s = (m - 1.0) / (m + 1.0), z = s * s;
  vd p = 0.28304352682793005 * z + 0.31989609941139435;
  p = p * z + 0.41220947476945274;
  p = p * z + 0.5770779402907352;
  p = p * z + 0.9617966941200017;
  p = p * z + 2.885390081777847;
  vd t = y * (p * s + __builtin_convertvector(e, vd));
  t = t < -200.0 ? -200.0 - vd{} : t;
  t = t > 200.0 ? 200.0 - vd{} : t;
  const vd magic = 6755399441055744.0 - vd{};
  const vd shifted = t + magic;
  const vd r = t - (shifted - magic);
  vd q = 1.3264371508291646e-06 * r + 1.5310426816404926e-05;
  q = q * r + 0.00015403410160566452;
  q = q * r + 0.0013333449260225592;
  q = q * r + 0.009618129230725284;
  q = q * r + 0.05550410942573803;
  q = q * r + 0.24022650695456768;
  q = q * r + 0.6931471805455895;
  q = q * r + 1.0000000000000282;
  return (vd)((vl)q + ((vl)shifted << 52));
}
// IEEE 754's pow.
FC_INLINE vf power(vf x, vf y) {
  const vf magnitude = absolute(x);
  const vi regular = (magnitude > 0.0f) & (magnitude < kInf);
  const Wide base = widen(regular ? magnitude : splat(1.0f)), exponent = widen(y);
  vf result =
      narrow({power_kernel(base.low, exponent.low), power_kernel(base.high, exponent.high)});
  const vi negative_exponent = y < 0.0f;
  result = magnitude == 0.0f ? (negative_exponent ? splat(kInf) : vf{}) : result;
  result = magnitude == kInf ? (negative_exponent ? vf{} : splat(kInf)) : result;
  const vi whole = trunc(y) == y;
  const vi odd = whole & (absolute(y) < 16777216.0f) & ((to_int(y) & 1) != 0);
  result = (x < 0.0f) & ~whole & regular ? splat(kNaN) : result;
  result = (vf)(bits(result) ^ (odd & bits(sign_bit(x))));
  result = (x != x) | (y != y) ? x + y : result;
  const vi one = (x == 1.0f) | (y == 0.0f) | ((magnitude == 1.0f) & (absolute(y) == kInf));
  return one ? splat(1.0f) : result;
}

}  // namespace math
}  // namespace
}  // namespace fastconv::FASTCONV_ISA

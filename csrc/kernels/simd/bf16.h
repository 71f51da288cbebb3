// bfloat16: the upper half of a float, rounded to nearest even. Subnormal numbers become zero, as
// in the instructions of AVX512_BF16, and NaN stays NaN. Products take pairs: words of 32 bits with
// the earlier of two numbers in the lower half.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// The bits of x rounded: a float whose lower half is zero.
FC_INLINE vi rounded(vf x) {
  const vi bits = (vi)x, size = bits & 0x7fffffff;
  const vi near = bits + 0x7fff + ((bits >> 16) & 1);
  const vi tiny = size < 0x00800000, nan = size > 0x7f800000;
  const vi number = tiny ? bits & static_cast<std::int32_t>(0x80000000) : near;
  return (nan ? bits | 0x00400000 : number) & static_cast<std::int32_t>(0xffff0000);
}

#if defined(__AVX512BF16__)

// Pairs of the lanes of two vectors.
FC_INLINE vi pairs(vf even, vf odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const auto halves = (__m512i)_mm512_cvtne2ps_pbh((__m512)odd, (__m512)even);
  return (vi)_mm512_permutexvar_epi16(order, halves);
}
// Pairs of neighbours: of the first vector's lanes, then of the second's.
FC_INLINE vi neighbours(vf first, vf second) {
  return (vi)_mm512_cvtne2ps_pbh((__m512)second, (__m512)first);
}

#else

FC_INLINE vi pairs(vf even, vf odd) { return ((rounded(even) >> 16) & 0xffff) | rounded(odd); }
FC_INLINE vi neighbours(vf first, vf second) {
  const vi a = rounded(first), b = rounded(second);
#if defined(__AVX512F__)
  const __m512i odd =
      _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                       25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return (vi)_mm512_permutex2var_epi16((__m512i)a, odd, (__m512i)b);
#elif defined(__AVX2__)
  const __m256i packed =
      _mm256_packus_epi32(_mm256_srli_epi32((__m256i)a, 16), _mm256_srli_epi32((__m256i)b, 16));
  return (vi)_mm256_permute4x64_epi64(packed, 0xd8);
#elif defined(__aarch64__)
  return (vi)vuzp2q_u16((uint16x8_t)a, (uint16x8_t)b);
#else
  return (vi)_mm_packus_epi32(_mm_srli_epi32((__m128i)a, 16), _mm_srli_epi32((__m128i)b, 16));
#endif
}

#endif

// A pair for all lanes, from where it is kept in the place of a float.
template <int W = kWidth>
FC_INLINE typename VecOf<W>::i32 splat_pair(const float* p) {
  std::int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word - typename VecOf<W>::i32{};
}
template <int W = kWidth>
FC_INLINE typename VecOf<W>::i32 load_pairs(const float* p) {
  return *reinterpret_cast<const typename VecOf<W>::i32_memory*>(p);
}
FC_INLINE void store_pairs(float* p, vi pairs) {
  *reinterpret_cast<VecOf<kWidth>::i32_memory*>(p) = pairs;
}

// The first half of what neighbours() makes: kWidth numbers side by side.
FC_INLINE void store_halves(std::uint16_t* p, vf v) {
#if defined(__AVX512BF16__)
  const auto halves = (__m256i)_mm512_cvtneps_pbh((__m512)v);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
#else
  const vi words = neighbours(v, v);
  __builtin_memcpy(p, &words, kWidth * sizeof *p);
#endif
}

// sum + a.odd * b.odd, rounded, + a.even * b.even, rounded: products of two bfloat16 are exact.
template <int W = kWidth>
FC_INLINE typename VecOf<W>::f32 add_products(typename VecOf<W>::f32 sum, typename VecOf<W>::i32 a,
                                              typename VecOf<W>::i32 b) {
  using V = typename VecOf<W>::f32;
#if defined(__AVX512BF16__)
  if constexpr (W == 16) return (V)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
  if constexpr (W == 8) return (V)_mm256_dpbf16_ps((__m256)sum, (__m256bh)a, (__m256bh)b);
#else
  constexpr auto kUpper = static_cast<std::int32_t>(0xffff0000);
  sum += (V)(a & kUpper) * (V)(b & kUpper);
  return sum + (V)(a << 16) * (V)(b << 16);
#endif
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

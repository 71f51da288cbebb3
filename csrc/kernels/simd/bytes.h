// Vectors of int32 in memory as bytes. The compiler's own conversions of these go through scalars.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

template <int W>
FC_INLINE typename VecOf<W>::i32 load_bytes(const std::uint8_t* p) {
  if constexpr (W == 1) {
    return typename VecOf<1>::i32{*p};
#if defined(__AVX512F__)
  } else if constexpr (W == 16) {
    return (VecOf<16>::i32)_mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128((const __m128i*)p));
#endif
#if defined(__AVX2__)
  } else if constexpr (W == 8) {
    return (VecOf<8>::i32)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#endif
  } else {
    static_assert(W == 4);
    std::uint32_t word;
    __builtin_memcpy(&word, p, 4);
#if defined(__aarch64__)
    const uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(word));
    return (VecOf<4>::i32)vmovl_u16(vget_low_u16(vmovl_u8(bytes)));
#else
    return (VecOf<4>::i32)_mm_cvtepu8_epi32(_mm_cvtsi32_si128(static_cast<int>(word)));
#endif
  }
}

// Elements must be from 0 to 255.
template <int W>
FC_INLINE void store_bytes(std::uint8_t* p, typename VecOf<W>::i32 v) {
  if constexpr (W == 1) {
    *p = static_cast<std::uint8_t>(v[0]);
#if defined(__AVX512F__)
  } else if constexpr (W == 16) {
    _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtepi32_epi8(0xFFFF, (__m512i)v));
#endif
#if defined(__AVX2__)
  } else if constexpr (W == 8) {
    const __m128i low = _mm256_castsi256_si128((__m256i)v);
    const __m128i high = _mm256_extracti128_si256((__m256i)v, 1);
    const __m128i words = _mm_packus_epi32(low, high);
    _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(words, words));
#endif
  } else {
    static_assert(W == 4);
#if defined(__aarch64__)
    const uint16x4_t words = vmovn_u32((uint32x4_t)v);
    const std::uint32_t word =
        vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
#else
    const __m128i words = _mm_packus_epi32((__m128i)v, (__m128i)v);
    const auto word = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_packus_epi16(words, words)));
#endif
    __builtin_memcpy(p, &word, 4);
  }
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

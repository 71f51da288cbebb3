// Loads and stores of the first n floats of a vector, 0 <= n <= kWidth. Lanes that are not loaded
// are 0, and memory beyond is not touched.
#pragma once

#include "kernels/simd/vec.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace fastconv::FASTCONV_ISA {
namespace {

#if defined(__AVX512F__)
FC_INLINE vf load_first(const float* p, index_t n) {
  return (vf)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
}
FC_INLINE void store_first(float* p, vf v, index_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
}
#elif defined(__AVX2__)
FC_INLINE __m256i first_lanes(index_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FC_INLINE vf load_first(const float* p, index_t n) {
  return (vf)_mm256_maskload_ps(p, first_lanes(n));
}
FC_INLINE void store_first(float* p, vf v, index_t n) {
  _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
}
#else
FC_INLINE vf load_first(const float* p, index_t n) {
  switch (n) {
    case 0:
      return vf{};
    case 1:
      return vf{p[0]};
    case 2:
      return vf{p[0], p[1]};
    case 3:
      return vf{p[0], p[1], p[2]};
    default:
      return load(p);
  }
}
FC_INLINE void store_first(float* p, vf v, index_t n) {
  if (n == kWidth) return store(p, v);
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
}
#endif

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

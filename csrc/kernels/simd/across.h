// Reductions across the lanes of one vector, by halves.
#pragma once

#include <utility>

#include "kernels/simd/math.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// Lane i of the result is lane i + step of v, around the end.
template <int Step, class V, int... I>
FC_INLINE V rotated(V v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, ((I + Step) % kWidth)...);
}

// f combines two vectors; all lanes of the result are alike where f is commutative.
template <int Step = kWidth / 2, class V, class F>
FC_INLINE V across(V v, const F& f) {
  if constexpr (Step == 0) {
    return v;
  } else {
    constexpr std::make_integer_sequence<int, kWidth> kLanes{};
    return across<Step / 2>(f(v, rotated<Step>(v, kLanes)), f);
  }
}

FC_INLINE float across_sum(vf v) {
  return across(v, [](vf a, vf b) { return a + b; })[0];
}
FC_INLINE float across_max(vf v) { return across(v, math::larger)[0]; }
FC_INLINE std::int32_t across_min(vi v) {
  return across(v, [](vi a, vi b) { return a < b ? a : b; })[0];
}

FC_INLINE bool any(vi mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_ps((__m128)mask) != 0;
#elif defined(__aarch64__)
  return vmaxvq_u32((uint32x4_t)mask) != 0;
#endif
}

FC_INLINE vi lane_numbers() {
  vi lane{};
  for (int i = 0; i < kWidth; ++i) lane[i] = i;
  return lane;
}
// The first n lanes of x, and `other` in the rest.
FC_INLINE vf first_lanes_of(vf x, index_t n, float other) {
  return lane_numbers() < static_cast<std::int32_t>(n) ? x : splat(other);
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

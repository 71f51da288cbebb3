// Transposes of kWidth x kWidth blocks in registers.
#pragma once

#include <utility>

#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

template <int... I>
FC_INLINE vf interleave_low(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / 2 + (I & 1) * kWidth)...);
}
template <int... I>
FC_INLINE vf interleave_high(vf a, vf b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (kWidth / 2 + I / 2 + (I & 1) * kWidth)...);
}

// log2(kWidth) rounds of interleaving row i with row i + kWidth / 2.
FC_INLINE void transpose(vf (&a)[kWidth]) {
  constexpr std::make_integer_sequence<int, kWidth> kLanes{};
  FC_UNROLL for (int round = 1; round < kWidth; round *= 2) {
    vf b[kWidth];
    FC_UNROLL for (int i = 0; i < kWidth / 2; ++i) {
      b[2 * i] = interleave_low(a[i], a[i + kWidth / 2], kLanes);
      b[2 * i + 1] = interleave_high(a[i], a[i + kWidth / 2], kLanes);
    }
    FC_UNROLL for (int i = 0; i < kWidth; ++i) a[i] = b[i];
  }
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

// Philox4x32-10 on kWidth neighbouring blocks side by side (see runtime/random.h). Even
// and odd lanes run as two vectors of 64-bit lanes, whose upper halves never matter.
#pragma once

#include "kernels/simd/vec.h"
#include "runtime/random.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fastconv::FASTCONV_ISA {
namespace {

typedef std::uint64_t vq __attribute__((vector_size(kWidth * 4)));
typedef std::uint32_t vu __attribute__((vector_size(kWidth * 4)));

// The product of the lower halves of each 64-bit lane.
FC_INLINE vq multiply_low(vq a, vq b) {
#if defined(__AVX512F__)
  return (vq)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (vq)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (vq)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  return (vq)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#endif
}

struct PhiloxKey {
  std::uint64_t seed, step;
  std::uint32_t stream;
};

struct PhiloxState {
  vq c0, c1, c2, c3;
  FC_INLINE void round(std::uint32_t k0, std::uint32_t k1) {
    const vq p0 = multiply_low(c0, kPhiloxM0 - vq{}), p1 = multiply_low(c2, kPhiloxM1 - vq{});
    c0 = (p1 >> 32) ^ c1 ^ k0;
    c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ k1;
    c3 = p0;
  }
};

struct PhiloxWords {
  vu word[4];
};

FC_INLINE PhiloxWords philox(const PhiloxKey& key, std::uint32_t first_block) {
  vq lane;
  for (int i = 0; i < kWidth / 2; ++i) lane[i] = 2 * static_cast<std::uint64_t>(i);
  const vq c1 = key.stream - vq{}, c2 = (key.step & 0xffffffffu) - vq{},
           c3 = (key.step >> 32) - vq{};
  PhiloxState even{lane + first_block, c1, c2, c3}, odd{lane + first_block + 1, c1, c2, c3};
  std::uint32_t k0 = static_cast<std::uint32_t>(key.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(key.seed >> 32);
  FC_UNROLL
  for (int i = 0; i < 10; ++i) {
    even.round(k0, k1);
    odd.round(k0, k1);
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
  const auto merge = [](vq e, vq o) { return (vu)((e & 0xffffffffu) | (o << 32)); };
  return {{merge(even.c0, odd.c0), merge(even.c1, odd.c1), merge(even.c2, odd.c2),
           merge(even.c3, odd.c3)}};
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

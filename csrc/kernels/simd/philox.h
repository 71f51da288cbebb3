// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// counter-based, so that a number depends on (seed, step, stream, position) alone. The key is the
// seed, the counter (block, stream, step low, step high).
//
// Which word belongs to which element is laid out for vectors: 16 neighbouring blocks are computed
// side by side, and word w of the 16 blocks is a run of 16 neighbouring elements. With 32 bits
// an element (random_uniform, random_normal), 16 blocks make 64 elements:
//
//   element i = 64 g + 16 w + l          is word w (0..3) of block 16 g + l, l = 0..15
//
// Dropout takes 16 bits an element, so 16 blocks make 128 elements, low halves before high halves:
//
//   element i = 128 g + 32 w + 16 h + l  is half h (0 low, 1 high) of word w of block 16 g + l
//
// and keeps the element if half >= round(65536 rate), rounded to nearest (ties to even).
// The kept value is x * float32(1 / (1 - rate)), the others are +0.
//
// random_normal makes pairs by Box-Muller from words (0, 1) and from words (2, 3) of a block:
// with u = 1 - uniform(first word), a = 2 pi uniform(second word), the element of the first
// word is sqrt(-2 log u) cos a and the element of the second is sqrt(-2 log u) sin a.
//
// Here kWidth neighbouring blocks run side by side, even and odd lanes as two vectors of 64-bit
// lanes, whose upper halves never matter.
#pragma once

#include "kernels/simd/vec.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr std::uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;
constexpr std::uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;

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

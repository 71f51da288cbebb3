// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011):
// counter-based, so that a number depends on (seed, step, stream, position) alone.
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
#pragma once

#include <cstdint>

namespace fastconv {

struct Philox4 {
  std::uint32_t word[4];
};

constexpr std::uint32_t kPhiloxM0 = 0xD2511F53, kPhiloxM1 = 0xCD9E8D57;
constexpr std::uint32_t kPhiloxW0 = 0x9E3779B9, kPhiloxW1 = 0xBB67AE85;

// Key: seed. Counter: (block, stream, step low, step high).
constexpr Philox4 philox(std::uint64_t seed, std::uint32_t block, std::uint32_t stream,
                         std::uint64_t step) {
  std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  std::uint32_t c0 = block, c1 = stream, c2 = static_cast<std::uint32_t>(step),
                c3 = static_cast<std::uint32_t>(step >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kPhiloxM0) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(kPhiloxM1) * c2;
    c0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(p1);
    c2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(p0);
    k0 += kPhiloxW0;
    k1 += kPhiloxW1;
  }
  return {{c0, c1, c2, c3}};
}

// A uniform number in [0, 1) with 24 bits.
constexpr float uniform(std::uint32_t word) {
  return static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
}

}  // namespace fastconv

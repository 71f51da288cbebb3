#include "kernels/random.h"

#include "kernels/simd/math.h"
#include "kernels/simd/philox.h"

namespace fastconv::FASTCONV_ISA {
namespace {

FC_INLINE vf uniform_of(vu word) { return math::to_float((vi)(word >> 8)) * (1.0f / 16777216.0f); }

struct Uniform {
  static FC_INLINE void of(vf (&x)[4], const PhiloxWords& words) {
    FC_UNROLL
    for (int w = 0; w < 4; ++w) x[w] = uniform_of(words.word[w]);
  }
};

struct Normal {
  static FC_INLINE void of(vf (&x)[4], const PhiloxWords& words) {
    FC_UNROLL
    for (int w = 0; w < 4; w += 2) {
      const vf radius = math::sqrt(-2.0f * math::log(1.0f - uniform_of(words.word[w])));
      // The angle is 2 pi u: whole quarters of a turn, and the rest, exactly.
      const vf turns = uniform_of(words.word[w + 1]);
      const vf quarters = math::nearest(4.0f * turns);
      const vf rest = (turns - 0.25f * quarters) * 6.28318530718f;
      const vi quadrant = math::to_int(quarters);
      x[w] = radius * math::sin_quadrant(rest, quadrant + 1);
      x[w + 1] = radius * math::sin_quadrant(rest, quadrant);
    }
  }
};

// The 64 elements of 16 blocks.
template <class Distribution>
FC_INLINE void group_of(float* out, std::uint32_t group, const PhiloxKey& key) {
  for (int lane = 0; lane < 16; lane += kWidth) {
    vf x[4];
    Distribution::of(x, philox(key, 16 * group + lane));
    FC_UNROLL
    for (int w = 0; w < 4; ++w) store(out + 16 * w + lane, x[w]);
  }
}

template <class Distribution>
void generate(float* out, std::int64_t index, index_t n, const RandomArgs& args) {
  const PhiloxKey key{args.seed, args.step, args.stream};
  index_t i = 0;
  while (i < n) {
    const index_t phase = (index + i) % 64;
    const auto group = static_cast<std::uint32_t>((index + i) / 64);
    if (phase == 0 && n - i >= 64) {
      group_of<Distribution>(out + i, group, key);
      i += 64;
    } else {
      const index_t count = n - i < 64 - phase ? n - i : 64 - phase;
      float block[64];
      group_of<Distribution>(block, group, key);
      __builtin_memcpy(out + i, block + phase, count * sizeof(float));
      i += count;
    }
  }
}

}  // namespace

void fill(RandomKernels& k) {
  k.uniform = generate<Uniform>;
  k.normal = generate<Normal>;
}

}  // namespace fastconv::FASTCONV_ISA

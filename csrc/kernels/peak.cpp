#include "kernels/peak.h"

#include "kernels/simd/vec.h"

// The inline assembler's name for a vector register.
#if defined(__aarch64__)
#define FC_VECTOR_CONSTRAINT(v) "+w"(v)
#else
#define FC_VECTOR_CONSTRAINT(v) "+v"(v)
#endif

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr int kChains = kRegisters == 32 ? 24 : 12;  // more than latency times issue width

std::int64_t multiply_add(std::int64_t rounds, float* sink) {
  vf acc[kChains];
  FC_UNROLL for (int i = 0; i < kChains; ++i) acc[i] = splat(1.0f + static_cast<float>(i));
  vf a = splat(0.999f), b = splat(1e-3f);
  for (std::int64_t r = 0; r < rounds; ++r) {
    asm volatile("" : FC_VECTOR_CONSTRAINT(a), FC_VECTOR_CONSTRAINT(b));
    FC_UNROLL for (int i = 0; i < kChains; ++i) acc[i] = acc[i] * a + b;
  }
  vf sum = acc[0];
  FC_UNROLL for (int i = 1; i < kChains; ++i) sum += acc[i];
  for (int i = 0; i < kWidth; ++i) *sink += sum[i];
  return rounds * kChains * kWidth * 2;
}

float read(const float* data, std::int64_t count) {
  vf acc[8] = {};
  std::int64_t i = 0;
  for (; i + 8 * kWidth <= count; i += 8 * kWidth)
    FC_UNROLL for (int j = 0; j < 8; ++j) acc[j] += load(data + i + j * kWidth);
  float total = 0;
  for (int j = 0; j < 8; ++j)
    for (int k = 0; k < kWidth; ++k) total += acc[j][k];
  for (; i < count; ++i) total += data[i];
  return total;
}

}  // namespace

void fill(PeakKernels& k);
void fill(PeakKernels& k) { k = {multiply_add, read}; }

}  // namespace fastconv::FASTCONV_ISA

#include "kernels/winograd_products.h"

namespace fastconv::FASTCONV_ISA {
namespace {

struct Float {
  using Vector = vf;
  static constexpr index_t kNumbers = 1;
  FC_INLINE static vf load(const float* p) { return FASTCONV_ISA::load(p); }
  FC_INLINE static vf splat(const float* p) { return FASTCONV_ISA::splat(*p); }
  FC_INLINE static vf add_products(vf sum, vf a, vf b) { return sum + a * b; }
};

// One block of channels on either side: U stays in registers, all tiles pass by.
constexpr int kPassing = 8;  // tiles at a time
constexpr bool kHoldsWeights = kRegisters >= kWidth + kPassing + 1 && kWidth >= 16;

FC_INLINE void multiply_held(const float* v, const float* u, index_t count, float* m,
                             const char* soon, index_t lines) {
  vf b[kWidth];
  each<kWidth>([&](auto k) FC_LAMBDA { b[k] = load(u + k * L); });
  for (index_t t = 0; t < count; t += kPassing) {
    // The last tiles may be made twice.
    const index_t first = t + kPassing <= count ? t : count - kPassing;
    const float* a = v + first * L;
    vf acc[kPassing];
    fetch_lines(soon, lines);
    each<kPassing>([&](auto i) FC_LAMBDA { acc[i] = splat(a[i * L]) * b[0]; });
    each<kWidth - 1>([&](auto k) FC_LAMBDA {
      each<kPassing>([&](auto i) FC_LAMBDA { acc[i] += splat(a[i * L + k + 1]) * b[k + 1]; });
    });
    each<kPassing>([&](auto i) FC_LAMBDA { store(m + (first + i) * L, acc[i]); });
  }
}

void multiply(const WinogradTiles& v, const float* u, index_t u_plane, const WinogradTiles& m,
              index_t first, index_t last, index_t count, index_t channels, index_t out_channels,
              const Ahead& ahead) {
  if (!kHoldsWeights || channels != L || out_channels > L || count < kPassing) {
    multiply_tiles<Float>(v, u, u_plane, m, first, last, count, channels, out_channels, ahead);
    return;
  }
  const index_t steps = (count + kPassing - 1) / kPassing;
  Ahead left = ahead;
  left.share_out(last - first);
  for (index_t p = first; p < last; ++p) {
    const char* soon;
    const index_t lines = next_lines(left, steps, soon);
    multiply_held(v.data + p * v.plane, u + p * u_plane, count, m.data + p * m.plane, soon, lines);
  }
}

}  // namespace

void fill_products(WinogradKernels& k);
void fill_products(WinogradKernels& k) { k.products = {multiply, accumulate<Float>}; }

}  // namespace fastconv::FASTCONV_ISA

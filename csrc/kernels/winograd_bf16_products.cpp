#include "kernels/bf16.h"
#include "kernels/simd/bf16.h"
#include "kernels/winograd_products.h"

namespace fastconv::FASTCONV_ISA {
namespace {

struct Pair {
  using Vector = vi;
  static constexpr index_t kNumbers = 2;
  FC_INLINE static vi load(const float* p) { return load_pairs(p); }
  FC_INLINE static vi splat(const float* p) { return splat_pair(p); }
  FC_INLINE static vf add_products(vf sum, vi a, vi b) {
    return FASTCONV_ISA::add_products(sum, a, b);
  }
};

}  // namespace

void fill_winograd_bf16_products(Bf16Kernels& k);
void fill_winograd_bf16_products(Bf16Kernels& k) {
  k.winograd_products = {multiply_tiles<Pair>, accumulate<Pair>};
}

}  // namespace fastconv::FASTCONV_ISA

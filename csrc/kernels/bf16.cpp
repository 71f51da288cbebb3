// Operands of products in bfloat16.
#include "kernels/bf16.h"

#include "kernels/simd/bf16.h"
#include "kernels/simd/partial.h"
#include "kernels/simd/transpose.h"
#include "kernels/table.h"

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr index_t L = kWidth;

FC_INLINE index_t clamped(index_t lanes) { return lanes < 0 ? 0 : lanes < L ? lanes : L; }

// Up to 2 L neighbours from p on, zeros behind them.
FC_INLINE vi load_neighbours(const float* p, index_t count) {
  if (count >= 2 * L) return neighbours(load(p), load(p + L));
  const index_t second = clamped(count - L);
  return neighbours(load_first(p, clamped(count)), second > 0 ? load_first(p + L, second) : vf{});
}

void pack_rows(float* dst, index_t dst_stride, const float* src, index_t stride, index_t rows,
               index_t columns) {
  const index_t words = (columns + 1) / 2;
  for (index_t m = 0; m < rows; ++m, dst += dst_stride, src += stride) {
    index_t p = 0;
    for (; 2 * (p + L) <= columns; p += L)
      store_pairs(dst + p, load_neighbours(src + 2 * p, 2 * L));
    if (p < words)
      store_first(dst + p, (vf)load_neighbours(src + 2 * p, columns - 2 * p), words - p);
  }
}

void pack(float* dst, int width, const float* src, index_t stride, index_t rows, index_t columns) {
  for (index_t r = 0; r < rows; r += 2, dst += width, src += 2 * stride) {
    const float* next = src + stride;
    const bool both = r + 1 < rows;
    index_t j = 0;
    for (; j + L <= columns; j += L)
      store_pairs(dst + j, pairs(load(src + j), both ? load(next + j) : vf{}));
    for (; j < width; j += L) {
      const index_t lanes = clamped(columns - j);
      const vf odd = both && lanes > 0 ? load_first(next + j, lanes) : vf{};
      const vi words = pairs(lanes > 0 ? load_first(src + j, lanes) : vf{}, odd);
      store_first(dst + j, (vf)words, clamped(width - j));
    }
  }
}

void pack_transposed(float* dst, int width, const float* src, index_t stride, index_t rows,
                     index_t columns) {
  const index_t words = (rows + 1) / 2;
  for (index_t j = 0; j < width; j += L)
    for (index_t p = 0; p < words; p += L) {
      vf block[L];
      FC_UNROLL for (int i = 0; i < kWidth; ++i) block[i] =
          j + i < columns ? (vf)load_neighbours(src + (j + i) * stride + 2 * p, rows - 2 * p)
                          : vf{};
      transpose(block);
      const index_t depth = clamped(words - p), lanes = clamped(width - j);
      for (index_t i = 0; i < depth; ++i) store_first(dst + (p + i) * width + j, block[i], lanes);
    }
}

}  // namespace

void fill_bf16_tiles(GemmKernels& k);
void fill_winograd_bf16(Bf16Kernels& k);
void fill_winograd_bf16_products(Bf16Kernels& k);

void fill_bf16(KernelTable& t);
void fill_bf16(KernelTable& t) {
  t.bf16.pack_rows = pack_rows;
  t.bf16.pack = pack;
  t.bf16.pack_transposed = pack_transposed;
  fill_winograd_bf16(t.bf16);
  fill_winograd_bf16_products(t.bf16);
  fill_bf16_tiles(t.gemm);
}

}  // namespace fastconv::FASTCONV_ISA

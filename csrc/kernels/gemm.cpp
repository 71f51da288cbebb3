#include "kernels/gemm.h"

#include "kernels/simd/partial.h"
#include "kernels/simd/transpose.h"
#include "kernels/tile.h"

namespace fastconv::FASTCONV_ISA {
namespace {

void pack(float* dst, int width, const float* src, index_t stride, index_t rows, index_t columns) {
  if (width < kWidth) {
    for (index_t r = 0; r < rows; ++r, dst += width, src += stride)
      store_first(dst, load_first(src, columns), width);
    return;
  }
  const index_t whole = columns / kWidth * kWidth;
  for (index_t r = 0; r < rows; ++r, dst += width, src += stride) {
    index_t j = 0;
    for (; j < whole; j += kWidth) store(dst + j, load(src + j));
    if (j < columns) {
      store(dst + j, load_first(src + j, columns - j));
      j += kWidth;
    }
    for (; j < width; j += kWidth) store(dst + j, vf{});
  }
}

void pack_transposed(float* dst, int width, const float* src, index_t stride, index_t rows,
                     index_t columns) {
  index_t j = 0;
  for (; j + kWidth <= columns; j += kWidth) {
    const float* s = src + j * stride;
    index_t r = 0;
    for (; r + kWidth <= rows; r += kWidth) {
      vf block[kWidth];
      FC_UNROLL for (int i = 0; i < kWidth; ++i) block[i] = load(s + i * stride + r);
      transpose(block);
      FC_UNROLL for (int i = 0; i < kWidth; ++i) store(dst + (r + i) * width + j, block[i]);
    }
    for (; r < rows; ++r)
      for (int i = 0; i < kWidth; ++i) dst[r * width + j + i] = s[i * stride + r];
  }
  if (j == width) return;
  for (index_t r = 0; r < rows; ++r)
    for (index_t i = j; i < width; ++i)
      dst[r * width + i] = i < columns ? src[i * stride + r] : 0.0f;
}

FC_INLINE void set_zero(float* dst, index_t count) {
  for (index_t i = 0; i < count; i += kWidth)
    store_first(dst + i, vf{}, count - i < kWidth ? count - i : kWidth);
}

void pad(float* dst, const float* src, index_t stride, index_t rows, index_t before, index_t count,
         index_t after) {
  for (index_t r = 0; r < rows; ++r, src += stride) {
    set_zero(dst, before);
    dst += before;
    index_t i = 0;
    for (; i + kWidth <= count; i += kWidth) store(dst + i, load(src + i));
    if (i < count) store_first(dst + i, load_first(src + i, count - i), count - i);
    dst += count;
    set_zero(dst, after);
    dst += after;
  }
}

void add(float* dst, const float* src, index_t count) {
  index_t i = 0;
  for (; i + kWidth <= count; i += kWidth) store(dst + i, load(dst + i) + load(src + i));
  if (i < count)
    store_first(dst + i, load_first(dst + i, count - i) + load_first(src + i, count - i),
                count - i);
}

}  // namespace

void fill(GemmKernels& k) {
  constexpr int kNarrow = kWidth > 8 ? kWidth / 2 : kWidth;
  k.vector = kWidth;
  k.quad.width = 4 * kWidth;
  k.pair.width = 2 * kWidth;
  k.single.width = kWidth;
  k.narrow.width = kNarrow;
  k.quad.max_rows = max_rows(4);
  k.pair.max_rows = max_rows(2);
  k.single.max_rows = k.narrow.max_rows = max_rows(1);
  fill_row_tiles(k);
  fill_clipped_tiles(k);
  fill_column_tiles(k);
  k.pack = pack;
  k.pack_transposed = pack_transposed;
  k.pad = pad;
  k.add = add;
}

}  // namespace fastconv::FASTCONV_ISA

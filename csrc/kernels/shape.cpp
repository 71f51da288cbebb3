#include "kernels/shape.h"

#include "kernels/simd/partial.h"
#include "kernels/simd/transpose.h"

namespace fastconv::FASTCONV_ISA {
namespace {

void copy_rows(float* out, index_t out_stride, const float* in, index_t in_stride, index_t rows,
               index_t columns) {
  if (columns >= 256) {
    for (index_t r = 0; r < rows; ++r, out += out_stride, in += in_stride)
      __builtin_memcpy(out, in, static_cast<std::size_t>(columns) * sizeof(float));
    return;
  }
  for (index_t r = 0; r < rows; ++r, out += out_stride, in += in_stride) {
    index_t c = 0;
    for (; c + kWidth <= columns; c += kWidth) store(out + c, load(in + c));
    if (c < columns) store_first(out + c, load_first(in + c, columns - c), columns - c);
  }
}

void transpose_tile(float* out, index_t out_stride, const float* in, index_t in_stride,
                    index_t rows, index_t columns) {
  for (index_t r = 0; r < rows; ++r)
    for (index_t c = 0; c < columns; ++c) out[r * out_stride + c] = in[c * in_stride + r];
}

// Squares of vectors in registers. Rows of the output are taken in strips, so that the lines of
// the input that a strip reads stay in the cache along the columns.
void transpose_plane(float* out, index_t out_stride, const float* in, index_t in_stride,
                     index_t rows, index_t columns) {
  index_t r = 0;
  for (; r + kWidth <= rows; r += kWidth) {
    index_t c = 0;
    for (; c + kWidth <= columns; c += kWidth) {
      vf block[kWidth];
      FC_UNROLL for (int i = 0; i < kWidth; ++i) block[i] = load(in + (c + i) * in_stride + r);
      transpose(block);
      FC_UNROLL for (int i = 0; i < kWidth; ++i) store(out + (r + i) * out_stride + c, block[i]);
    }
    transpose_tile(out + r * out_stride + c, out_stride, in + c * in_stride + r, in_stride, kWidth,
                   columns - c);
  }
  transpose_tile(out + r * out_stride, out_stride, in + r, in_stride, rows - r, columns);
}

}  // namespace

void fill(ShapeKernels& k) {
  k.copy_rows = copy_rows;
  k.transpose = transpose_plane;
}

}  // namespace fastconv::FASTCONV_ISA

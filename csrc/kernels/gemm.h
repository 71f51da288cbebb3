// Register tiles of C = A B, the one inner loop of dense layers and of direct convolutions.
#pragma once

#include <cstddef>

#include "kernels/ahead.h"

namespace fastconv {

// One tile: `rows` x one panel of columns. Over all segments (i, j) and steps k,
//   C[m][:] = max(floor, base[m][:] + sum A_ij(m, k) * B_ij(k, :))
// where A_ij(m, k) is a[i * a_outer + j * a_inner + m * a_stride + k], or with the `columns` tiles
// [... + m + k * a_stride], and B_ij(k, :) starts at b[i * b_outer + j * b_inner + k * b_stride].
// Where `mask` (laid out like C) is given, C is 0 at every element whose mask is not positive.
// A call makes `tiles` tiles, each `rows` rows further down in A, C and the mask.
struct TileCall {
  const float *a, *b;
  std::ptrdiff_t a_stride, b_stride;
  std::ptrdiff_t outer, a_outer, b_outer, inner, a_inner, b_inner, depth;
  const float* base;           // null: 0
  std::ptrdiff_t base_stride;  // 0: one row for all, padded to the panel's width
  float* c;
  std::ptrdiff_t c_stride, columns;  // columns <= the panel's width are stored
  float floor;
  const float* mask;
  std::ptrdiff_t tiles;
  // Clipped tiles only: row m of segment (i, j) takes part where
  // 0 <= first + m * step + j * inner_step < limit; at most two rows are outside.
  std::ptrdiff_t first, step, inner_step, limit;
  Ahead* ahead;  // null, or what to fetch meanwhile; not by clipped tiles
};
using TileFn = void (*)(const TileCall&);

// The tiles of one panel width: function [r - 1] makes r rows.
struct TileSet {
  int width, max_rows;
  const TileFn *rows, *clipped, *columns;
  // The same on A and B of pairs of bfloat16, in words of the size of a float; see bf16.h.
  const TileFn *pair_rows, *pair_columns;
};

struct GemmKernels {
  int vector;                          // floats in a vector
  TileSet quad, pair, single, narrow;  // panels of four, two, one and (if it pays) half a vector
  // dst[r][j] = src[r * stride + j], zero for columns <= j < width.
  void (*pack)(float* dst, int width, const float* src, std::ptrdiff_t stride, std::ptrdiff_t rows,
               std::ptrdiff_t columns);
  // dst[r][j] = src[j * stride + r], zero for columns <= j < width.
  void (*pack_transposed)(float* dst, int width, const float* src, std::ptrdiff_t stride,
                          std::ptrdiff_t rows, std::ptrdiff_t columns);
  // Rows of `count` floats between `before` and `after` zeros: row r of src is at src + r * stride,
  // rows of dst are packed.
  void (*pad)(float* dst, const float* src, std::ptrdiff_t stride, std::ptrdiff_t rows,
              std::ptrdiff_t before, std::ptrdiff_t count, std::ptrdiff_t after);
  // dst += src
  void (*add)(float* dst, const float* src, std::ptrdiff_t count);
};

}  // namespace fastconv

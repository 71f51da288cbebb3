// Operands of products in bfloat16: pairs of numbers that follow each other along the sum, in the
// place of one float. What is missing at the end of a sum of odd length is zero.
#pragma once

#include <cstddef>

#include "kernels/winograd.h"

namespace fastconv {

struct Bf16Kernels {
  // dst[m * dst_stride + p] = (src[m * stride + 2 p], src[m * stride + 2 p + 1])
  void (*pack_rows)(float* dst, std::ptrdiff_t dst_stride, const float* src, std::ptrdiff_t stride,
                    std::ptrdiff_t rows, std::ptrdiff_t columns);
  // dst[p * width + j] = (src[2 p * stride + j], src[(2 p + 1) * stride + j]), zero for
  // columns <= j < width.
  void (*pack)(float* dst, int width, const float* src, std::ptrdiff_t stride, std::ptrdiff_t rows,
               std::ptrdiff_t columns);
  // dst[p * width + j] = (src[j * stride + 2 p], src[j * stride + 2 p + 1]), zero for
  // columns <= j < width.
  void (*pack_transposed)(float* dst, int width, const float* src, std::ptrdiff_t stride,
                          std::ptrdiff_t rows, std::ptrdiff_t columns);
  // Winograd's algorithm with V, Z and U of such pairs; M, dU and all sums are float32. Layouts are
  // those of winograd.h, save that
  //   V of a convolution has pairs of channels: half as many floats,
  //   U has pairs of rows: half as many,
  //   V and Z of a weight gradient have pairs of tiles, each row of tiles_x made even by a zero;
  //   accumulate counts these pairs.
  WinogradSet winograd_f4, winograd_f4_weight_grad;
  WinogradProducts winograd_products;
};

}  // namespace fastconv

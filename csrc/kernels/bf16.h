// Operands of products in bfloat16: pairs of numbers that follow each other along the sum, in the
// place of one float. What is missing at the end of a sum of odd length is zero.
#pragma once

#include <cstddef>

namespace fastconv {

struct WinogradSet;
struct WinogradProducts;

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
  const WinogradSet* winograd_f4;  // see winograd_bf16.h
  const WinogradProducts* winograd_products;
};

}  // namespace fastconv

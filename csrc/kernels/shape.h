// Kernels that move elements of four bytes (float32, int32), as floats.
#pragma once

#include <cstddef>

namespace fastconv {

struct ShapeKernels {
  // out[r * out_stride + c] = in[r * in_stride + c]
  void (*copy_rows)(float* out, std::ptrdiff_t out_stride, const float* in,
                    std::ptrdiff_t in_stride, std::ptrdiff_t rows, std::ptrdiff_t columns);
  // out[r * out_stride + c] = in[c * in_stride + r]
  void (*transpose)(float* out, std::ptrdiff_t out_stride, const float* in,
                    std::ptrdiff_t in_stride, std::ptrdiff_t rows, std::ptrdiff_t columns);
};

}  // namespace fastconv

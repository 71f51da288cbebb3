// Kernels of reductions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

enum class ReduceCode : std::uint8_t { sum, max, min, prod };
constexpr int kReduceCodes = 4;

// Sums are blocked: an error grows with the logarithm of the length more than with the length. A
// NaN wins a maximum and a minimum. The order of the operations depends on the sizes alone.
struct ReduceKernels {
  // n >= 1 contiguous floats.
  float (*row[kReduceCodes])(const float* in, std::ptrdiff_t n);
  // out[j] = reduction of in[i * stride + j] over rows i; rows >= 1.
  void (*rows[kReduceCodes])(float* out, const float* in, std::ptrdiff_t rows,
                             std::ptrdiff_t stride, std::ptrdiff_t columns);

  // Positions of the first extreme, or of the first NaN; n >= 1.
  std::int32_t (*argmax)(const float* in, std::ptrdiff_t n);
  std::int32_t (*argmin)(const float* in, std::ptrdiff_t n);
  // out[j] = the position i of the extreme of in[i * stride + j].
  void (*argmax_rows)(std::int32_t* out, const float* in, std::ptrdiff_t rows,
                      std::ptrdiff_t stride, std::ptrdiff_t columns);
  void (*argmin_rows)(std::int32_t* out, const float* in, std::ptrdiff_t rows,
                      std::ptrdiff_t stride, std::ptrdiff_t columns);
};

}  // namespace fastconv

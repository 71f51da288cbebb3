// Convolutions of every channel with a filter of its own: vectors run along channels.
#pragma once

#include <cstddef>

namespace fastconv {

// For `pixels` output pixels and all channels,
//   y[u][c] = max(floor, base[c] + sum over i < rows, j < taps of x_ij[u][c] * w_ij[c])
// with x_ij[u] at x + i * x_row + j * x_tap + u * x_pixel, w_ij at w + i * w_row + j * w_tap. Where
// `mask` (laid out like y) is given, y is 0 at every element whose mask is not positive.
struct DepthwiseCall {
  std::ptrdiff_t channels, pixels, rows, taps;
  const float* x;
  std::ptrdiff_t x_row, x_tap, x_pixel;
  const float* w;
  std::ptrdiff_t w_row, w_tap;
  const float* base;  // null: 0
  float floor;
  const float* mask;
  float* y;
  std::ptrdiff_t y_pixel;
};

struct DepthwiseKernels {
  void (*convolve)(const DepthwiseCall& call);
  // sums[c] += sum over `pixels` of a[u][c] * b[u][c], strides between pixels given.
  void (*correlate)(const float* a, std::ptrdiff_t a_pixel, const float* b, std::ptrdiff_t b_pixel,
                    std::ptrdiff_t pixels, std::ptrdiff_t channels, float* sums);
  // sums[c] += sum over `pixels` of a[u][c]
  void (*sum)(const float* a, std::ptrdiff_t a_pixel, std::ptrdiff_t pixels,
              std::ptrdiff_t channels, float* sums);
};

}  // namespace fastconv

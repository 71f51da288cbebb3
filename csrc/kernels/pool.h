// Pooling of one image, a row at a time.
#pragma once

#include <cstdint>

namespace fastconv {

struct PoolShape {
  std::int64_t height, width, channels, out_height, out_width;
  std::int64_t pool_y, pool_x, stride_y, stride_x, top, left;
  const float* reciprocal;  // [n] = 1 / n, for n up to pool_y * pool_x
};

struct PoolKernels {
  // Output row `oy` of an image. NaN wins, and the first of equals. `index` is the row-major
  // position of the maximum in its window.
  void (*max_u8)(const PoolShape& s, const float* image, std::int64_t oy, float* y,
                 std::uint8_t* index);
  void (*max_i32)(const PoolShape& s, const float* image, std::int64_t oy, float* y,
                  std::int32_t* index);
  void (*average)(const PoolShape& s, const float* image, std::int64_t oy, float* y);

  // Input row `iy` of the gradient of an image, from the output rows that cover it.
  void (*max_grad_u8)(const PoolShape& s, const float* dy, const std::uint8_t* index,
                      std::int64_t iy, float* dx);
  void (*max_grad_i32)(const PoolShape& s, const float* dy, const std::int32_t* index,
                       std::int64_t iy, float* dx);
  void (*average_grad)(const PoolShape& s, const float* dy, std::int64_t iy, float* dx);
};

}  // namespace fastconv

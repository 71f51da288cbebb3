#include "ops/pixel_classes.h"

#include <algorithm>
#include <numeric>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

// The i >= 0 below `count` with 0 <= first + i * step < size.
Part inside(std::int64_t first, std::int64_t step, std::int64_t count, std::int64_t size) {
  const std::int64_t low = first < 0 ? std::min(count, ceil_div(-first, step)) : 0;
  const std::int64_t high = size > first ? ceil_div(size - first, step) : 0;
  return {low, std::max(low, std::min(count, high))};
}

// The input positions congruent to `phase` modulo the stride: those taps k with
// phase + before - k * dilation a multiple of the stride reach them.
Axis gradient_axis(std::int64_t phase, std::int64_t size, std::int64_t kernel, std::int64_t stride,
                   std::int64_t dilation, std::int64_t before) {
  const std::int64_t common = std::gcd(stride, dilation), period = stride / common;
  std::int64_t first = 0;
  const std::int64_t candidates = std::min(period, kernel);
  while (first < candidates && (phase + before - first * dilation) % stride != 0) ++first;
  const bool reached = first < candidates;
  const std::int64_t taps = reached ? ceil_div(kernel - first, period) : 0;
  const std::int64_t step = dilation / common;
  const std::int64_t origin =
      reached ? (phase + before - first * dilation) / stride - (taps - 1) * step : 0;
  return {.count = phase < size ? ceil_div(size - phase, stride) : 0,
          .out_first = phase,
          .out_step = stride,
          .origin = origin,
          .stride = 1,
          .taps = taps,
          .step = step,
          .weight_first = first + (taps - 1) * period,
          .weight_step = -period};
}

}  // namespace

Part Axis::taps_inside(std::int64_t u, std::int64_t size) const {
  return inside(origin + u * stride, step, taps, size);
}

Part Axis::positions_inside(std::int64_t j, std::int64_t size) const {
  return inside(origin + j * step, stride, count, size);
}

std::vector<PixelClass> pixel_classes(const Convolution& c, bool gradient) {
  if (!gradient)
    return {{{c.out_height, 0, 1, -c.top, c.stride_y, c.kernel_y, c.dilation_y, 0, 1},
             {c.out_width, 0, 1, -c.left, c.stride_x, c.kernel_x, c.dilation_x, 0, 1}}};
  const std::int64_t rows = std::clamp<std::int64_t>(c.height, 1, c.stride_y);
  const std::int64_t columns = std::clamp<std::int64_t>(c.width, 1, c.stride_x);
  std::vector<PixelClass> classes;
  for (std::int64_t y = 0; y < rows; ++y)
    for (std::int64_t x = 0; x < columns; ++x)
      classes.push_back({gradient_axis(y, c.height, c.kernel_y, c.stride_y, c.dilation_y, c.top),
                         gradient_axis(x, c.width, c.kernel_x, c.stride_x, c.dilation_x, c.left)});
  return classes;
}

void PaddedRows::copy(const float* from, Part rows, float* to) const {
  const std::int64_t stride = width * channels;
  from += rows.begin * stride;
  if (depth == channels) {
    kernels().gemm.pad(to, from, stride, rows.size(), left * depth, stride, right * depth);
    return;
  }
  for (std::int64_t y = 0; y < rows.size(); ++y, from += stride) {
    std::fill_n(to, left * depth, 0.0f);
    to += left * depth;
    for (std::int64_t x = 0; x < width; ++x, to += depth)
      std::copy_n(from + x * channels, depth, to);
    std::fill_n(to, right * depth, 0.0f);
    to += right * depth;
  }
}

}  // namespace fastconv

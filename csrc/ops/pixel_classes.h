// Which source pixels a row or column of results reads, in both directions of a convolution.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/convolution.h"

namespace fastconv {

// One dimension of a class of result positions. Position u < count is out_first + u * out_step of
// the result; its tap j < taps reads source position origin + u * stride + j * step, with the
// weights of kernel position weight_first + j * weight_step.
struct Axis {
  std::int64_t count, out_first, out_step, origin, stride, taps, step, weight_first, weight_step;

  std::int64_t last_read() const { return origin + (count - 1) * stride + (taps - 1) * step; }
};

struct PixelClass {
  Axis y, x;
};

// Forward there is one class. The gradient of the input has one for each phase of the stride: the
// taps that reach its pixels, last tap first.
std::vector<PixelClass> pixel_classes(const Convolution& c, bool gradient);

}  // namespace fastconv

// Which source pixels a row or column of results reads, in both directions of a convolution.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/convolution.h"
#include "ops/panels.h"

namespace fastconv {

// One dimension of a class of result positions. Position u < count is out_first + u * out_step of
// the result; its tap j < taps reads source position origin + u * stride + j * step, with the
// weights of kernel position weight_first + j * weight_step.
struct Axis {
  std::int64_t count, out_first, out_step, origin, stride, taps, step, weight_first, weight_step;

  std::int64_t last_read() const { return origin + (count - 1) * stride + (taps - 1) * step; }
  // The taps of position u that read inside a source of `size`.
  Part taps_inside(std::int64_t u, std::int64_t size) const;
  // The positions at which tap j reads inside a source of `size`.
  Part positions_inside(std::int64_t j, std::int64_t size) const;
};

struct PixelClass {
  Axis y, x;
};

// Forward there is one class. The gradient of the input has one for each phase of the stride: the
// taps that reach its pixels, last tap first.
std::vector<PixelClass> pixel_classes(const Convolution& c, bool gradient);

// Copies rows of an image: from `from`, a group's first channel in row 0, `depth` of the
// `channels` of every pixel, with `left` and `right` pixels of zeros around each row.
struct PaddedRows {
  std::int64_t width, channels, depth, left, right;

  std::int64_t row() const { return (left + width + right) * depth; }  // floats of a copied row
  void copy(const float* from, Part rows, float* to) const;
};

}  // namespace fastconv

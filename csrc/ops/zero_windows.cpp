#include "ops/zero_windows.h"

#include <algorithm>

namespace fastconv {

ZeroWindows::ZeroWindows(const Convolution& c, const float* image, std::int64_t first,
                         std::int64_t rows) {
  for (std::int64_t i = 0; i < rows + 2; ++i) {
    const std::int64_t y = first - c.top + i;
    if (y < 0 || y >= c.height) continue;
    const float* pixel = image + y * c.width * c.channels;
    for (std::int64_t x = 0; x < c.width; ++x, pixel += c.channels) {
      if (std::all_of(pixel, pixel + c.channels, [](float v) { return v == 0.0f; })) continue;
      for (std::int64_t r = std::max<std::int64_t>(0, i - 2); r <= std::min(i, rows - 1); ++r)
        seen_[r][c.left + x] = true;
    }
  }
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t x = 0; x < c.out_width && !any_[i]; ++x) any_[i] = at(i, x);
}

}  // namespace fastconv

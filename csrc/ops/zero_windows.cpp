#include "ops/zero_windows.h"

#include <algorithm>
#include <cstring>

namespace fastconv {
namespace {

// Some numbers at a time: of pixels behind a ReLU, any single one is a zero as often as not.
bool all_zero(const float* x, std::int64_t count) {
  constexpr std::int64_t kStep = 8;
  std::int64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    std::uint32_t bits[kStep], any = 0;
    std::memcpy(bits, x + i, sizeof bits);
    for (const std::uint32_t b : bits) any |= b << 1;  // without the sign
    if (any != 0) return false;
  }
  return std::all_of(x + i, x + count, [](float v) { return v == 0.0f; });
}

}  // namespace

ZeroWindows::ZeroWindows(const Convolution& c, const float* image, std::int64_t first,
                         std::int64_t rows) {
  for (std::int64_t i = 0; i < rows + 2; ++i) {
    const std::int64_t y = first - c.top + i;
    if (y < 0 || y >= c.height) continue;
    const float* pixel = image + y * c.width * c.channels;
    for (std::int64_t x = 0; x < c.width; ++x, pixel += c.channels) {
      if (all_zero(pixel, c.channels)) continue;
      for (std::int64_t r = std::max<std::int64_t>(0, i - 2); r <= std::min(i, rows - 1); ++r)
        seen_[r][c.left + x] = true;
    }
  }
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t x = 0; x < c.out_width && !any_[i]; ++x) any_[i] = at(i, x);
}

}  // namespace fastconv

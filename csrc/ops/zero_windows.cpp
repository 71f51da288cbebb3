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

// The first of every third row or column, from the padding on, none of which is in the padding; 0
// where there is no such choice.
std::int64_t first_of_thirds(std::int64_t before, std::int64_t size, std::int64_t after) {
  for (std::int64_t first = before; first < 3; ++first)
    if ((before + size + after - 1 - first) % 3 >= after) return first;
  return 0;
}

// Whether a window may see zeros alone. Each sees just one pixel of every third row and column.
bool possible(const Convolution& c, const float* image, std::int64_t first, std::int64_t rows) {
  const std::int64_t down = first_of_thirds(c.top, c.height, c.bottom);
  const std::int64_t right = first_of_thirds(c.left, c.width, c.right);
  for (std::int64_t i = first + (down + 2 * first) % 3; i < first + rows + 2; i += 3) {
    const std::int64_t y = i - c.top;
    if (y < 0 || y >= c.height) return true;
    for (std::int64_t j = right; j < c.left + c.width + c.right; j += 3) {
      const std::int64_t x = j - c.left;
      if (x < 0 || x >= c.width) return true;
      if (all_zero(image + (y * c.width + x) * c.channels, c.channels)) return true;
    }
  }
  return false;
}

}  // namespace

ZeroWindows::ZeroWindows(const Convolution& c, const float* image, std::int64_t first,
                         std::int64_t rows) {
  if (!possible(c, image, first, rows)) return;
  for (std::int64_t i = 0; i < rows; ++i) seen_[i].fill(false);
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

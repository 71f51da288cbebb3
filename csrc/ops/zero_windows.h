// Windows that see nothing but zeros. Winograd's algorithm sums them up to some 1e-6 of what lies
// in the rest of their tile: no matter, but for a ReLU behind a bias that is exactly 0, as biases
// are at first, whose gradient depends on the sign.
#pragma once

#include <array>
#include <cstdint>

#include "ops/convolution.h"

namespace fastconv {

// The windows of some rows of a 3x3 convolution of stride 1.
class ZeroWindows {
 public:
  static constexpr std::int64_t kMostRows = 6;
  static constexpr std::int64_t kWidest = 512;  // pixels of a row, with its padding

  // Those of rows [first, first + rows) of the result for an image.
  ZeroWindows(const Convolution& c, const float* image, std::int64_t first, std::int64_t rows);

  // Whether any of a row, the i-th of these, sees zeros alone.
  bool any(std::int64_t i) const { return any_[i]; }
  // Only where any of the rows does.
  bool at(std::int64_t i, std::int64_t x) const {
    const Row& seen = seen_[i];
    return !(seen[x] || seen[x + 1] || seen[x + 2]);
  }

 private:
  using Row = std::array<bool, kWidest>;  // columns with something else, from the padding on

  std::array<Row, kMostRows> seen_;  // in the three rows that a row of the result sees
  std::array<bool, kMostRows> any_{};
};

}  // namespace fastconv

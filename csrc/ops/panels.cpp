#include "ops/panels.h"

#include <algorithm>
#include <stdexcept>

#include "dispatch/dispatch.h"

namespace fastconv {

std::vector<Panel> cut_panels(std::int64_t columns, std::int64_t rows) {
  const GemmKernels& k = kernels().gemm;
  if (k.quad.width > kMaxPanel) throw std::logic_error("tiles are wider than kMaxPanel");
  // Four vectors a row halve the loads of A, but need five or six rows to hide the latency of
  // the additions.
  const std::int64_t tile = rows / std::max<std::int64_t>(1, ceil_div(rows, k.quad.max_rows));
  const bool quads = kernels().registers >= 32 && tile >= 4;
  std::vector<Panel> panels;
  for (std::int64_t column = 0; column < columns;) {
    const std::int64_t left = columns - column;
    const TileSet& tiles = quads && left >= k.quad.width ? k.quad
                           : left > k.single.width       ? k.pair
                           : left <= k.narrow.width      ? k.narrow
                                                         : k.single;
    const std::int64_t width = std::min<std::int64_t>(left, tiles.width);
    panels.push_back({column, width, &tiles});
    column += width;
  }
  return panels;
}

}  // namespace fastconv

// How the columns of a matrix product are cut into panels as wide as a register tile.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/gemm.h"

namespace fastconv {

constexpr std::int64_t kMaxPanel = 64;  // floats of the widest panel, on any ISA

struct Panel {
  std::int64_t column, columns;  // columns <= tiles->width: the rest of a packed panel is zero
  const TileSet* tiles;
};

// Panels of `columns` columns, for products whose tiles come from runs of `rows` rows. Throws
// std::logic_error if the kernels have tiles wider than kMaxPanel.
std::vector<Panel> cut_panels(std::int64_t columns, std::int64_t rows);

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Part i of `total` cut into `parts` that differ by at most one: [begin, end).
struct Part {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};
constexpr Part part(std::int64_t total, std::int64_t parts, std::int64_t i) {
  return {total * i / parts, total * (i + 1) / parts};
}

// Calls f(tiles, rows of each, rows before them) so that tiles of nearly equal size, at most
// `max_rows`, cover `rows` rows.
template <class F>
void cut_tiles(std::int64_t rows, std::int64_t max_rows, const F& f) {
  if (rows <= 0) return;
  const std::int64_t count = ceil_div(rows, max_rows), size = rows / count, larger = rows % count;
  if (larger > 0) f(larger, size + 1, 0);
  f(count - larger, size, larger * (size + 1));
}

// Runs `call`, set up for its first row, over `rows` rows; `kind` is which tiles, row_step what a
// row advances A by.
inline void run_tiles(const TileCall& call, const TileFn* kind, int max_rows, std::int64_t rows,
                      std::int64_t row_step) {
  cut_tiles(rows, max_rows, [&](std::int64_t tiles, std::int64_t tile_rows, std::int64_t done) {
    TileCall t = call;
    t.tiles = tiles;
    t.a += done * row_step;
    t.c += done * t.c_stride;
    if (t.base != nullptr) t.base += done * t.base_stride;
    if (t.mask != nullptr) t.mask += done * t.c_stride;
    kind[tile_rows - 1](t);
  });
}

}  // namespace fastconv

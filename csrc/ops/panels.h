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

// Runs `call`, set up for its first row, over `rows` rows in tiles of nearly equal size; `kind` is
// which tiles, row_step what a row advances A by.
template <class Call>
void run_tiles(Call call, void (*const* kind)(const Call&), std::int64_t max_rows,
               std::int64_t rows, std::int64_t row_step) {
  if (rows <= 0) return;
  const std::int64_t count = ceil_div(rows, max_rows), size = rows / count, larger = rows % count;
  const auto some = [&](std::int64_t tiles, std::int64_t tile_rows) {
    if (tiles == 0) return;
    call.tiles = tiles;
    kind[tile_rows - 1](call);
    const std::int64_t done = tiles * tile_rows;
    call.a += done * row_step;
    call.c += done * call.c_stride;
    if (call.base != nullptr) call.base += done * call.base_stride;
    if constexpr (requires { call.mask; })
      if (call.mask != nullptr) call.mask += done * call.c_stride;
  };
  some(larger, size + 1);
  some(count - larger, size);
}

}  // namespace fastconv

// What the three directions of Winograd's algorithm share: which F(m, 3) a shape takes, how its
// tiles are blocked, and where V, M, Z and U lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/ahead.h"
#include "kernels/winograd.h"
#include "ops/convolution.h"
#include "ops/panels.h"
#include "runtime/arena.h"

namespace fastconv {

constexpr std::int64_t kWinogradGap = 16;   // floats between planes: not a power of two apart
constexpr std::int64_t kWinogradShare = 4;  // rows of weights in a task of their transforms
constexpr double kWinogradNanosecondsPerFlop = 1.0 / 400;

// Bytes of so many floats, up to where the next array may begin.
inline std::size_t float_bytes(std::int64_t count) {
  return aligned(static_cast<std::size_t>(count) * sizeof(float));
}

// Sizes, of a convolution or of a gradient seen as one.
struct WinogradLayout {
  WinogradShape shape;
  const WinogradSet* set;
  std::int64_t in_blocks, out_blocks;  // channels, rounded up to whole vectors
  std::int64_t block_rows;             // tile rows in a block
  bool bf16 = false;                   // V, Z and U are pairs of bfloat16

  WinogradLayout() = default;
  WinogradLayout(const WinogradShape& s, const WinogradSet& f, bool in_bf16);
  // Pixels of images of this size before the first one of a tile row.
  std::int64_t pixels_above(std::int64_t row, std::int64_t height, std::int64_t width,
                            std::int64_t tile) const;
  // The pixels of x, or of the gradient dy, that tile rows [first, end) read.
  void add_input(Ahead& ahead, const float* x, std::int64_t first, std::int64_t end) const {
    add(ahead, x, first, end, shape.height, shape.width, shape.channels);
  }
  void add_gradient(Ahead& ahead, const float* dy, std::int64_t first, std::int64_t end) const {
    add(ahead, dy, first, end, shape.out_height, shape.out_width, shape.out_channels);
  }
  std::string name() const;
  std::int64_t block_tiles() const { return block_rows * shape.tiles_x; }
  std::int64_t tile_rows(std::int64_t images) const { return images * shape.tiles_y; }
  std::int64_t in_plane(std::int64_t tiles) const { return tiles * in_blocks + kWinogradGap; }
  // In floats; pairs of channels, of rows of U, or of tiles in a row take one.
  std::int64_t v_plane(std::int64_t tiles) const {
    return bf16 ? tiles * in_blocks / 2 + kWinogradGap : in_plane(tiles);
  }
  std::int64_t u_plane() const {
    return (bf16 ? ceil_div(shape.channels, 2) : shape.channels) * out_blocks + kWinogradGap;
  }
  std::int64_t row_places() const { return bf16 ? ceil_div(shape.tiles_x, 2) : shape.tiles_x; }
  std::int64_t out_plane(std::int64_t tiles) const { return tiles * out_blocks + kWinogradGap; }

 private:
  void add(Ahead& ahead, const float* image, std::int64_t first, std::int64_t end,
           std::int64_t height, std::int64_t width, std::int64_t channels) const;
};

WinogradLayout winograd_forward_layout(const Convolution& c, bool pool, bool bf16);
WinogradLayout winograd_input_grad_layout(const Convolution& c, bool bf16);
WinogradLayout winograd_weight_grad_layout(const Convolution& c, bool bf16);

}  // namespace fastconv

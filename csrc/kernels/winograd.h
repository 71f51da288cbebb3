// Minimal filtering F(m x m, 3 x 3) of 3x3, stride 1 convolutions (Winograd 1980; Lavin and Gray,
// "Fast algorithms for convolutional neural networks", CVPR 2016):
//   forward          V = B'dB,            M[p] = V[p] U[p],   Y = A'MA
//   weight gradient  V = B'dB, Z = A dY A', dU[p] += V[p]' Z[p], dW = G' dU G
// A tile of m x m outputs has (m + 2)^2 positions p. Vectors run along channels, in blocks of
// `width`; V, M and Z are [position][block][tile][width], U and dU [position][panel][row][panel
// width] with panels of two blocks (the last one of one block where they are odd).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/ahead.h"

namespace fastconv {

// Images that tiles are read from and written to. Tile rows are counted through all images.
struct WinogradShape {
  std::ptrdiff_t height, width, channels;              // read by the input transform
  std::ptrdiff_t out_height, out_width, out_channels;  // written, or the gradient's
  std::ptrdiff_t top, left;                            // zero padding
  std::ptrdiff_t tiles_y, tiles_x;
};

// Where a transform leaves or finds its tiles: floats between positions, and tiles that a block of
// channels has room for.
struct WinogradTiles {
  float* data;
  std::ptrdiff_t plane, tiles;
};

struct WinogradStore {
  float* y;
  const float* bias;    // null: none
  float floor;          // results below it become it
  const float* other;   // null, or like y: added
  const float* mask;    // null, or like y: 0 where it is not positive
  std::uint8_t* index;  // null, or y is the 2x2 maximum and this its position in the window
};

struct WinogradSet {
  int outputs;    // m
  int positions;  // (m + 2)^2
  // U from w (3, 3, channels, out_channels), for `channels` rows [first, last).
  void (*weights)(const float* w, std::ptrdiff_t channels, std::ptrdiff_t out_channels,
                  std::ptrdiff_t first, std::ptrdiff_t last, float* u, std::ptrdiff_t plane);
  // The same for the input gradient: U of the flipped weights with the roles of channels and
  // out_channels exchanged, from w of the forward direction; [first, last) are blocks of
  // `width` forward channels.
  void (*weights_transposed)(const float* w, std::ptrdiff_t channels, std::ptrdiff_t out_channels,
                             std::ptrdiff_t first, std::ptrdiff_t last, float* u,
                             std::ptrdiff_t plane);
  // Tiles of tile rows [row, row + rows).
  void (*input)(const WinogradShape& s, const float* x, std::ptrdiff_t row, std::ptrdiff_t rows,
                const WinogradTiles& v);
  // Pooled (`store.index`) only where m is even.
  void (*output)(const WinogradShape& s, const WinogradTiles& m, std::ptrdiff_t row,
                 std::ptrdiff_t rows, const WinogradStore& store);
  // Z; adds the sums over all pixels to `bias` (whole blocks) unless it is null.
  void (*gradient)(const WinogradShape& s, const float* dy, std::ptrdiff_t row, std::ptrdiff_t rows,
                   const WinogradTiles& z, float* bias);
  // dW rows [first, last) from dU.
  void (*weights_gradient)(const float* du, std::ptrdiff_t plane, std::ptrdiff_t channels,
                           std::ptrdiff_t out_channels, std::ptrdiff_t first, std::ptrdiff_t last,
                           float* dw);
};

struct WinogradProducts {
  // M = V U at positions [first, last), for `count` tiles. `ahead` is what the block's transforms
  // will read and write soon.
  void (*multiply)(const WinogradTiles& v, const float* u, std::ptrdiff_t u_plane,
                   const WinogradTiles& m, std::ptrdiff_t first, std::ptrdiff_t last,
                   std::ptrdiff_t count, std::ptrdiff_t channels, std::ptrdiff_t out_channels,
                   const Ahead& ahead);
  // dU (+)= V' Z at positions [first, last); rows of dU up to the whole block.
  void (*accumulate)(const WinogradTiles& v, const WinogradTiles& z, std::ptrdiff_t first,
                     std::ptrdiff_t last, std::ptrdiff_t count, std::ptrdiff_t channels,
                     std::ptrdiff_t out_channels, float* du, std::ptrdiff_t du_plane, bool add,
                     const Ahead& ahead);
};

struct WinogradKernels {
  int width;  // floats in a block of channels
  WinogradSet f2, f4, f5, f6;
  WinogradProducts products;
};

}  // namespace fastconv

// Winograd's algorithm with products in bfloat16: V, Z and U are rounded to it, in pairs that take
// the place of one float (see bf16.h); M, dU and all sums are float32. Layouts are those of
// winograd.h, save that
//   V of a convolution has pairs of channels: half as many floats,
//   U has pairs of rows: half as many,
//   V and Z of a weight gradient have pairs of tiles, each row of tiles_x made even by a zero.
#pragma once

#include "kernels/winograd.h"

namespace fastconv {

struct WinogradProducts {
  // As in WinogradKernels, of pairs: `count` tiles ...
  void (*multiply)(const WinogradTiles& v, const float* u, std::ptrdiff_t u_plane,
                   const WinogradTiles& m, std::ptrdiff_t first, std::ptrdiff_t last,
                   std::ptrdiff_t count, std::ptrdiff_t channels, std::ptrdiff_t out_channels,
                   const Ahead& ahead);
  // ... and `count` pairs of tiles.
  void (*accumulate)(const WinogradTiles& v, const WinogradTiles& z, std::ptrdiff_t first,
                     std::ptrdiff_t last, std::ptrdiff_t count, std::ptrdiff_t channels,
                     std::ptrdiff_t out_channels, float* du, std::ptrdiff_t du_plane, bool add,
                     const Ahead& ahead);
};

}  // namespace fastconv

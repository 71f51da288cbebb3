#include "ops/winograd_layout.h"

#include <algorithm>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

constexpr std::int64_t kLeastTiles = 24, kMostTiles = 40;  // in a block, about ...
constexpr std::int64_t kBlockBytes = 400 << 10;            // ... so that V and M take this of L2

// F2 where tiles of 4x4 would be mostly padding, else F4; where precision allows, F5 or F6 if they
// save a twelfth of its products.
const WinogradSet& set_for(const WinogradShape& s, bool pool) {
  const WinogradKernels& k = kernels().winograd;
  if (s.out_height <= 2 || s.out_width <= 2) return k.f2;
  if (conv_precision() != "fast") return k.f4;
  const auto products = [&](const WinogradSet& set) {
    return static_cast<double>(ceil_div(s.out_height, set.outputs) *
                               ceil_div(s.out_width, set.outputs) * set.positions);
  };
  const WinogradSet* best = &k.f4;
  double least = products(k.f4) * 11 / 12;
  for (const WinogradSet* set : {&k.f5, &k.f6})
    if (products(*set) <= least && !(pool && set->outputs % 2 != 0)) {
      best = set;
      least = products(*set);
    }
  return *best;
}

WinogradShape forward_shape(const Convolution& c) {
  return {c.height, c.width, c.channels, c.out_height, c.out_width, c.out_channels, c.top,
          c.left,   0,       0};
}

// dX is the convolution of dY with the flipped weights, padded by what the forward one left out.
WinogradShape backward_shape(const Convolution& c) {
  return {c.out_height, c.out_width, c.out_channels, c.height, c.width,
          c.channels,   2 - c.top,   2 - c.left,     0,        0};
}

}  // namespace

WinogradLayout::WinogradLayout(const WinogradShape& s, const WinogradSet& f, bool in_bf16)
    : shape(s), set(&f), bf16(in_bf16) {
  shape.tiles_y = ceil_div(s.out_height, set->outputs);
  shape.tiles_x = ceil_div(s.out_width, set->outputs);
  const std::int64_t width = kernels().winograd.width;
  in_blocks = ceil_div(s.channels, width) * width;
  out_blocks = ceil_div(s.out_channels, width) * width;
  const std::int64_t tile_bytes = set->positions * (in_blocks + out_blocks) * 4;
  const std::int64_t tiles = std::clamp(kBlockBytes / tile_bytes, kLeastTiles, kMostTiles);
  block_rows = std::max<std::int64_t>(1, (tiles + shape.tiles_x / 2) / shape.tiles_x);
}

std::string WinogradLayout::name() const {
  return "winograd F" + std::to_string(set->outputs) + (bf16 ? " bf16" : "");
}

std::int64_t WinogradLayout::pixels_above(std::int64_t row, std::int64_t height, std::int64_t width,
                                          std::int64_t tile) const {
  return (row / shape.tiles_y * height + std::min(row % shape.tiles_y * tile, height)) * width;
}

void WinogradLayout::add(Ahead& ahead, const float* image, std::int64_t first, std::int64_t end,
                         std::int64_t height, std::int64_t width, std::int64_t channels) const {
  const std::int64_t from = pixels_above(first, height, width, set->outputs);
  const std::int64_t to = pixels_above(end, height, width, set->outputs);
  ahead.add(image + from * channels,
            (to - from) * channels * static_cast<std::int64_t>(sizeof(float)));
}

WinogradLayout winograd_forward_layout(const Convolution& c, bool pool, bool bf16) {
  const WinogradShape s = forward_shape(c);
  return {s, bf16 ? kernels().bf16.winograd_f4 : set_for(s, pool), bf16};
}
WinogradLayout winograd_input_grad_layout(const Convolution& c, bool bf16) {
  const WinogradShape s = backward_shape(c);
  return {s, bf16 ? kernels().bf16.winograd_f4 : set_for(s, false), bf16};
}
WinogradLayout winograd_weight_grad_layout(const Convolution& c, bool bf16) {
  const WinogradShape s = forward_shape(c);
  return {s, bf16 ? kernels().bf16.winograd_f4_weight_grad : set_for(s, false), bf16};
}

}  // namespace fastconv

// dW = G' dU G, where dU sums V' Z over all tiles: by chunks of tiles, or position by position.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/partial_gradients.h"
#include "ops/winograd.h"
#include "ops/winograd_layout.h"

namespace fastconv {
namespace {

constexpr std::int64_t kChunks = 16;          // partial weight gradients, at most ...
constexpr std::int64_t kChunkTiles = 48;      // ... each from this many tiles, at least ...
constexpr std::size_t kChunkBytes = 9 << 17;  // ... while dU is smaller than this
constexpr std::int64_t kGroupTiles = 96;  // else: tiles transformed before all positions multiply

// What is laid out after `count` floats.
float* after_floats(float* start, std::int64_t count) {
  return reinterpret_cast<float*>(reinterpret_cast<std::byte*>(start) + float_bytes(count));
}

// With bias=1 also the bias gradient.
class WinogradWeightGradient final : public Op {
 public:
  WinogradWeightGradient(const OpSpec& spec, const Convolution& c) : c_(c) {
    bias_ = spec.attrs.integer("bias", 0) != 0;
    sums_ = PartialGradients(weight_floats(), bias_ ? c.out_channels : 0);
    layout_ = winograd_weight_grad_layout(c, in_bf16(spec));
    du_plane_ = layout_.in_blocks * layout_.out_blocks + kWinogradGap;
    const std::size_t bytes = float_bytes(layout_.set->positions * du_plane_);
    by_position_ = bytes > kChunkBytes;
    if (by_position_)
      group_rows_ = std::max<std::int64_t>(
          1, (kGroupTiles + layout_.shape.tiles_x / 2) / layout_.shape.tiles_x);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t images = c_.images_in(ctx.batch);
    if (images == 0) {
      std::fill_n(ctx.output(0), weight_floats(), 0.0f);
      if (bias_) std::fill_n(ctx.output(1), c_.out_channels, 0.0f);
    } else if (by_position_) {
      sum_by_position(ctx, images);
    } else {
      sum_by_chunks(ctx, images);
    }
  }

  std::size_t scratch_bytes() const override {
    if (!by_position_) return sums_.scratch_bytes(kChunks);
    return float_bytes(du_floats()) + float_bytes(transformed_floats(group_rows_)) +
           float_bytes((group_rows_ + 1) * layout_.out_blocks);
  }
  std::size_t thread_scratch_bytes() const override {
    return by_position_ ? 0
                        : float_bytes(du_floats()) + float_bytes(block_floats()) +
                              float_bytes(layout_.out_blocks);
  }
  double flops(std::int64_t batch) const override { return c_.flops(batch); }
  std::string algorithm() const override { return layout_.name(); }

 private:
  auto accumulate_kernel() const {
    return layout_.bf16 ? kernels().bf16.winograd_products.accumulate
                        : kernels().winograd.products.accumulate;
  }
  std::int64_t weight_floats() const { return 9 * c_.channels * c_.out_channels; }
  std::int64_t du_floats() const { return layout_.set->positions * du_plane_; }
  // V and Z of so many tile rows.
  std::int64_t transformed_floats(std::int64_t rows) const {
    const std::int64_t tiles = rows * layout_.row_places();
    return layout_.set->positions * (layout_.in_plane(tiles) + layout_.out_plane(tiles));
  }
  std::int64_t block_floats() const { return transformed_floats(layout_.block_rows); }
  WinogradTiles v_at(float* data, std::int64_t rows) const {
    const std::int64_t tiles = rows * layout_.row_places();
    return {data, layout_.in_plane(tiles), tiles};
  }
  WinogradTiles z_at(float* data, std::int64_t rows) const {
    const std::int64_t tiles = rows * layout_.row_places();
    return {data + layout_.set->positions * layout_.in_plane(tiles), layout_.out_plane(tiles),
            tiles};
  }

  // Few channels: each chunk of tile rows has a dU of its own, and makes a dW of it.
  void sum_by_chunks(const RunContext& ctx, std::int64_t images) const {
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    const std::int64_t tile_rows = layout_.tile_rows(images);
    std::int64_t chunks = 1;
    while (chunks < kChunks && 2 * chunks <= tile_rows &&
           tile_rows * s.tiles_x >= 2 * chunks * kChunkTiles)
      chunks *= 2;
    ctx.threads.parallel_for(
        chunks, c_.flops(ctx.batch) * kWinogradNanosecondsPerFlop,
        [&](std::int64_t chunk, std::byte* workspace) {
          float* du = reinterpret_cast<float*>(workspace);
          float* transformed = after_floats(du, du_floats());
          float* bias = bias_ ? after_floats(transformed, block_floats()) : nullptr;
          if (bias_) std::fill_n(bias, layout_.out_blocks, 0.0f);
          sum_rows(ctx, tile_rows * chunk / chunks, tile_rows * (chunk + 1) / chunks, tile_rows, du,
                   transformed, bias);
          set.weights_gradient(du, du_plane_, c_.channels, c_.out_channels, 0, c_.channels,
                               sums_.weights(ctx, chunk));
          if (bias_) std::copy_n(bias, c_.out_channels, sums_.bias(ctx, chunk));
        });
    sums_.add_up(ctx, chunks);
  }

  // dU of tile rows [begin, end), in blocks.
  void sum_rows(const RunContext& ctx, std::int64_t begin, std::int64_t end, std::int64_t tile_rows,
                float* du, float* transformed, float* bias) const {
    const auto accumulate = accumulate_kernel();
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    const WinogradTiles v = v_at(transformed, layout_.block_rows);
    const WinogradTiles z = z_at(transformed, layout_.block_rows);
    const std::int64_t blocks = ceil_div(end - begin, layout_.block_rows);
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t first = begin + (end - begin) * block / blocks;
      const std::int64_t next = begin + (end - begin) * (block + 1) / blocks;
      set.input(s, ctx.input(0), first, next - first, v);
      set.gradient(s, ctx.input(1), first, next - first, z, bias);
      Ahead ahead;
      const std::int64_t after = std::min(next + layout_.block_rows, tile_rows);
      layout_.add_input(ahead, ctx.input(0), next, after);
      layout_.add_gradient(ahead, ctx.input(1), next, after);
      accumulate(v, z, 0, set.positions, (next - first) * layout_.row_places(), s.channels,
                 s.out_channels, du, du_plane_, block > 0, ahead);
    }
  }

  // Many channels: groups of tile rows are transformed, then every position adds to the one dU.
  void sum_by_position(const RunContext& ctx, std::int64_t images) const {
    const auto accumulate = accumulate_kernel();
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    const std::int64_t tile_rows = layout_.tile_rows(images);
    float* du = reinterpret_cast<float*>(ctx.scratch);
    float* transformed = after_floats(du, du_floats());
    const WinogradTiles v = v_at(transformed, group_rows_), z = z_at(transformed, group_rows_);
    float* bias = after_floats(transformed, transformed_floats(group_rows_));
    float* row_bias = bias + layout_.out_blocks;
    std::fill_n(bias, layout_.out_blocks, 0.0f);
    for (std::int64_t first = 0; first < tile_rows; first += group_rows_) {
      const std::int64_t count = std::min(group_rows_, tile_rows - first);
      const double share = c_.flops(ctx.batch) * kWinogradNanosecondsPerFlop *
                           static_cast<double>(count) / static_cast<double>(tile_rows);
      ctx.threads.parallel_for(count, share, [&](std::int64_t row, std::byte*) {
        const std::int64_t at = row * layout_.row_places() * kernels().winograd.width;
        set.input(s, ctx.input(0), first + row, 1, {v.data + at, v.plane, v.tiles});
        float* sums = row_bias + row * layout_.out_blocks;
        std::fill_n(sums, layout_.out_blocks, 0.0f);
        set.gradient(s, ctx.input(1), first + row, 1, {z.data + at, z.plane, z.tiles},
                     bias_ ? sums : nullptr);
      });
      ctx.threads.parallel_for(set.positions, share, [&](std::int64_t p, std::byte*) {
        accumulate(v, z, p, p + 1, count * layout_.row_places(), s.channels, s.out_channels, du,
                   du_plane_, first > 0, ahead_of_position(ctx, v, z, p, first + count, tile_rows));
      });
      if (bias_)
        for (std::int64_t row = 0; row < count; ++row)
          for (std::int64_t i = 0; i < layout_.out_blocks; ++i)
            bias[i] += row_bias[row * layout_.out_blocks + i];
    }
    ctx.threads.parallel_for(
        ceil_div(c_.channels, kWinogradShare), static_cast<double>(du_floats()) * 0.15,
        [&](std::int64_t task, std::byte*) {
          set.weights_gradient(du, du_plane_, c_.channels, c_.out_channels, task * kWinogradShare,
                               std::min(c_.channels, (task + 1) * kWinogradShare), ctx.output(0));
        });
    if (bias_) std::copy_n(bias, c_.out_channels, ctx.output(1));
  }

  // The next position, and this one's share of what the next group reads.
  Ahead ahead_of_position(const RunContext& ctx, const WinogradTiles& v, const WinogradTiles& z,
                          std::int64_t position, std::int64_t first, std::int64_t tile_rows) const {
    const std::int64_t rows = std::min(group_rows_, tile_rows - first);
    const std::int64_t positions = layout_.set->positions;
    const std::int64_t from = first + rows * position / positions;
    const std::int64_t to = first + rows * (position + 1) / positions;
    const auto bytes = [](std::int64_t count) {
      return count * static_cast<std::int64_t>(sizeof(float));
    };
    Ahead ahead;
    if (position + 1 < positions) {
      ahead.add(v.data + (position + 1) * v.plane, bytes(v.plane));
      ahead.add(z.data + (position + 1) * z.plane, bytes(z.plane));
    }
    layout_.add_input(ahead, ctx.input(0), from, to);
    layout_.add_gradient(ahead, ctx.input(1), from, to);
    return ahead;
  }

  Convolution c_;
  WinogradLayout layout_;
  PartialGradients sums_;
  bool bias_ = false, by_position_ = false;
  std::int64_t du_plane_ = 0, group_rows_ = 0;
};

}  // namespace

std::unique_ptr<Op> winograd_conv2d_weight_grad(const OpSpec& spec) {
  return std::make_unique<WinogradWeightGradient>(spec, Convolution::weight_grad(spec));
}

}  // namespace fastconv

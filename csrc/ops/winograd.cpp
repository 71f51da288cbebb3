#include "ops/winograd.h"

#include <algorithm>
#include <limits>
#include <string>

#include "dispatch/dispatch.h"
#include "kernels/winograd_bf16.h"
#include "ops/fused.h"
#include "runtime/arena.h"

namespace fastconv {
namespace {

constexpr std::int64_t kLeastTiles = 24, kMostTiles = 40;  // in a block, about ...
constexpr std::int64_t kBlockBytes = 400 << 10;            // ... so that V and M take this of L2
constexpr std::int64_t kWidestRow = 96;       // tiles in one row of an image that still fit
constexpr std::int64_t kGap = 16;             // floats between planes: not a power of two apart
constexpr std::int64_t kChunks = 16;          // partial weight gradients, at most ...
constexpr std::int64_t kChunkTiles = 48;      // ... each from this many tiles, at least ...
constexpr std::size_t kChunkBytes = 9 << 17;  // ... while dU is smaller than this
constexpr std::int64_t kShare = 4;            // rows of weights in a task of their transforms
constexpr std::int64_t kShares = 8;           // threads that few blocks should suit
constexpr std::int64_t kFewTiles = 8;         // ... of at least so many tiles
constexpr std::int64_t kSumFloats = 2048;     // floats in a task of adding parts up
constexpr std::int64_t kGroupTiles = 96;  // else: tiles transformed before all positions multiply
constexpr double kNanosecondsPerFlop = 1.0 / 400;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

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

std::size_t floats(std::int64_t count) {
  return aligned(static_cast<std::size_t>(count) * sizeof(float));
}

// What is laid out after `count` floats.
float* after_floats(float* start, std::int64_t count) {
  return reinterpret_cast<float*>(reinterpret_cast<std::byte*>(start) + floats(count));
}

// Sizes that the three directions share.
struct Layout {
  WinogradShape shape;
  const WinogradSet* set;
  std::int64_t in_blocks, out_blocks;  // channels, rounded up to whole vectors
  std::int64_t block_rows;             // tile rows in a block
  bool bf16 = false;                   // V, Z and U are pairs of bfloat16

  Layout() = default;
  Layout(const WinogradShape& s, const WinogradSet& f, bool in_bf16)
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
  // Pixels of images of this size before the first one of a tile row.
  std::int64_t pixels_above(std::int64_t row, std::int64_t height, std::int64_t width,
                            std::int64_t tile) const {
    return (row / shape.tiles_y * height + std::min(row % shape.tiles_y * tile, height)) * width;
  }
  // The pixels of x, or of the gradient dy, that tile rows [first, end) read.
  void add_input(Ahead& ahead, const float* x, std::int64_t first, std::int64_t end) const {
    add(ahead, x, first, end, shape.height, shape.width, shape.channels);
  }
  void add_gradient(Ahead& ahead, const float* dy, std::int64_t first, std::int64_t end) const {
    add(ahead, dy, first, end, shape.out_height, shape.out_width, shape.out_channels);
  }
  std::string name() const {
    return "winograd F" + std::to_string(set->outputs) + (bf16 ? " bf16" : "");
  }
  std::int64_t block_tiles() const { return block_rows * shape.tiles_x; }
  std::int64_t tile_rows(std::int64_t images) const { return images * shape.tiles_y; }
  std::int64_t in_plane(std::int64_t tiles) const { return tiles * in_blocks + kGap; }
  // In floats; pairs of channels, of rows of U, or of tiles in a row take one.
  std::int64_t v_plane(std::int64_t tiles) const {
    return bf16 ? tiles * in_blocks / 2 + kGap : in_plane(tiles);
  }
  std::int64_t u_plane() const {
    return (bf16 ? ceil_div(shape.channels, 2) : shape.channels) * out_blocks + kGap;
  }
  std::int64_t row_places() const { return bf16 ? ceil_div(shape.tiles_x, 2) : shape.tiles_x; }
  std::int64_t out_plane(std::int64_t tiles) const { return tiles * out_blocks + kGap; }

 private:
  void add(Ahead& ahead, const float* image, std::int64_t first, std::int64_t end,
           std::int64_t height, std::int64_t width, std::int64_t channels) const {
    const std::int64_t from = pixels_above(first, height, width, set->outputs);
    const std::int64_t to = pixels_above(end, height, width, set->outputs);
    ahead.add(image + from * channels,
              (to - from) * channels * static_cast<std::int64_t>(sizeof(float)));
  }
};

Layout layout_of(const WinogradShape& s, bool pool, bool bf16, bool weight_grad = false) {
  return {s, bf16 ? kernels().bf16.winograd_f4[weight_grad ? 1 : 0] : set_for(s, pool), bf16};
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

// y = conv(x, w) with an epilogue, and dX = conv(dY, flipped w) with one.
class WinogradConvolution final : public Op {
 public:
  WinogradConvolution(const OpSpec& spec, const Convolution& c, bool input_grad)
      : c_(c),
        input_grad_(input_grad),
        pool_(spec.attrs.has("pool")),
        layout_(
            layout_of(input_grad ? backward_shape(c) : forward_shape(c), pool_, in_bf16(spec))) {
    bias_ = spec.attrs.integer("bias", 0) != 0;
    TensorDesc result = spec.outputs[0];
    if (pool_) result.shape = {c.images, c.out_height, c.out_width, c.out_channels};
    const int own = bias_ ? 3 : 2;
    epilogue_ = FusedEpilogue(spec, own, result);
    // Where two gradients meet behind a ReLU.
    const auto like_result = [&](int i) {
      const TensorDesc& extra = spec.inputs[static_cast<std::size_t>(i)];
      return extra.dtype == DType::f32 && extra.shape == result.shape &&
             extra.batched == result.batched && extra.batched == result.batched;
    };
    if (spec.attrs.text("epilogue", "") == "add %0 %1; relu_grad %3 %2" && like_result(own) &&
        like_result(own + 1)) {
      other_ = own;
      epilogue_.mask = own + 1;
      epilogue_.tape = Epilogue();
    }
    u_plane_ = layout_.u_plane();
  }

  void run(const RunContext& ctx) const override {
    const auto multiply =
        layout_.bf16 ? kernels().bf16.winograd_products->multiply : kernels().winograd.multiply;
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    const std::int64_t images = c_.images_in(ctx.batch);
    const double work = c_.flops(ctx.batch) * kNanosecondsPerFlop;
    if (images == 0) return;
    if (ctx.packed == nullptr) pack(ctx, ctx.scratch);
    const auto* u =
        reinterpret_cast<const float*>(ctx.packed == nullptr ? ctx.scratch : ctx.packed);

    WinogradStore store{};
    store.y = ctx.output(0);
    store.bias = bias_ ? ctx.input(2) : nullptr;
    store.floor = epilogue_.relu ? 0.0f : -std::numeric_limits<float>::infinity();
    store.mask = epilogue_.mask_of(ctx);
    store.other = other_ < 0 ? nullptr : ctx.input(static_cast<std::size_t>(other_));
    store.index = pool_ ? ctx.output<std::uint8_t>(1) : nullptr;
    const float* x = ctx.input(0);
    const std::int64_t tile_rows = layout_.tile_rows(images);
    // Every block reads all of U.
    const std::int64_t rows =
        std::max(ceil_div(tile_rows, blocks_of(tile_rows)),
                 std::min(layout_.block_rows, ceil_div(kFewTiles, s.tiles_x)));
    ctx.threads.parallel_for(
        ceil_div(tile_rows, rows), work, [&](std::int64_t block, std::byte* workspace) {
          const std::int64_t first = block * rows, count = std::min(rows, tile_rows - first);
          const std::int64_t tiles = layout_.block_tiles();
          float* v_data = reinterpret_cast<float*>(workspace);
          const WinogradTiles v{v_data, layout_.v_plane(tiles), tiles};
          const WinogradTiles m{v_data + set.positions * v.plane, layout_.out_plane(tiles), tiles};
          set.input(s, x, first, count, v);
          multiply(v, u, u_plane_, m, 0, set.positions, count * s.tiles_x, s.channels,
                   s.out_channels, ahead_of(store, x, first, count, tile_rows));
          set.output(s, m, first, count, store);
          if (!epilogue_.tape.empty()) finish(ctx, store.y, first, count);
          if (ctx.finished != nullptr) {
            const std::int64_t from = result_pixels(first), to = result_pixels(first + count);
            ctx.finished->rows(block, from, to - from, workspace);
          }
        });
  }

  std::size_t scratch_bytes() const override { return packed_bytes(); }
  // U, the transformed weights.
  std::size_t packed_bytes() const override { return floats(layout_.set->positions * u_plane_); }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    const WinogradSet& set = *layout_.set;
    const float* w = ctx.input(1);
    auto* u = reinterpret_cast<float*>(packed);
    const double work = static_cast<double>(set.positions * u_plane_) * 0.15;
    if (input_grad_) {
      const std::int64_t blocks = ceil_div(c_.channels, kernels().winograd.width);
      ctx.threads.parallel_for(blocks, work, [&](std::int64_t block, std::byte*) {
        set.weights_transposed(w, c_.channels, c_.out_channels, block, block + 1, u, u_plane_);
      });
    } else {
      ctx.threads.parallel_for(
          ceil_div(c_.channels, kShare), work, [&](std::int64_t task, std::byte*) {
            set.weights(w, c_.channels, c_.out_channels, task * kShare,
                        std::min(c_.channels, (task + 1) * kShare), u, u_plane_);
          });
    }
  }
  std::size_t thread_scratch_bytes() const override {
    const std::int64_t tiles = layout_.block_tiles();
    return floats(layout_.set->positions * (layout_.v_plane(tiles) + layout_.out_plane(tiles)));
  }
  double flops(std::int64_t batch) const override { return c_.flops(batch); }
  std::string algorithm() const override { return layout_.name(); }
  std::int64_t stretches(std::int64_t batch) const override {
    return blocks_of(layout_.tile_rows(c_.images_in(batch)));
  }

 private:
  // Results do not depend on the cut: a multiple of kShares blocks, where there are few.
  std::int64_t blocks_of(std::int64_t tile_rows) const {
    return ceil_div(ceil_div(tile_rows, layout_.block_rows), kShares) * kShares;
  }
  // Pixels of the result before the first one of a tile row.
  std::int64_t result_pixels(std::int64_t row) const {
    const int window = pool_ ? 2 : 1;
    return layout_.pixels_above(row, layout_.shape.out_height / window,
                                layout_.shape.out_width / window, layout_.set->outputs / window);
  }

  // What the block of these tile rows writes and reads besides, and what the next one reads.
  Ahead ahead_of(const WinogradStore& store, const float* x, std::int64_t first, std::int64_t count,
                 std::int64_t tile_rows) const {
    const WinogradShape& s = layout_.shape;
    const std::int64_t end = first + count, next = std::min(end + count, tile_rows);
    const std::int64_t at = result_pixels(first) * s.out_channels;
    const auto bytes =
        (result_pixels(end) * s.out_channels - at) * static_cast<std::int64_t>(sizeof(float));
    Ahead ahead;
    layout_.add_input(ahead, x, end, next);
    ahead.add(store.y + at, bytes);
    if (store.mask != nullptr) ahead.add(store.mask + at, bytes);
    if (store.other != nullptr) ahead.add(store.other + at, bytes);
    return ahead;
  }

  // The rest of the epilogue on the pixel rows of these tile rows.
  void finish(const RunContext& ctx, float* y, std::int64_t first, std::int64_t count) const {
    const WinogradShape& s = layout_.shape;
    for (std::int64_t r = first; r < first + count; ++r) {
      const std::int64_t image = r / s.tiles_y, top = r % s.tiles_y * layout_.set->outputs;
      const std::int64_t rows = std::min<std::int64_t>(layout_.set->outputs, s.out_height - top);
      epilogue_.run(ctx, y, s.out_channels, (image * s.out_height + top) * s.out_width,
                    rows * s.out_width, 0, s.out_channels);
    }
  }

  Convolution c_;
  bool input_grad_, pool_, bias_ = false;
  int other_ = -1;  // the input that is added to the result
  Layout layout_;
  FusedEpilogue epilogue_;
  std::int64_t u_plane_ = 0;
};

// dW, and with bias=1 the bias gradient.
class WinogradWeightGradient final : public Op {
 public:
  WinogradWeightGradient(const OpSpec& spec, const Convolution& c) : c_(c) {
    bias_ = spec.attrs.integer("bias", 0) != 0;
    layout_ = layout_of(forward_shape(c), false, in_bf16(spec), true);
    du_plane_ = layout_.in_blocks * layout_.out_blocks + kGap;
    const std::size_t bytes = floats(layout_.set->positions * du_plane_);
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
    if (!by_position_) return floats(kChunks * part_floats());
    return floats(du_floats()) + floats(transformed_floats(group_rows_)) +
           floats((group_rows_ + 1) * layout_.out_blocks);
  }
  std::size_t thread_scratch_bytes() const override {
    return by_position_ ? 0 : floats(du_floats()) + floats(transformed_floats(layout_.block_rows));
  }
  double flops(std::int64_t batch) const override { return c_.flops(batch); }
  std::string algorithm() const override { return layout_.name(); }

 private:
  auto accumulate_kernel() const {
    return layout_.bf16 ? kernels().bf16.winograd_products->accumulate
                        : kernels().winograd.accumulate;
  }
  std::int64_t weight_floats() const { return 9 * c_.channels * c_.out_channels; }
  // A part is one dW and the sums for the bias behind it.
  std::int64_t part_floats() const { return weight_floats() + layout_.out_blocks; }
  std::int64_t du_floats() const { return layout_.set->positions * du_plane_; }
  // V and Z of so many tile rows.
  std::int64_t transformed_floats(std::int64_t rows) const {
    const std::int64_t tiles = rows * layout_.row_places();
    return layout_.set->positions * (layout_.in_plane(tiles) + layout_.out_plane(tiles));
  }
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
    while (chunks < kChunks && tile_rows * s.tiles_x >= 2 * chunks * kChunkTiles) chunks *= 2;
    float* parts = reinterpret_cast<float*>(ctx.scratch);
    ctx.threads.parallel_for(
        chunks, c_.flops(ctx.batch) * kNanosecondsPerFlop,
        [&](std::int64_t chunk, std::byte* workspace) {
          float* part = parts + chunk * part_floats();
          float* du = reinterpret_cast<float*>(workspace);
          std::fill_n(part + weight_floats(), layout_.out_blocks, 0.0f);
          sum_rows(ctx, tile_rows * chunk / chunks, tile_rows * (chunk + 1) / chunks, tile_rows, du,
                   bias_ ? part + weight_floats() : nullptr);
          set.weights_gradient(du, du_plane_, c_.channels, c_.out_channels, 0, c_.channels, part);
        });
    const double work = static_cast<double>(weight_floats() * chunks) * 0.05;
    ctx.threads.parallel_for(ceil_div(weight_floats(), kSumFloats), work,
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t first = task * kSumFloats;
                               add_parts(parts + first, chunks, ctx.output(0) + first,
                                         std::min(kSumFloats, weight_floats() - first));
                             });
    if (bias_) add_parts(parts + weight_floats(), chunks, ctx.output(1), c_.out_channels);
  }

  // dU of tile rows [begin, end), in blocks.
  void sum_rows(const RunContext& ctx, std::int64_t begin, std::int64_t end, std::int64_t tile_rows,
                float* du, float* bias) const {
    const auto accumulate = accumulate_kernel();
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    float* transformed = after_floats(du, du_floats());
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

  void add_parts(const float* parts, std::int64_t count, float* sum, std::int64_t size) const {
    std::copy_n(parts, size, sum);
    for (std::int64_t part = 1; part < count; ++part)
      kernels().gemm.add(sum, parts + part * part_floats(), size);
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
      const double share = c_.flops(ctx.batch) * kNanosecondsPerFlop * static_cast<double>(count) /
                           static_cast<double>(tile_rows);
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
    ctx.threads.parallel_for(ceil_div(c_.channels, kShare), static_cast<double>(du_floats()) * 0.15,
                             [&](std::int64_t task, std::byte*) {
                               set.weights_gradient(
                                   du, du_plane_, c_.channels, c_.out_channels, task * kShare,
                                   std::min(c_.channels, (task + 1) * kShare), ctx.output(0));
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
  Layout layout_;
  bool bias_ = false, by_position_ = false;
  std::int64_t du_plane_ = 0, group_rows_ = 0;
};

}  // namespace

bool winograd_can(const Convolution& c, const OpSpec& spec) {
  if (conv_precision() == "high") return false;
  if (c.kernel_y != 3 || c.kernel_x != 3 || c.stride_y != 1 || c.stride_x != 1 ||
      c.dilation_y != 1 || c.dilation_x != 1 || c.groups != 1)
    return false;
  if (std::max({c.top, c.bottom, c.left, c.right}) > 2) return false;
  if (std::max(c.width, c.out_width) > 4 * kWidestRow) return false;
  if (!spec.attrs.has("pool")) return true;
  TensorDesc result = spec.outputs[0];
  result.shape = {c.images, c.out_height, c.out_width, c.out_channels};
  const FusedEpilogue epilogue(spec, spec.attrs.integer("bias", 0) != 0 ? 3 : 2, result);
  return epilogue.tape.empty() && epilogue.mask < 0;
}

bool winograd_wins(const Convolution& c) {
  constexpr std::int64_t kFewest = 8;
  return std::min(c.channels, c.out_channels) >= kFewest && std::min(c.out_height, c.out_width) > 2;
}

std::unique_ptr<Op> winograd_conv2d(const OpSpec& spec) {
  return std::make_unique<WinogradConvolution>(spec, Convolution::forward(spec), false);
}
std::unique_ptr<Op> winograd_conv2d_input_grad(const OpSpec& spec) {
  return std::make_unique<WinogradConvolution>(spec, Convolution::input_grad(spec), true);
}
std::unique_ptr<Op> winograd_conv2d_weight_grad(const OpSpec& spec) {
  return std::make_unique<WinogradWeightGradient>(spec, Convolution::weight_grad(spec));
}

}  // namespace fastconv

#include "ops/winograd.h"

#include <algorithm>
#include <array>
#include <limits>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/fused.h"
#include "ops/winograd_layout.h"
#include "ops/zero_windows.h"

namespace fastconv {
namespace {

constexpr std::int64_t kWidestRow = 96;  // tiles in one row of an image that still fit
constexpr std::int64_t kShares = 8;      // threads that few blocks should suit
constexpr std::int64_t kFewTiles = 8;    // ... of at least so many tiles

// y = conv(x, w) with an epilogue, and dX = conv(dY, flipped w) with one.
class WinogradConvolution final : public Op {
 public:
  WinogradConvolution(const OpSpec& spec, const Convolution& c, bool input_grad)
      : c_(c),
        input_grad_(input_grad),
        pool_(spec.attrs.has("pool")),
        layout_(input_grad ? winograd_input_grad_layout(c, in_bf16(spec))
                           : winograd_forward_layout(c, pool_, in_bf16(spec))) {
    bias_ = spec.attrs.integer("bias", 0) != 0;
    TensorDesc result = spec.outputs[0];
    if (pool_) result.shape = {c.images, c.out_height, c.out_width, c.out_channels};
    const int own = bias_ ? 3 : 2;
    epilogue_ = FusedEpilogue(spec, own, result);
    // Where two gradients meet behind a ReLU.
    const auto like_result = [&](int i) {
      const TensorDesc& extra = spec.inputs[static_cast<std::size_t>(i)];
      return extra.dtype == DType::f32 && extra.shape == result.shape &&
             extra.batched == result.batched;
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
    const auto multiply = layout_.bf16 ? kernels().bf16.winograd_products.multiply
                                       : kernels().winograd.products.multiply;
    const WinogradSet& set = *layout_.set;
    const WinogradShape& s = layout_.shape;
    const std::int64_t images = c_.images_in(ctx.batch);
    const double work = c_.flops(ctx.batch) * kWinogradNanosecondsPerFlop;
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
    const bool exact = needs_zeros(store.bias);
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
          if (exact) set_zeros(x, store, first, count);
          if (!epilogue_.tape.empty()) finish(ctx, store.y, first, count);
          if (ctx.finished != nullptr) {
            const std::int64_t from = result_pixels(first), to = result_pixels(first + count);
            ctx.finished->rows(block, from, to - from, workspace);
          }
        });
  }

  std::size_t scratch_bytes() const override { return packed_bytes(); }
  // U, the transformed weights.
  std::size_t packed_bytes() const override {
    return float_bytes(layout_.set->positions * u_plane_);
  }
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
          ceil_div(c_.channels, kWinogradShare), work, [&](std::int64_t task, std::byte*) {
            set.weights(w, c_.channels, c_.out_channels, task * kWinogradShare,
                        std::min(c_.channels, (task + 1) * kWinogradShare), u, u_plane_);
          });
    }
  }
  std::size_t thread_scratch_bytes() const override {
    const std::int64_t tiles = layout_.block_tiles();
    return float_bytes(layout_.set->positions *
                       (layout_.v_plane(tiles) + layout_.out_plane(tiles)));
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

  // Whether windows of zeros must be exact: results that are 0 but for the bias.
  bool needs_zeros(const float* bias) const {
    if (input_grad_ || epilogue_.mask >= 0) return false;
    return bias == nullptr ? epilogue_.relu : std::count(bias, bias + c_.out_channels, 0.0f) > 0;
  }

  // The results of windows of zeros in these tile rows.
  void set_zeros(const float* x, const WinogradStore& store, std::int64_t first,
                 std::int64_t count) const {
    const WinogradShape& s = layout_.shape;
    for (std::int64_t r = first; r < first + count; ++r) {
      const std::int64_t image = r / s.tiles_y, top = r % s.tiles_y * layout_.set->outputs;
      const std::int64_t rows = std::min<std::int64_t>(layout_.set->outputs, s.out_height - top);
      const ZeroWindows zeros(c_, x + image * c_.image_size(), top, rows);
      for (std::int64_t i = 0; i + (pool_ ? 1 : 0) < rows; i += pool_ ? 2 : 1) {
        if (pool_)
          set_pooled_zeros(zeros, i, store, image, (top + i) / 2);
        else if (zeros.any(i))
          set_zeros_of_row(zeros, i, store, image * s.out_height + top + i);
      }
    }
  }

  // Row `row` of all images' results, the i-th of those windows.
  void set_zeros_of_row(const ZeroWindows& zeros, std::int64_t i, const WinogradStore& store,
                        std::int64_t row) const {
    float* to = store.y + row * c_.out_width * c_.out_channels;
    for (std::int64_t x = 0; x < c_.out_width; ++x, to += c_.out_channels)
      for (std::int64_t k = 0; zeros.at(i, x) && k < c_.out_channels; ++k)
        to[k] = std::max(store.bias == nullptr ? 0.0f : store.bias[k], store.floor);
  }

  // Row y of an image's maxima, of rows i and i + 1 of those windows: where one of zeros was taken
  // for the largest.
  void set_pooled_zeros(const ZeroWindows& zeros, std::int64_t i, const WinogradStore& store,
                        std::int64_t image, std::int64_t y) const {
    if (!zeros.any(i) && !zeros.any(i + 1)) return;
    const std::int64_t width = c_.out_width / 2, channels = c_.out_channels;
    std::int64_t at = (image * (c_.out_height / 2) + y) * width * channels;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::array<bool, 4> zero{zeros.at(i, 2 * x), zeros.at(i, 2 * x + 1),
                                     zeros.at(i + 1, 2 * x), zeros.at(i + 1, 2 * x + 1)};
      const auto first = static_cast<std::uint8_t>(std::ranges::find(zero, true) - zero.begin());
      for (std::int64_t k = 0; k < channels; ++k, ++at) {
        if (!zero[store.index[at]]) continue;
        const float bias = store.bias == nullptr ? 0.0f : store.bias[k];
        store.y[at] = std::max(bias, store.floor);
        store.index[at] = bias > store.floor ? first : 0;  // all below the floor are equal
      }
    }
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
  WinogradLayout layout_;
  FusedEpilogue epilogue_;
  std::int64_t u_plane_ = 0;
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

}  // namespace fastconv

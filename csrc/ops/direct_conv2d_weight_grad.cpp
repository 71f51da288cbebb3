// The gradient of a convolution's weights: for each tap, the product of the image (channels by
// pixels) and dy (pixels by channels), both as they lie in memory.
#include <algorithm>
#include <bit>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/conv2d.h"
#include "ops/panels.h"
#include "ops/partial_gradients.h"
#include "ops/pixel_classes.h"

namespace fastconv {
namespace {

constexpr std::int64_t kBandBytes = 256 << 10;  // of x and dy in one pass over the weights
constexpr std::int64_t kClipDepth = 16;         // fewer channels: a padded copy of x
constexpr std::int64_t kPartialBytes = 8 << 20;
constexpr std::int64_t kMaxChunks = 16;
constexpr double kTaskFlops = 4e6;

class DirectConv2dWeightGrad final : public Op {
 public:
  explicit DirectConv2dWeightGrad(const OpSpec& spec) : conv_(Convolution::weight_grad(spec)) {
    const Convolution& c = conv_;
    const bool bias = spec.attrs.integer("bias", 0) != 0;
    sums_ = PartialGradients(conv_.weights_size(), bias ? conv_.out_channels : 0);
    depth_ = c.group_channels();
    columns_ = c.group_out_channels();
    require(columns_ > 0, spec, "no filters");
    panels_ = cut_panels(columns_, 1);
    const Panel& last = panels_.back();
    copy_dy_ = last.columns < last.tiles->width;
    dy_pixel_ = copy_dy_ ? last.column + last.tiles->width : c.out_channels;
    const std::int64_t vector = kernels().gemm.vector;
    if (copy_dy_ && dy_pixel_ > vector) dy_pixel_ = ceil_div(dy_pixel_, vector) * vector;

    const std::int64_t right =
        (c.out_width - 1) * c.stride_x - c.left + (c.kernel_x - 1) * c.dilation_x - (c.width - 1);
    const bool edges = c.left > 0 || right > 0;
    copy_x_ = (edges || c.groups > 1) && depth_ < kClipDepth;
    padded_ = {c.width, c.channels, depth_, c.left, std::max<std::int64_t>(0, right)};
    merged_ = (copy_x_ || !edges) && c.dilation_x == 1 && (copy_x_ || depth_ == c.channels);

    const std::int64_t row_bytes =
        4 *
        (c.stride_y * (copy_x_ ? padded_.row() : c.width * c.channels) + c.out_width * dy_pixel_);
    band_rows_ = std::clamp<std::int64_t>(kBandBytes / row_bytes, 1, c.out_height);
    band_images_ = band_rows_ < c.out_height
                       ? 1
                       : std::max<std::int64_t>(1, kBandBytes / (row_bytes * c.out_height));
    bands_ = ceil_div(c.out_height, band_rows_);
  }

  void run(const RunContext& ctx) const override {
    const Convolution& c = conv_;
    const std::int64_t images = c.images_in(ctx.batch), chunks = chunks_of(images);
    const double wanted = c.flops(ctx.batch) / kTaskFlops / static_cast<double>(chunks * c.groups);
    const auto panels = static_cast<std::int64_t>(panels_.size());
    const std::int64_t cuts = std::clamp<std::int64_t>(
        std::min(static_cast<std::int64_t>(std::min(wanted, 1e6)), kMaxChunks / chunks + 1), 1,
        panels);
    ctx.threads.parallel_for(
        chunks * c.groups * cuts, c.flops(ctx.batch) / 100,
        [&](std::int64_t task, std::byte* workspace) {
          const std::int64_t chunk = task / cuts / c.groups, group = task / cuts % c.groups;
          accumulate(ctx, part(images, chunks, chunk), group, part(panels, cuts, task % cuts),
                     sums_.weights(ctx, chunk), sums_.bias(ctx, chunk),
                     reinterpret_cast<float*>(workspace));
        });
    sums_.add_up(ctx, chunks);
  }

  std::size_t scratch_bytes() const override {
    return sums_.scratch_bytes(chunks_of(conv_.images));
  }
  std::size_t thread_scratch_bytes() const override {
    return static_cast<std::size_t>(x_copy_size() + dy_copy_size()) * sizeof(float);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "direct"; }

 private:
  // Chunks of images, each with sums of its own: by shape, never fewer for more images, and a power
  // of two, which threads can share evenly.
  std::int64_t chunks_of(std::int64_t images) const {
    const double wanted = conv_.image_flops() * static_cast<double>(images) / kTaskFlops;
    const std::int64_t most =
        std::clamp<std::int64_t>(kPartialBytes / (4 * conv_.weights_size() + 1), 1, kMaxChunks);
    const auto even = static_cast<std::int64_t>(
        std::bit_ceil(static_cast<std::uint64_t>(std::clamp(wanted, 1.0, 1e6))));
    return std::clamp<std::int64_t>(std::min(even, images), 1, most);
  }
  std::int64_t copied_rows(std::int64_t rows) const {
    return (rows - 1) * conv_.stride_y + (conv_.kernel_y - 1) * conv_.dilation_y + 1;
  }
  std::int64_t x_copy_size() const {
    return copy_x_ ? band_images_ * copied_rows(band_rows_) * padded_.row() : 0;
  }
  std::int64_t dy_copy_size() const {
    return copy_dy_ ? band_images_ * band_rows_ * conv_.out_width * dy_pixel_ : 0;
  }

  struct Band {
    Part images, rows;
  };
  // Pixel (y, x) of the band's image i is at data + i * image + y * row + x * pixel.
  struct Pixels {
    const float* data;
    std::int64_t image, row, pixel;
  };

  Pixels x_of(const RunContext& ctx, const Band& band, std::int64_t group, float* buffer) const {
    const Convolution& c = conv_;
    const float* data = ctx.input(0) + band.images.begin * c.image_size() + group * depth_;
    if (!copy_x_) return {data, c.image_size(), c.width * c.channels, c.channels};
    const std::int64_t row = padded_.row(), image = copied_rows(band_rows_) * row;
    const std::int64_t top = band.rows.begin * c.stride_y - c.top;
    const Part inside{std::max<std::int64_t>(0, top),  // rows outside are never read
                      std::min(c.height, top + copied_rows(band.rows.size()))};
    for (std::int64_t i = 0; i < band.images.size(); ++i)
      padded_.copy(data + i * c.image_size(), inside,
                   buffer + i * image + (inside.begin - top) * row);
    return {buffer + c.left * depth_ - top * row, image, row, depth_};
  }

  Pixels dy_of(const RunContext& ctx, const Band& band, std::int64_t group, float* buffer) const {
    const Convolution& c = conv_;
    const float* data = ctx.input(1) + band.images.begin * c.out_image_size() + group * columns_;
    const std::int64_t row = c.out_width * c.out_channels;
    // The last panel's loads run past the end of a pixel: harmless but for the last pixels of all.
    const float* end = data + (band.images.size() - 1) * c.out_image_size() + band.rows.end * row;
    const float* end_of_all = ctx.input(1) + c.images_in(ctx.batch) * c.out_image_size();
    if (!copy_dy_ || end_of_all - end >= kMaxPanel)
      return {data, c.out_image_size(), row, c.out_channels};
    const std::int64_t wide = c.out_width * dy_pixel_, image = band_rows_ * wide;
    for (std::int64_t i = 0; i < band.images.size(); ++i)
      kernels().gemm.pack(buffer + i * image, static_cast<int>(dy_pixel_),
                          data + i * c.out_image_size() + band.rows.begin * row, c.out_channels,
                          band.rows.size() * c.out_width, columns_);
    return {buffer - band.rows.begin * wide, image, wide, dy_pixel_};
  }

  void accumulate(const RunContext& ctx, Part images, std::int64_t group, Part panels, float* dw,
                  float* db, float* buffer) const {
    bool first = true;
    for (std::int64_t n = images.begin; n < images.end; n += band_images_)
      for (std::int64_t b = 0; b < bands_; ++b) {
        const Band band{{n, std::min(n + band_images_, images.end)},
                        part(conv_.out_height, bands_, b)};
        Ahead ahead = ahead_of(ctx, band, panels);
        add_band(ctx, band, group, panels, first, dw, db, ahead, buffer);
        first = false;
      }
    Ahead nothing;
    if (first) add_band(ctx, {{0, 0}, {0, 0}}, group, panels, true, dw, db, nothing, buffer);
  }

  // What the band after this one reads.
  Ahead ahead_of(const RunContext& ctx, const Band& band, Part panels) const {
    const Convolution& c = conv_;
    Ahead ahead;
    const Part rows{band.rows.end, std::min(band.rows.end + band_rows_, c.out_height)};
    const Part images{band.images.end,
                      std::min(band.images.end + band.images.size(), c.images_in(ctx.batch))};
    const Band next = rows.size() > 0 ? Band{band.images, rows}
                                      : Band{images, {0, std::min(band_rows_, c.out_height)}};
    if (next.images.size() <= 0 || c.groups > 1) return ahead;
    const auto add = [&](const float* data, std::int64_t image, std::int64_t row, Part rows) {
      const float* start = data + next.images.begin * image + rows.begin * row;
      const float* end = data + (next.images.end - 1) * image + rows.end * row;
      ahead.add(start, (end - start) * static_cast<std::int64_t>(sizeof(float)));
    };
    add(ctx.input(0), c.image_size(), c.width * c.channels,
        {std::min(c.height, next.rows.begin * c.stride_y),
         std::min(c.height, next.rows.end * c.stride_y)});
    add(ctx.input(1), c.out_image_size(), c.out_width * c.out_channels, next.rows);
    std::int64_t tiles = 0;
    for (std::int64_t p = panels.begin; p < panels.end; ++p)
      tiles += c.kernel_y * (merged_ ? 1 : c.kernel_x) *
               ceil_div(merged_ ? c.kernel_x * depth_ : depth_,
                        panels_[static_cast<std::size_t>(p)].tiles->max_rows);
    ahead.share_out(tiles);
    return ahead;
  }

  void add_band(const RunContext& ctx, const Band& band, std::int64_t group, Part panels,
                bool first, float* dw, float* db, Ahead& ahead, float* buffer) const {
    const Convolution& c = conv_;
    const bool empty = band.images.size() == 0;
    const Pixels none{dw, 0, 0, 0};
    const Pixels x = empty ? none : x_of(ctx, band, group, buffer);
    const Pixels dy = empty ? none : dy_of(ctx, band, group, buffer + x_copy_size());
    for (std::int64_t p = panels.begin; p < panels.end; ++p) {
      const Panel& panel = panels_[static_cast<std::size_t>(p)];
      const TileSet& tiles = *panel.tiles;
      TileCall call{};
      call.b_stride = dy.pixel;
      call.outer = band.images.size();
      call.a_outer = x.image;
      call.b_outer = dy.image;
      call.a_inner = c.stride_y * x.row;
      call.b_inner = dy.row;
      call.a_stride = c.stride_x * x.pixel;
      call.c_stride = c.out_channels;
      call.columns = panel.columns;
      call.floor = -INFINITY;
      call.ahead = ahead.count > 0 ? &ahead : nullptr;
      const std::int64_t column = group * columns_ + panel.column;
      for (std::int64_t ky = 0; ky < c.kernel_y; ++ky) {
        // Output rows whose input row of this tap is inside the image.
        const std::int64_t row = ky * c.dilation_y - c.top;
        const Part rows = inside(row, c.stride_y, c.height, band.rows);
        for (std::int64_t kx = 0; kx < (merged_ ? 1 : c.kernel_x); ++kx) {
          const std::int64_t at = kx * c.dilation_x - c.left;
          const Part pixels =
              copy_x_ ? Part{0, c.out_width} : inside(at, c.stride_x, c.width, {0, c.out_width});
          call.inner = rows.size();
          call.depth = pixels.size();
          call.a = x.data + (rows.begin * c.stride_y + row) * x.row +
                   (pixels.begin * c.stride_x + at) * x.pixel;
          call.b = dy.data + rows.begin * dy.row + pixels.begin * dy.pixel + panel.column;
          call.c = dw + (ky * c.kernel_x + kx) * depth_ * c.out_channels + column;
          call.base = first ? nullptr : call.c;
          call.base_stride = call.c_stride;
          run_tiles(call, tiles.columns, tiles.max_rows, merged_ ? c.kernel_x * depth_ : depth_, 1);
        }
      }
      if (db == nullptr) continue;
      const float one = 1.0f;
      call.a = &one;
      call.a_stride = call.a_inner = call.a_outer = 0;
      call.b = dy.data + band.rows.begin * dy.row + panel.column;
      call.inner = 1;
      call.depth = band.rows.size() * c.out_width;
      call.c = db + column;
      call.base = first ? nullptr : call.c;
      call.base_stride = c.out_channels;
      call.tiles = 1;
      call.ahead = nullptr;
      tiles.columns[0](call);
    }
  }

  // The positions u of `range` with 0 <= u * stride + offset < size.
  static Part inside(std::int64_t offset, std::int64_t stride, std::int64_t size, Part range) {
    const std::int64_t low = offset < 0 ? ceil_div(-offset, stride) : 0;
    const std::int64_t high = size > offset ? ceil_div(size - offset, stride) : 0;
    const std::int64_t begin = std::max(range.begin, low);
    return {begin, std::max(begin, std::min(range.end, high))};
  }

  Convolution conv_;
  PartialGradients sums_;
  std::int64_t depth_ = 0, columns_ = 0;  // channels of a group: of x, of dy
  std::vector<Panel> panels_;
  bool copy_x_ = false, copy_dy_ = false;
  bool merged_ = false;  // the taps of a kernel row are one product
  PaddedRows padded_{};  // of a copied x
  std::int64_t dy_pixel_ = 0;
  std::int64_t band_rows_ = 0, band_images_ = 0, bands_ = 0;
};

}  // namespace

std::unique_ptr<Op> direct_conv2d_weight_grad(const OpSpec& spec) {
  return std::make_unique<DirectConv2dWeightGrad>(spec);
}

}  // namespace fastconv

// Convolutions without im2col: for one row of the kernel, the kernel_x * channels inputs of a pixel
// are contiguous, so a row of outputs is a sum of a few matrix products straight from the image.
// The gradient of the input is the same thing with flipped, transposed weights; a stride splits it
// into classes of pixels, each a dense convolution with some of the taps.
#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/conv2d.h"
#include "ops/fused.h"
#include "ops/panels.h"
#include "ops/pixel_classes.h"

namespace fastconv {
namespace {

constexpr std::int64_t kBandBytes = 256 << 10;    // of the source, to stay in the level-2 cache
constexpr std::int64_t kWeightBytes = 512 << 10;  // larger weights: one panel for the whole batch
constexpr std::int64_t kClipDepth = 16;  // fewer channels: a padded copy is cheaper than clipping
constexpr double kTaskFlops = 2e6;
constexpr double kSharedBands = 64;  // of all images, where images are few

class DirectConv2d final : public Op {
 public:
  DirectConv2d(const OpSpec& spec, bool gradient) : gradient_(gradient) {
    conv_ = gradient ? Convolution::input_grad(spec) : Convolution::forward(spec);
    bias_ = spec.attrs.integer("bias", 0) != 0;
    pool_ = spec.attrs.has("pool");
    const Convolution& c = conv_;
    if (gradient) {
      source_ = {c.out_height, c.out_width, c.out_channels};
      result_ = {c.height, c.width, c.channels};
    } else {
      source_ = {c.height, c.width, c.channels};
      result_ = {c.out_height, c.out_width, c.out_channels};
    }
    for (const PixelClass& k : pixel_classes(c, gradient)) classes_.push_back({k, 0});
    depth_ = source_.channels / c.groups;
    columns_ = result_.channels / c.groups;
    TensorDesc result = spec.outputs[0];
    result.shape = {c.images, result_.height, result_.width, result_.channels};
    epilogue_ = FusedEpilogue(spec, bias_ ? 3 : 2, result);

    panels_ = cut_panels(columns_, classes_[0].x.count);
    for (const Panel& panel : panels_) {
      panel_start_.push_back(panels_width_);
      panels_width_ += panel.tiles->width;
    }
    for (PackedClass& k : classes_) {
      k.weights = packed_size_;
      packed_size_ += c.groups * panel_rows(k) * panels_width_;
      units_ = std::max(units_, k.y.count);
      if (k.x.count == 0 || k.x.taps == 0 || k.y.taps == 0) continue;
      left_ = std::max(left_, -k.x.origin);
      right_ = std::max(right_, k.x.last_read() - (source_.width - 1));
    }
    const bool edges = left_ > 0 || right_ > 0;
    clip_ = edges && depth_ >= kClipDepth && can_clip();
    copy_ = (edges && !clip_) || (c.groups > 1 && depth_ < kClipDepth);
    if (!copy_) left_ = right_ = 0;
    split_panels_ = !pool_ && packed_size_ * 4 > kWeightBytes;

    const std::int64_t row_bytes = padding().row() * 4;
    const bool cached = copy_ || (panels_.size() > 1 && !split_panels_);
    max_rows_ = units_;
    if (cached)
      max_rows_ = std::clamp<std::int64_t>(
          (kBandBytes / std::max<std::int64_t>(1, row_bytes) - reach(1)) / source_stride() + 1, 1,
          std::max<std::int64_t>(1, units_));
    if (pool_) max_rows_ = std::max<std::int64_t>(2, max_rows_ & ~std::int64_t{1});
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t images = conv_.images_in(ctx.batch);
    if (images == 0) return;
    const Weights weights = prepare_weights(ctx);
    const std::int64_t units = pool_ ? units_ / 2 : units_;
    const auto wanted = static_cast<std::int64_t>(
        std::min(conv_.image_flops() / kTaskFlops, kSharedBands / static_cast<double>(images)));
    const std::int64_t bands = std::clamp(wanted, least_bands(), units);
    const std::int64_t groups = split_panels_ ? static_cast<std::int64_t>(panels_.size()) : 1;
    const double tape =
        epilogue_.tape.empty() ? 0 : epilogue_.tape.cost() * static_cast<double>(result_.size());
    const double work = (conv_.image_flops() / 100 + tape) * static_cast<double>(images);
    ctx.threads.parallel_for(
        groups * images * bands, work, [&](std::int64_t task, std::byte* workspace) {
          const std::int64_t band = task % bands, image = task / bands % images;
          const Part panels =
              part(static_cast<std::int64_t>(panels_.size()), groups, task / bands / images);
          const Part rows = part(units, bands, band);
          auto* buffer = reinterpret_cast<float*>(workspace);
          if (pool_)
            run_pooled(ctx, weights, image, rows, buffer);
          else
            run_plain(ctx, weights, image, rows, panels, buffer);
          if (ctx.finished != nullptr) {
            const std::int64_t step = classes_[0].y.out_step, width = result_.width;
            const std::int64_t first = rows.begin * step;
            const std::int64_t count = std::min(rows.end * step, result_.height) - first;
            ctx.finished->rows(task, (image * result_.height + first) * width, count * width,
                               workspace);
          }
        });
  }

  std::size_t scratch_bytes() const override {
    const std::int64_t bias = conv_.groups * panels_width_ + kMaxPanel;  // packed in whole vectors
    return packed_bytes() + static_cast<std::size_t>(bias) * sizeof(float);
  }
  std::size_t packed_bytes() const override {
    return static_cast<std::size_t>(packed_size_) * sizeof(float);
  }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    pack_weights(ctx, reinterpret_cast<float*>(packed));
  }
  std::size_t thread_scratch_bytes() const override {
    const std::int64_t rows = pool_ ? 2 * result_.width * result_.channels : 0;
    return static_cast<std::size_t>(copied_size() + rows) * sizeof(float);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "direct"; }
  std::int64_t stretches(std::int64_t batch) const override {
    const std::int64_t images = conv_.images_in(batch);
    const auto shared = static_cast<std::int64_t>(kSharedBands);
    return pool_ || split_panels_ ? 0 : std::max(images * least_bands(), shared);
  }

 private:
  // Bands of an image that fit into the cache.
  std::int64_t least_bands() const {
    return pool_ ? ceil_div(units_ / 2, max_rows_ / 2) : ceil_div(units_, max_rows_);
  }
  struct PackedClass : PixelClass {
    std::int64_t weights;  // where its packed weights start
  };
  struct Image {
    std::int64_t height, width, channels;
    std::int64_t size() const { return height * width * channels; }
  };
  // Pixel (y, x) of a group's channels is at data + y * row + x * pixel.
  struct Source {
    const float* data;
    std::int64_t row, pixel;
  };
  // In panels, the bias (null: none) padded like them.
  struct Weights {
    const float *packed, *bias;
  };
  // Where results go: element (y, x, 0) of the image is at data + y * row + x * channels.
  struct Target {
    float* data;
    const float* mask;
    std::int64_t row;
  };

  std::int64_t panel_rows(const PixelClass& k) const { return k.y.taps * k.x.taps * depth_; }
  // Offset of panel i in the packed weights of a class and group.
  std::int64_t panels_offset(const PixelClass& k, std::size_t i) const {
    return panel_rows(k) * panel_start_[i];
  }
  std::int64_t source_stride() const { return classes_[0].y.stride; }
  PaddedRows padding() const { return {source_.width, source_.channels, depth_, left_, right_}; }
  // Source rows that `rows` rows of every class read, as a range relative to the first class row.
  std::int64_t lowest() const {
    std::int64_t low = 0;
    for (const PixelClass& k : classes_) low = std::min(low, k.y.origin);
    return low;
  }
  std::int64_t reach(std::int64_t rows) const {
    std::int64_t high = 0;
    for (const PixelClass& k : classes_)
      high = std::max(high, k.y.origin + (rows - 1) * k.y.stride +
                                std::max<std::int64_t>(0, k.y.taps - 1) * k.y.step + 1);
    return high - lowest();
  }
  std::int64_t copied_size() const { return copy_ ? reach(max_rows_) * padding().row() : 0; }

  // Whether the clipped tiles know every case that occurs: at most two pixels outside.
  bool can_clip() const {
    for (const PixelClass& k : classes_)
      for (const Panel& panel : panels_) {
        const std::int64_t tiles = ceil_div(k.x.count, panel.tiles->max_rows);
        for (std::int64_t i = 0; i < tiles; ++i) {
          const Part p = part(k.x.count, tiles, i);
          for (std::int64_t j = 0; j < k.x.taps; ++j) {
            const std::int64_t first = k.x.origin + p.begin * k.x.stride + j * k.x.step;
            const std::int64_t over = first + (p.size() - 1) * k.x.stride - (source_.width - 1);
            const std::int64_t before = first < 0 ? ceil_div(-first, k.x.stride) : 0;
            const std::int64_t after = over > 0 ? ceil_div(over, k.x.stride) : 0;
            if (before + after > 2 || before + after > p.size()) return false;
          }
        }
      }
    return true;
  }

  // Packs the weights unless the plan keeps them packed.
  Weights prepare_weights(const RunContext& ctx) const {
    auto* bias = reinterpret_cast<float*>(ctx.scratch + packed_bytes());
    if (bias_)
      for (std::int64_t group = 0; group < conv_.groups; ++group)
        kernels().gemm.pack(bias + group * panels_width_, static_cast<int>(panels_width_),
                            ctx.input(2) + group * columns_, 0, 1, columns_);
    if (ctx.packed == nullptr) pack_weights(ctx, reinterpret_cast<float*>(ctx.scratch));
    return {reinterpret_cast<const float*>(ctx.packed == nullptr ? ctx.scratch : ctx.packed),
            bias_ ? bias : nullptr};
  }

  void pack_weights(const RunContext& ctx, float* packed) const {
    const float* w = ctx.input(1);
    const auto classes = static_cast<std::int64_t>(classes_.size());
    const auto panels = static_cast<std::int64_t>(panels_.size());
    const std::int64_t tap_size = conv_.group_channels() * conv_.out_channels;
    const std::int64_t kernel_rows = conv_.kernel_y;
    ctx.threads.parallel_for(
        classes * conv_.groups * panels * kernel_rows, 0.1 * static_cast<double>(packed_size_),
        [&](std::int64_t task, std::byte*) {
          const GemmKernels& kernel = kernels().gemm;
          const std::int64_t jy = task % kernel_rows,
                             group = task / kernel_rows / panels % conv_.groups;
          const auto i = static_cast<std::size_t>(task / kernel_rows % panels);
          const PackedClass& k =
              classes_[static_cast<std::size_t>(task / kernel_rows / panels / conv_.groups)];
          const Panel& panel = panels_[i];
          const int width = panel.tiles->width;
          float* to =
              packed + k.weights + group * panel_rows(k) * panels_width_ + panels_offset(k, i);
          if (jy >= k.y.taps) return;
          to += jy * k.x.taps * depth_ * width;
          const std::int64_t ky = k.y.weight_first + jy * k.y.weight_step;
          for (std::int64_t jx = 0; jx < k.x.taps; ++jx, to += depth_ * width) {
            const std::int64_t kx = k.x.weight_first + jx * k.x.weight_step;
            const float* tap = w + (ky * conv_.kernel_x + kx) * tap_size;
            if (gradient_)
              kernel.pack_transposed(to, width,
                                     tap + panel.column * conv_.out_channels + group * depth_,
                                     conv_.out_channels, depth_, panel.columns);
            else
              kernel.pack(to, width, tap + group * columns_ + panel.column, conv_.out_channels,
                          depth_, panel.columns);
          }
        });
  }

  // The source of class rows `rows`, copied with padding if it has to be.
  Source prepare(const RunContext& ctx, std::int64_t image, std::int64_t group, Part rows,
                 float* buffer) const {
    const float* data = ctx.input(0) + image * source_.size() + group * depth_;
    if (!copy_) return {data, source_.width * source_.channels, source_.channels};
    const PaddedRows padded = padding();
    const std::int64_t top = rows.begin * source_stride() + lowest();
    const Part inside{std::max<std::int64_t>(0, top),  // rows outside are never read
                      std::min(source_.height, top + reach(rows.size()))};
    padded.copy(data, inside, buffer + (inside.begin - top) * padded.row());
    return {buffer + left_ * depth_ - top * padded.row(), padded.row(), depth_};
  }

  // Class rows `rows` of one group and some panels.
  void compute(const Weights& w, const Source& source, const Target& target, std::int64_t group,
               Part rows, Part panels) const {
    const std::int64_t channels = result_.channels;
    for (const PackedClass& k : classes_) {
      if (k.x.count == 0) continue;
      const bool contiguous = k.x.step == 1 && source.pixel == depth_;
      const float* group_weights = w.packed + k.weights + group * panel_rows(k) * panels_width_;
      for (std::int64_t p = panels.begin; p < panels.end; ++p) {
        const Panel& panel = panels_[static_cast<std::size_t>(p)];
        const TileSet& tiles = *panel.tiles;
        const float* weights = group_weights + panels_offset(k, static_cast<std::size_t>(p));
        for (std::int64_t t = rows.begin; t < std::min(rows.end, k.y.count); ++t) {
          const Part taps = k.y.taps_inside(t, source_.height);
          const std::int64_t top = k.y.origin + t * k.y.stride + taps.begin * k.y.step;
          TileCall call{};
          call.a = source.data + top * source.row + k.x.origin * source.pixel;
          call.a_stride = k.x.stride * source.pixel;
          call.b = weights + taps.begin * k.x.taps * depth_ * tiles.width;
          call.b_stride = tiles.width;
          call.outer = taps.size();
          call.a_outer = k.y.step * source.row;
          call.b_outer = k.x.taps * depth_ * tiles.width;
          call.inner = contiguous ? 1 : k.x.taps;
          call.a_inner = k.x.step * source.pixel;
          call.b_inner = depth_ * tiles.width;
          call.depth = contiguous ? k.x.taps * depth_ : depth_;
          if (w.bias != nullptr)
            call.base = w.bias + group * panels_width_ + panel_start_[static_cast<std::size_t>(p)];
          const std::int64_t at = (k.y.out_first + t * k.y.out_step) * target.row +
                                  k.x.out_first * channels + group * columns_ + panel.column;
          call.c = target.data + at;
          call.c_stride = k.x.out_step * channels;
          call.columns = panel.columns;
          call.floor = epilogue_.relu ? 0.0f : -INFINITY;
          call.mask = target.mask == nullptr ? nullptr : target.mask + at;
          if (clip_ && (k.x.origin < 0 || k.x.last_read() >= source_.width))
            run_clipped(call, k.x, tiles);
          else
            run_tiles(call, tiles.rows, tiles.max_rows, k.x.count, call.a_stride);
        }
      }
    }
  }

  void run_clipped(const TileCall& row, const Axis& x, const TileSet& tiles) const {
    const std::int64_t count = ceil_div(x.count, tiles.max_rows);
    for (std::int64_t i = 0; i < count; ++i) {
      const Part p = part(x.count, count, i);
      TileCall call = row;
      call.a += p.begin * call.a_stride;
      call.c += p.begin * call.c_stride;
      if (call.mask != nullptr) call.mask += p.begin * call.c_stride;
      call.tiles = 1;
      call.first = x.origin + p.begin * x.stride;
      const std::int64_t last = call.first + (p.size() - 1) * x.stride + (x.taps - 1) * x.step;
      if (call.first >= 0 && last < source_.width) {
        tiles.rows[p.size() - 1](call);
        continue;
      }
      call.inner = x.taps;
      call.depth = depth_;
      call.step = x.stride;
      call.inner_step = x.step;
      call.limit = source_.width;
      tiles.clipped[p.size() - 1](call);
    }
  }

  void run_plain(const RunContext& ctx, const Weights& weights, std::int64_t image, Part rows,
                 Part panels, float* buffer) const {
    const float* mask = epilogue_.mask_of(ctx);
    const std::int64_t offset = image * result_.size();
    const Target target{ctx.output(0) + offset, mask == nullptr ? nullptr : mask + offset,
                        result_.width * result_.channels};
    for (std::int64_t group = 0; group < conv_.groups; ++group)
      compute(weights, prepare(ctx, image, group, rows, buffer), target, group, rows, panels);
    const std::int64_t step = classes_[0].y.out_step;
    const std::int64_t first = rows.begin * step, last = std::min(rows.end * step, result_.height);
    const Panel &left = panels_[static_cast<std::size_t>(panels.begin)],
                &right = panels_[static_cast<std::size_t>(panels.end - 1)];
    const std::int64_t width = right.column + right.columns - left.column;
    for (std::int64_t group = 0; group < (width == columns_ ? 1 : conv_.groups); ++group)
      epilogue_.run(ctx, ctx.output(0), result_.channels,
                    (image * result_.height + first) * result_.width,
                    (last - first) * result_.width, group * columns_ + left.column,
                    width == columns_ ? result_.channels : width);
  }

  // Rows of the pooled result; the convolution's own result never leaves a buffer of two rows.
  void run_pooled(const RunContext& ctx, const Weights& weights, std::int64_t image, Part rows,
                  float* buffer) const {
    const std::int64_t row = result_.width * result_.channels;
    float* two_rows = buffer + copied_size();
    const float* mask = epilogue_.mask_of(ctx);
    const Target target{two_rows, mask == nullptr ? nullptr : mask + image * result_.size(), row};
    const Part panels{0, static_cast<std::int64_t>(panels_.size())};
    const std::int64_t pooled_row = result_.width / 2 * result_.channels;
    const PoolShape shape{.height = 2,
                          .width = result_.width,
                          .channels = result_.channels,
                          .out_height = 1,
                          .out_width = result_.width / 2,
                          .pool_y = 2,
                          .pool_x = 2,
                          .stride_y = 2,
                          .stride_x = 2,
                          .top = 0,
                          .left = 0,
                          .reciprocal = nullptr};
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      for (std::int64_t group = 0; group < conv_.groups; ++group) {
        const Part pair{2 * y, 2 * y + 2};
        const Source source = prepare(ctx, image, group, pair, buffer);
        Target shifted = target;
        shifted.data -= 2 * y * row;
        compute(weights, source, shifted, group, pair, panels);
      }
      if (!epilogue_.tape.empty())
        epilogue_.tape.run(ctx, two_rows, (image * result_.height + 2 * y) * row, 2 * row);
      const std::int64_t at = (image * (result_.height / 2) + y) * pooled_row;
      kernels().pool.max_u8(shape, two_rows, 0, ctx.output(0) + at,
                            ctx.output<std::uint8_t>(1) + at);
    }
  }

  Convolution conv_;
  bool gradient_, bias_ = false, pool_ = false;
  Image source_{}, result_{};
  std::int64_t depth_ = 0, columns_ = 0;  // channels of a group: of the source, of the result
  FusedEpilogue epilogue_;
  std::vector<PackedClass> classes_;
  std::vector<Panel> panels_;
  std::vector<std::int64_t> panel_start_;  // where each starts, all side by side
  std::int64_t panels_width_ = 0;
  std::int64_t packed_size_ = 0;
  std::int64_t units_ = 0, max_rows_ = 0;  // class rows: of the whole result, most in a band
  std::int64_t left_ = 0, right_ = 0;      // padding of a copied source
  bool clip_ = false, copy_ = false, split_panels_ = false;
};

}  // namespace

std::unique_ptr<Op> direct_conv2d(const OpSpec& spec) {
  return std::make_unique<DirectConv2d>(spec, false);
}
std::unique_ptr<Op> direct_conv2d_input_grad(const OpSpec& spec) {
  return std::make_unique<DirectConv2d>(spec, true);
}

}  // namespace fastconv

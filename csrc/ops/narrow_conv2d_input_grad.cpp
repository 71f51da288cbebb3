// The gradient of an image of few channels. The taps of a kernel row and the channels together are
// the columns of a product, wide enough for vectors: for a row of dx, its terms from every pixel of
// dy, summed over channels and kernel rows in registers, are then added where they belong.
#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/conv2d.h"
#include "ops/fused.h"
#include "ops/panels.h"
#include "ops/pixel_classes.h"

namespace fastconv {
namespace {

constexpr double kTaskFlops = 2e6;

class NarrowConv2dInputGrad final : public Op {
 public:
  explicit NarrowConv2dInputGrad(const OpSpec& spec)
      : conv_(Convolution::input_grad(spec)), epilogue_(spec, 2, spec.outputs[0]) {
    columns_ = conv_.kernel_x * conv_.channels;
    panels_ = cut_panels(columns_, conv_.out_width);
    for (const Panel& panel : panels_) width_ += panel.tiles->width;
    // Classes differ in both phases; here those of the rows matter.
    for (const PixelClass& k : pixel_classes(conv_, true))
      if (k.x.out_first == 0) rows_.push_back(k.y);
    for (const Axis& y : rows_) {
      first_weights_.push_back(packed_size_);
      packed_size_ += y.taps * conv_.out_channels * width_;
    }
  }

  void run(const RunContext& ctx) const override {
    const Convolution& c = conv_;
    pack_weights(ctx);
    const std::int64_t images = c.images_in(ctx.batch);
    const std::int64_t bands = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(c.image_flops() / kTaskFlops), 1, c.height);
    const double tape = epilogue_.empty() ? 0 : epilogue_.cost();
    const double work = (c.image_flops() / 60 + tape * static_cast<double>(c.image_size())) *
                        static_cast<double>(images);
    ctx.threads.parallel_for(images * bands, work, [&](std::int64_t task, std::byte* workspace) {
      const std::int64_t image = task / bands;
      const Part rows = part(c.height, bands, task % bands);
      const std::int64_t row = c.width * c.channels;
      for (std::int64_t y = rows.begin; y < rows.end; ++y)
        run_row(ctx, image, y, reinterpret_cast<float*>(workspace));
      const std::int64_t at = image * c.image_size() + rows.begin * row;
      if (!epilogue_.empty()) epilogue_.run(ctx, ctx.output(0) + at, at, rows.size() * row);
    });
  }
  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(packed_size_) * sizeof(float);
  }
  std::size_t thread_scratch_bytes() const override {
    return static_cast<std::size_t>(conv_.out_width * width_) * sizeof(float);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "direct"; }

 private:
  void pack_weights(const RunContext& ctx) const {
    const Convolution& c = conv_;
    auto* to = reinterpret_cast<float*>(ctx.scratch);
    for (const Axis& y : rows_)
      for (const Panel& panel : panels_)
        for (std::int64_t j = 0; j < y.taps; ++j, to += c.out_channels * panel.tiles->width) {
          const std::int64_t ky = y.weight_first + j * y.weight_step;
          kernels().gemm.pack_transposed(
              to, panel.tiles->width,
              ctx.input(1) + (ky * columns_ + panel.column) * c.out_channels, c.out_channels,
              c.out_channels, panel.columns);
        }
  }

  void run_row(const RunContext& ctx, std::int64_t image, std::int64_t row, float* terms) const {
    const Convolution& c = conv_;
    float* dx = ctx.output(0) + image * c.image_size() + row * c.width * c.channels;
    std::fill_n(dx, c.width * c.channels, 0.0f);
    const auto phase = static_cast<std::size_t>(row % c.stride_y);
    const Axis& y = rows_[phase];
    const std::int64_t t = row / c.stride_y;
    const Part taps = y.taps_inside(t, c.out_height);
    if (taps.size() == 0) return;

    const std::int64_t top = y.origin + t + taps.begin * y.step;
    const std::int64_t dy_row = c.out_width * c.out_channels;
    TileCall call{};
    call.a = ctx.input(0) + image * c.out_image_size() + top * dy_row;
    call.a_stride = call.depth = c.out_channels;
    call.outer = taps.size();
    call.a_outer = y.step * dy_row;
    call.inner = 1;
    call.c_stride = width_;
    call.floor = -INFINITY;
    const float* weights = reinterpret_cast<const float*>(ctx.scratch) + first_weights_[phase];
    std::int64_t column = 0;
    for (const Panel& panel : panels_) {
      const std::int64_t width = panel.tiles->width;
      call.b = weights + taps.begin * c.out_channels * width;
      call.b_stride = call.columns = width;
      call.b_outer = c.out_channels * width;
      call.c = terms + column;
      run_tiles(call, panel.tiles->rows, panel.tiles->max_rows, c.out_width, c.out_channels);
      weights += y.taps * c.out_channels * width;
      column += width;
    }
    add_terms(terms, dx);
  }

  // Column (kx, channel) of output pixel u belongs to pixel u * stride - left + kx * dilation.
  void add_terms(const float* terms, float* dx) const {
    const Convolution& c = conv_;
    const auto add = kernels().gemm.add;
    const std::int64_t taps = c.dilation_x == 1 ? c.kernel_x : 1;  // contiguous in dx
    for (std::int64_t u = 0; u < c.out_width; ++u)
      for (std::int64_t kx = 0; kx < c.kernel_x; kx += taps) {
        const std::int64_t x = u * c.stride_x - c.left + kx * c.dilation_x;
        const std::int64_t first = std::max<std::int64_t>(0, -x);
        const std::int64_t last = std::min(taps, c.width - x);
        if (first < last)
          add(dx + (x + first) * c.channels, terms + u * width_ + (kx + first) * c.channels,
              (last - first) * c.channels);
      }
  }

  Convolution conv_;
  Epilogue epilogue_;
  std::int64_t columns_ = 0, width_ = 0;  // taps of a kernel row times channels; padded
  std::vector<Panel> panels_;
  std::vector<Axis> rows_;  // one for each phase of the vertical stride
  std::vector<std::int64_t> first_weights_;
  std::int64_t packed_size_ = 0;
};

}  // namespace

std::unique_ptr<Op> narrow_conv2d_input_grad(const OpSpec& spec) {
  return std::make_unique<NarrowConv2dInputGrad>(spec);
}

}  // namespace fastconv

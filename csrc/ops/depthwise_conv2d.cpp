// Depthwise convolutions: every channel has `multiplier` filters of its own. A row is worked on
// with all filters side by side; with a multiplier above one, images are spread out to that first.
#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/conv2d.h"
#include "ops/fused.h"
#include "ops/panels.h"
#include "ops/partial_gradients.h"
#include "ops/pixel_classes.h"

namespace fastconv {
namespace {

constexpr double kTaskFlops = 2e6;
constexpr std::int64_t kMaxChunks = 16;

// Pixels of `channels` as `multiplier` copies of each channel side by side.
void spread(const float* from, std::int64_t count, std::int64_t multiplier, float* to) {
  for (std::int64_t i = 0; i < count; ++i, to += multiplier) std::fill_n(to, multiplier, from[i]);
}

// Forward, and the gradient of the input.
class DepthwiseConv2d final : public Op {
 public:
  DepthwiseConv2d(const OpSpec& spec, bool gradient) : gradient_(gradient) {
    conv_ = gradient ? Convolution::input_grad(spec) : Convolution::forward(spec);
    bias_ = spec.attrs.integer("bias", 0) != 0;
    epilogue_ = FusedEpilogue(spec, bias_ ? 3 : 2, spec.outputs[0]);
    multiplier_ = conv_.group_out_channels();
    filters_ = conv_.out_channels;
    classes_ = pixel_classes(conv_, gradient);
    source_height_ = gradient ? conv_.out_height : conv_.height;
    source_width_ = gradient ? conv_.out_width : conv_.width;
    result_height_ = gradient ? conv_.height : conv_.out_height;
    result_width_ = gradient ? conv_.width : conv_.out_width;
    for (const PixelClass& k : classes_) units_ = std::max(units_, k.y.count);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t images = conv_.images_in(ctx.batch);
    const std::int64_t bands = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(conv_.image_flops() / kTaskFlops), 1, units_);
    const double tape = epilogue_.tape.empty() ? 0 : epilogue_.tape.cost();
    const double work =
        conv_.flops(ctx.batch) / 20 + tape * static_cast<double>(images * result_size());
    ctx.threads.parallel_for(images * bands, work, [&](std::int64_t task, std::byte* workspace) {
      run_band(ctx, task / bands, part(units_, bands, task % bands),
               reinterpret_cast<float*>(workspace));
    });
  }
  std::size_t thread_scratch_bytes() const override {
    if (multiplier_ == 1) return 0;
    const std::int64_t floats =
        gradient_ ? result_width_ * filters_ : conv_.kernel_y * source_width_ * filters_;
    return static_cast<std::size_t>(floats) * sizeof(float);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "depthwise"; }

 private:
  std::int64_t result_channels() const { return gradient_ ? conv_.channels : filters_; }
  std::int64_t result_size() const { return result_height_ * result_width_ * result_channels(); }

  void run_band(const RunContext& ctx, std::int64_t image, Part units, float* buffer) const {
    const std::int64_t row = result_width_ * result_channels();
    for (const PixelClass& k : classes_)
      for (std::int64_t t = units.begin; t < std::min(units.end, k.y.count); ++t) {
        const std::int64_t y = k.y.out_first + t * k.y.out_step;
        run_row(ctx, k, image, t, image * result_size() + y * row, buffer);
      }
    const std::int64_t step = classes_[0].y.out_step;
    const std::int64_t first = units.begin * step,
                       last = std::min(units.end * step, result_height_);
    epilogue_.run(ctx, ctx.output(0), result_channels(),
                  (image * result_height_ + first) * result_width_, (last - first) * result_width_,
                  0, result_channels());
  }

  // Row t of a class; the result's row starts at element `at`.
  void run_row(const RunContext& ctx, const PixelClass& k, std::int64_t image, std::int64_t t,
               std::int64_t at, float* buffer) const {
    const Part taps = k.y.taps_inside(t, source_height_);
    const std::int64_t top = k.y.origin + t * k.y.stride;
    const std::int64_t source_channels = gradient_ ? filters_ : conv_.channels;
    const std::int64_t source_row = source_width_ * source_channels;
    const float* source = ctx.input(0) + image * source_height_ * source_row;
    DepthwiseCall call{};
    call.channels = filters_;
    call.rows = taps.size();
    call.x = source + (top + taps.begin * k.y.step) * source_row;
    call.x_row = k.y.step * source_row;
    call.x_tap = k.x.step * filters_;
    call.x_pixel = k.x.stride * filters_;
    call.w = ctx.input(1) + ((k.y.weight_first + taps.begin * k.y.weight_step) * conv_.kernel_x +
                             k.x.weight_first) *
                                filters_;
    call.w_row = k.y.weight_step * conv_.kernel_x * filters_;
    call.w_tap = k.x.weight_step * filters_;
    const bool spread_source = multiplier_ > 1 && !gradient_;
    const bool gather_result = multiplier_ > 1 && gradient_;
    if (spread_source) {
      for (std::int64_t i = 0; i < call.rows; ++i)
        spread(call.x + i * call.x_row, source_row, multiplier_,
               buffer + i * source_width_ * filters_);
      call.x = buffer;
      call.x_row = source_width_ * filters_;
    }
    const float* mask = epilogue_.mask_of(ctx);
    call.base = bias_ ? ctx.input(2) : nullptr;
    call.floor = epilogue_.relu && !gather_result ? 0.0f : -INFINITY;
    call.y = ctx.output(0) + at + k.x.out_first * filters_;
    call.y_pixel = k.x.out_step * filters_;
    call.mask = mask == nullptr || gather_result ? nullptr : mask + at + k.x.out_first * filters_;
    if (gather_result) {
      call.y = buffer;
      call.y_pixel = filters_;
    }
    run_pixels(call, k.x);
    if (gather_result) gather(k.x, buffer, mask, ctx.output(0), at);
  }

  // A row of pixels: those in the middle read all taps, the ones at the edges only some.
  void run_pixels(const DepthwiseCall& row, const Axis& x) const {
    Part middle{0, x.count};
    for (std::int64_t j = 0; j < x.taps; ++j) {
      const Part some = x.positions_inside(j, source_width_);
      middle = {std::max(middle.begin, some.begin), std::min(middle.end, some.end)};
    }
    if (middle.end < middle.begin) middle = {0, 0};
    const auto pixels = [&](Part range, Part taps) {
      DepthwiseCall call = row;
      call.pixels = range.size();
      call.taps = taps.size();
      call.x += (x.origin + taps.begin * x.step) * filters_ + range.begin * row.x_pixel;
      call.w += taps.begin * row.w_tap;
      call.y += range.begin * row.y_pixel;
      if (call.mask != nullptr) call.mask += range.begin * row.y_pixel;
      kernels().depthwise.convolve(call);
    };
    for (std::int64_t u = 0; u < x.count; ++u) {
      if (u == middle.begin && middle.size() > 0) {
        pixels(middle, {0, x.taps});
        u = middle.end - 1;
        continue;
      }
      pixels({u, u + 1}, x.taps_inside(u, source_width_));
    }
  }

  // The gradients of a channel's filters added up to that of the channel.
  void gather(const Axis& x, const float* buffer, const float* mask, float* dx,
              std::int64_t at) const {
    for (std::int64_t u = 0; u < x.count; ++u)
      for (std::int64_t c = 0; c < conv_.channels; ++c) {
        float sum = 0;
        for (std::int64_t j = 0; j < multiplier_; ++j)
          sum += buffer[u * filters_ + c * multiplier_ + j];
        const std::int64_t i = at + (x.out_first + u * x.out_step) * conv_.channels + c;
        if (mask != nullptr && !(mask[i] > 0)) sum = 0;
        dx[i] = epilogue_.relu && sum < 0 ? 0 : sum;
      }
  }

  Convolution conv_;
  bool gradient_, bias_ = false;
  FusedEpilogue epilogue_;
  std::int64_t multiplier_ = 1, filters_ = 0;
  std::int64_t source_height_ = 0, source_width_ = 0, result_height_ = 0, result_width_ = 0;
  std::int64_t units_ = 0;  // rows of the largest class
  std::vector<PixelClass> classes_;
};

// The gradient of the weights, in chunks of images with sums of their own.
class DepthwiseConv2dWeightGrad final : public Op {
 public:
  explicit DepthwiseConv2dWeightGrad(const OpSpec& spec)
      : conv_(Convolution::weight_grad(spec)),
        sums_(conv_.weights_size(), spec.attrs.integer("bias", 0) != 0 ? conv_.out_channels : 0),
        multiplier_(conv_.group_out_channels()),
        axes_(pixel_classes(conv_, false)[0]) {}

  void run(const RunContext& ctx) const override {
    const std::int64_t images = conv_.images_in(ctx.batch), chunks = chunks_of(images);
    ctx.threads.parallel_for(
        chunks, conv_.flops(ctx.batch) / 20, [&](std::int64_t chunk, std::byte* workspace) {
          sums_.clear(ctx, chunk);
          const Part mine = part(images, chunks, chunk);
          for (std::int64_t image = mine.begin; image < mine.end; ++image)
            add_image(ctx, image, sums_.weights(ctx, chunk), sums_.bias(ctx, chunk),
                      reinterpret_cast<float*>(workspace));
        });
    sums_.add_up(ctx, chunks);
  }
  std::size_t scratch_bytes() const override {
    return sums_.scratch_bytes(chunks_of(conv_.images));
  }
  std::size_t thread_scratch_bytes() const override {
    if (multiplier_ == 1) return 0;
    return static_cast<std::size_t>(conv_.width * conv_.out_channels) * sizeof(float);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "depthwise"; }

 private:
  static std::int64_t chunks_of(std::int64_t images) {
    return std::clamp<std::int64_t>(images, 1, kMaxChunks);
  }

  void add_image(const RunContext& ctx, std::int64_t image, float* dw, float* db,
                 float* buffer) const {
    const DepthwiseKernels& kernel = kernels().depthwise;
    const std::int64_t filters = conv_.out_channels;
    const float* x = ctx.input(0) + image * conv_.image_size();
    const float* dy = ctx.input(1) + image * conv_.out_image_size();
    for (std::int64_t iy = 0; iy < conv_.height; ++iy) {
      const float* row = x + iy * conv_.width * conv_.channels;
      if (multiplier_ > 1) {
        spread(row, conv_.width * conv_.channels, multiplier_, buffer);
        row = buffer;
      }
      for (std::int64_t ky = 0; ky < conv_.kernel_y; ++ky) {
        const std::int64_t position = iy - axes_.y.origin - ky * axes_.y.step;
        if (position < 0 || position % axes_.y.stride != 0) continue;
        const std::int64_t oy = position / axes_.y.stride;
        if (oy >= conv_.out_height) continue;
        for (std::int64_t kx = 0; kx < conv_.kernel_x; ++kx) {
          const Part u = axes_.x.positions_inside(kx, conv_.width);
          const std::int64_t ix = axes_.x.origin + kx * axes_.x.step + u.begin * axes_.x.stride;
          kernel.correlate(row + ix * filters, axes_.x.stride * filters,
                           dy + (oy * conv_.out_width + u.begin) * filters, filters, u.size(),
                           filters, dw + (ky * conv_.kernel_x + kx) * filters);
        }
      }
    }
    if (db != nullptr) kernel.sum(dy, filters, conv_.out_height * conv_.out_width, filters, db);
  }

  Convolution conv_;
  PartialGradients sums_;
  std::int64_t multiplier_;
  PixelClass axes_;
};

}  // namespace

std::unique_ptr<Op> depthwise_conv2d(const OpSpec& spec) {
  return std::make_unique<DepthwiseConv2d>(spec, false);
}
std::unique_ptr<Op> depthwise_conv2d_input_grad(const OpSpec& spec) {
  return std::make_unique<DepthwiseConv2d>(spec, true);
}
std::unique_ptr<Op> depthwise_conv2d_weight_grad(const OpSpec& spec) {
  return std::make_unique<DepthwiseConv2dWeightGrad>(spec);
}

}  // namespace fastconv

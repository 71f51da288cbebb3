// Convolutions with few filters leave most lanes of a vector idle. Here some neighbouring pixels of
// a row, with all their filters, are one pixel of a convolution with more filters, a wider kernel
// and a larger stride: the same floats in memory. Its kernel holds the weights once for each of the
// pixels, moved by a stride, between zeros. As 0 times NaN or infinity is NaN, an image that has
// one of these is made once more the plain way.
#include <algorithm>
#include <vector>

#include "dispatch/dispatch.h"
#include "ops/conv2d.h"
#include "runtime/arena.h"
#include "runtime/finite.h"

namespace fastconv {
namespace {

constexpr double kLeastGain = 1.3;  // in multiplications

std::int64_t folded_taps(const Convolution& c, std::int64_t pixels) {
  return c.kernel_x + (pixels - 1) * c.stride_x;
}

class FoldedConv2d final : public Op {
 public:
  FoldedConv2d(const OpSpec& spec, std::int64_t pixels)
      : conv_(Convolution::forward(spec)), pixels_(pixels), inputs_(spec.inputs.size()) {
    const Convolution& c = conv_;
    bias_ = spec.attrs.integer("bias", 0) != 0;
    taps_ = folded_taps(c, pixels);
    filters_ = pixels * c.out_channels;
    OpSpec wide = spec;
    const std::vector<std::int64_t> narrow = spec.outputs[0].shape;
    const std::vector<std::int64_t> shape{narrow[0], c.out_height, c.out_width / pixels, filters_};
    wide.inputs[1].shape = {c.kernel_y, taps_, c.channels, filters_};
    if (bias_) wide.inputs[2].shape = {filters_};
    for (std::size_t i = first_extra(); i < inputs_; ++i)
      if (wide.inputs[i].shape == narrow) wide.inputs[i].shape = shape;
    wide.outputs[0].shape = shape;
    const std::int64_t read = (c.out_width - 1) * c.stride_x + c.kernel_x - c.left;
    const std::int64_t right = std::max<std::int64_t>(0, read - c.width);
    wide.attrs.set("padding", std::vector<std::int64_t>{c.top, c.bottom, c.left, right});
    wide.attrs.set("strides", std::vector<std::int64_t>{c.stride_y, c.stride_x * pixels});
    op_ = direct_conv2d(wide);
    OpSpec alone = spec;
    for (std::size_t i = 0; i < inputs_; ++i) {
      const bool per_image = i == 0 || (i >= first_extra() && spec.inputs[i].shape == narrow);
      const std::int64_t size = i == 0 ? conv_.image_size() : conv_.out_image_size();
      image_bytes_.push_back(
          per_image ? static_cast<std::size_t>(size) * size_of(spec.inputs[i].dtype) : 0);
      if (per_image) alone.inputs[i].shape[0] = 1;
    }
    alone.outputs[0].shape[0] = 1;
    plain_ = direct_conv2d(alone);
    weights_bytes_ = aligned(static_cast<std::size_t>(weights_size()) * sizeof(float));
    bias_bytes_ = aligned(static_cast<std::size_t>(bias_ ? filters_ : 0) * sizeof(float));
    pointers_bytes_ = aligned(inputs_ * sizeof(void*));
    own_ = weights_bytes_ + bias_bytes_ + pointers_bytes_ +
           aligned(static_cast<std::size_t>(conv_.images));
  }

  void run(const RunContext& ctx) const override {
    auto* weights = reinterpret_cast<float*>(ctx.scratch);
    auto* bias = reinterpret_cast<float*>(ctx.scratch + weights_bytes_);
    auto* in = reinterpret_cast<void**>(ctx.scratch + weights_bytes_ + bias_bytes_);
    std::copy_n(ctx.in.data(), inputs_, in);
    in[1] = weights;
    if (ctx.packed == nullptr) fold_weights(ctx.input(1), weights);
    if (bias_) {
      in[2] = bias;
      for (std::int64_t p = 0; p < pixels_; ++p)
        std::copy_n(ctx.input(2), conv_.out_channels, bias + p * conv_.out_channels);
    }
    op_->run(ctx.within({in, inputs_}, ctx.scratch + own_));
    repeat_images(ctx, in);
  }
  std::size_t scratch_bytes() const override {
    return own_ + std::max(op_->scratch_bytes(), plain_->scratch_bytes());
  }
  std::size_t thread_scratch_bytes() const override {
    return std::max(op_->thread_scratch_bytes(), plain_->thread_scratch_bytes());
  }
  std::size_t packed_bytes() const override { return op_->packed_bytes(); }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    std::vector<float> weights(static_cast<std::size_t>(weights_size()));
    fold_weights(ctx.input(1), weights.data());
    std::vector<void*> in(ctx.in.begin(), ctx.in.end());
    in[1] = weights.data();
    op_->pack(ctx.within(in, ctx.scratch), packed);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return op_->algorithm(); }

 private:
  std::size_t first_extra() const { return bias_ ? 3 : 2; }
  std::int64_t weights_size() const { return conv_.kernel_y * taps_ * conv_.channels * filters_; }

  void fold_weights(const float* w, float* folded) const {
    const Convolution& c = conv_;
    std::fill_n(folded, weights_size(), 0.0F);
    for (std::int64_t y = 0; y < c.kernel_y; ++y)
      for (std::int64_t p = 0; p < pixels_; ++p)
        for (std::int64_t i = 0; i < c.kernel_x * c.channels; ++i) {
          const float* from = w + (y * c.kernel_x * c.channels + i) * c.out_channels;
          float* to = folded + ((y * taps_ + p * c.stride_x) * c.channels + i) * filters_;
          std::copy_n(from, c.out_channels, to + p * c.out_channels);
        }
  }

  // Those that are not finite everywhere.
  void repeat_images(const RunContext& ctx, void** in) const {
    const std::int64_t images = conv_.images_in(ctx.batch), size = conv_.image_size();
    auto* finite =
        reinterpret_cast<bool*>(ctx.scratch + weights_bytes_ + bias_bytes_ + pointers_bytes_);
    ctx.threads.parallel_for(images, static_cast<double>(images * size) * 0.2,
                             [&](std::int64_t image, std::byte*) {
                               finite[image] = all_finite(ctx.input(0) + image * size, size);
                             });
    for (std::int64_t image = 0; image < images; ++image) {
      if (finite[image]) continue;
      for (std::size_t i = 0; i < inputs_; ++i)
        in[i] =
            static_cast<std::byte*>(ctx.in[i]) + static_cast<std::size_t>(image) * image_bytes_[i];
      void* out = ctx.output(0) + image * conv_.out_image_size();
      plain_->run(
          {1, {in, inputs_}, {&out, 1}, ctx.scratch + own_, ctx.threads, ctx.seed, ctx.step});
    }
  }

  Convolution conv_;
  std::int64_t pixels_, taps_ = 0, filters_ = 0;
  std::size_t inputs_, weights_bytes_ = 0, bias_bytes_ = 0, pointers_bytes_ = 0, own_ = 0;
  bool bias_ = false;
  std::vector<std::size_t> image_bytes_;  // of an image of each input; 0 where all share one
  std::unique_ptr<Op> op_, plain_;        // on all images; on one
};

}  // namespace

std::int64_t folded_pixels(const OpSpec& spec, const Convolution& c) {
  if (c.groups > 1 || c.dilation_x > 1 || spec.attrs.has("pool") || c.out_channels == 0 ||
      c.out_width == 0 || c.kernel_x == 0)
    return 1;
  // Its mask follows from the place in the whole batch, which an image on its own does not know.
  if (spec.attrs.text("epilogue", "").find("dropout") != std::string::npos) return 1;
  for (std::size_t i = spec.attrs.integer("bias", 0) != 0 ? 3 : 2; i < spec.inputs.size(); ++i)
    if (spec.inputs[i].shape != spec.outputs[0].shape && spec.inputs[i].max_size() != 1) return 1;
  std::int64_t best = 1;
  double most = kLeastGain;
  for (std::int64_t pixels = 2; pixels * c.out_channels <= kernels().gemm.vector; ++pixels) {
    if (c.out_width % pixels != 0) continue;
    const double gain =
        static_cast<double>(pixels * c.kernel_x) / static_cast<double>(folded_taps(c, pixels));
    if (gain > most) best = pixels, most = gain;
  }
  return best;
}

std::unique_ptr<Op> folded_conv2d(const OpSpec& spec, std::int64_t pixels) {
  return std::make_unique<FoldedConv2d>(spec, pixels);
}

}  // namespace fastconv

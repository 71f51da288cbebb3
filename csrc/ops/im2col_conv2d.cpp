// Convolutions as im2col and matrix products, band by band: the plain algorithm, for any shape.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/conv2d.h"
#include "ops/fused.h"
#include "ops/gemm.h"
#include "ops/im2col.h"
#include "ops/partial_gradients.h"

namespace fastconv {
namespace {

constexpr std::int64_t kBandBytes = 512 << 10;  // of columns
constexpr std::int64_t kMaxChunks = 16;

// What the three directions share: bands of output rows, and their columns.
class Im2colConv2d : public Op {
 public:
  explicit Im2colConv2d(const Convolution& conv) : conv_(conv) {
    k_ = conv.taps() * conv.group_channels();
    n_ = conv.group_out_channels();
    const std::int64_t row_bytes = conv.out_width * k_ * 4;
    band_rows_ = std::clamp<std::int64_t>(kBandBytes / std::max<std::int64_t>(1, row_bytes), 1,
                                          conv.out_height);
    bands_ = ceil_div(conv.out_height, band_rows_);
  }
  double flops(std::int64_t batch) const override { return conv_.flops(batch); }
  std::string algorithm() const override { return "im2col"; }

 protected:
  std::int64_t cols_size() const { return ceil_div(band_rows_ * conv_.out_width * k_, 16) * 16; }
  Part band(std::int64_t i) const { return part(conv_.out_height, bands_, i); }
  std::size_t workspace_bytes(std::size_t gemm) const {
    return static_cast<std::size_t>(cols_size()) * sizeof(float) + gemm;
  }
  double nanoseconds(std::int64_t batch) const { return conv_.flops(batch) / 80; }
  // All blocks of one product, on this thread.
  static void multiply(const Gemm& gemm, const GemmOperands& g, std::int64_t m, std::int64_t k,
                       std::byte* workspace) {
    const Gemm::Cut cut = gemm.cut(m, k);
    for (std::int64_t i = 0; i < cut.tasks(); ++i) gemm.run(g, m, k, cut, i, workspace);
  }

  Convolution conv_;
  std::int64_t k_ = 0, n_ = 0;  // of one group: rows and columns of its weights as a matrix
  std::int64_t band_rows_ = 0, bands_ = 0;
};

class Forward final : public Im2colConv2d {
 public:
  explicit Forward(const OpSpec& spec)
      : Im2colConv2d(Convolution::forward(spec)), gemm_(n_, false, false) {
    require(!spec.attrs.has("pool"), spec, "im2col has no fused pool");
    bias_ = spec.attrs.integer("bias", 0) != 0;
    epilogue_ = FusedEpilogue(spec, bias_ ? 3 : 2, spec.outputs[0]);
  }

  void run(const RunContext& ctx) const override {
    const Convolution& c = conv_;
    const std::int64_t images = c.images_in(ctx.batch);
    const float* mask = epilogue_.mask_of(ctx);
    ctx.threads.parallel_for(
        images * bands_, nanoseconds(ctx.batch), [&](std::int64_t task, std::byte* workspace) {
          auto* cols = reinterpret_cast<float*>(workspace);
          const Part rows = band(task % bands_);
          const std::int64_t image = task / bands_;
          const std::int64_t first = (image * c.out_height + rows.begin) * c.out_width;
          const std::int64_t pixels = rows.size() * c.out_width;
          for (std::int64_t group = 0; group < c.groups; ++group) {
            im2col(c, ctx.input(0) + image * c.image_size(), rows, group, cols);
            const std::int64_t at = first * c.out_channels + group * n_;
            const GemmOperands g{.a = cols,
                                 .a_stride = k_,
                                 .b = ctx.input(1) + group * n_,
                                 .b_stride = c.out_channels,
                                 .c = ctx.output(0) + at,
                                 .c_stride = c.out_channels,
                                 .bias = bias_ ? ctx.input(2) + group * n_ : nullptr,
                                 .relu = epilogue_.relu,
                                 .mask = mask == nullptr ? nullptr : mask + at};
            multiply(gemm_, g, pixels, k_, workspace + cols_size() * 4);
          }
          epilogue_.run(ctx, ctx.output(0), c.out_channels, first, pixels, 0, c.out_channels);
        });
  }
  std::size_t thread_scratch_bytes() const override {
    return workspace_bytes(gemm_.workspace_bytes(k_));
  }

 private:
  Gemm gemm_;
  bool bias_ = false;
  FusedEpilogue epilogue_;
};

class InputGrad final : public Im2colConv2d {
 public:
  explicit InputGrad(const OpSpec& spec)
      : Im2colConv2d(Convolution::input_grad(spec)),
        gemm_(k_per_tap(), false, true),
        epilogue_(spec, 2, spec.outputs[0]) {}

  void run(const RunContext& ctx) const override {
    const Convolution& c = conv_;
    ctx.threads.parallel_for(
        c.images_in(ctx.batch), nanoseconds(ctx.batch),
        [&](std::int64_t image, std::byte* workspace) {
          float* dx = ctx.output(0) + image * c.image_size();
          auto* cols = reinterpret_cast<float*>(workspace);
          std::fill(dx, dx + c.image_size(), 0.0f);
          for (std::int64_t group = 0; group < c.groups; ++group)
            for (std::int64_t b = 0; b < bands_; ++b) {
              const Part rows = band(b);
              // The columns of one tap at a time: that tap's weights are a plain matrix.
              for (std::int64_t tap = 0; tap < c.taps(); ++tap) {
                const GemmOperands g{
                    .a = ctx.input(0) + image * c.out_image_size() +
                         rows.begin * c.out_width * c.out_channels + group * n_,
                    .a_stride = c.out_channels,
                    .b = ctx.input(1) + tap * c.group_channels() * c.out_channels + group * n_,
                    .b_stride = c.out_channels,
                    .c = cols + tap * c.group_channels(),
                    .c_stride = k_};
                multiply(gemm_, g, rows.size() * c.out_width, n_, workspace + cols_size() * 4);
              }
              add_col2im(c, cols, rows, group, dx);
            }
          if (const float* mask = epilogue_.mask_of(ctx)) {
            mask += image * c.image_size();
            for (std::int64_t i = 0; i < c.image_size(); ++i) dx[i] = mask[i] > 0 ? dx[i] : 0.0f;
          }
          if (epilogue_.relu)
            for (std::int64_t i = 0; i < c.image_size(); ++i) dx[i] = std::max(dx[i], 0.0f);
          epilogue_.run(ctx, ctx.output(0), c.channels, image * c.height * c.width,
                        c.height * c.width, 0, c.channels);
        });
  }
  std::size_t thread_scratch_bytes() const override {
    return workspace_bytes(gemm_.workspace_bytes(n_));
  }

 private:
  std::int64_t k_per_tap() const { return conv_.group_channels(); }

  Gemm gemm_;
  FusedEpilogue epilogue_;
};

class WeightGrad final : public Im2colConv2d {
 public:
  explicit WeightGrad(const OpSpec& spec)
      : Im2colConv2d(Convolution::weight_grad(spec)),
        gemm_(n_, true, false),
        sums_(conv_.weights_size(), spec.attrs.integer("bias", 0) != 0 ? conv_.out_channels : 0) {}

  void run(const RunContext& ctx) const override {
    const Convolution& c = conv_;
    const std::int64_t images = c.images_in(ctx.batch), chunks = chunks_of(images);
    ctx.threads.parallel_for(
        chunks, nanoseconds(ctx.batch), [&](std::int64_t chunk, std::byte* workspace) {
          sums_.clear(ctx, chunk);
          float* dw = sums_.weights(ctx, chunk);
          float* db = sums_.bias(ctx, chunk);
          auto* cols = reinterpret_cast<float*>(workspace);
          const Part mine = part(images, chunks, chunk);
          for (std::int64_t image = mine.begin; image < mine.end; ++image)
            for (std::int64_t b = 0; b < bands_; ++b)
              for (std::int64_t group = 0; group < c.groups; ++group) {
                const Part rows = band(b);
                const std::int64_t pixels = rows.size() * c.out_width;
                im2col(c, ctx.input(0) + image * c.image_size(), rows, group, cols);
                const GemmOperands g{.a = cols,
                                     .a_stride = k_,
                                     .b = ctx.input(1) + image * c.out_image_size() +
                                          rows.begin * c.out_width * c.out_channels + group * n_,
                                     .b_stride = c.out_channels,
                                     .c = dw + group * n_,
                                     .c_stride = c.out_channels,
                                     .b_sums = db == nullptr ? nullptr : db + group * n_,
                                     .accumulate = true};
                multiply(gemm_, g, k_, pixels, workspace + cols_size() * 4);
              }
        });
    sums_.add_up(ctx, chunks);
  }
  std::size_t scratch_bytes() const override {
    return sums_.scratch_bytes(chunks_of(conv_.images));
  }
  std::size_t thread_scratch_bytes() const override {
    return workspace_bytes(gemm_.workspace_bytes(band_rows_ * conv_.out_width));
  }

 private:
  std::int64_t chunks_of(std::int64_t images) const {
    return std::clamp<std::int64_t>(images, 1, kMaxChunks);
  }

  Gemm gemm_;
  PartialGradients sums_;
};

}  // namespace

std::unique_ptr<Op> im2col_conv2d(const OpSpec& spec) { return std::make_unique<Forward>(spec); }
std::unique_ptr<Op> im2col_conv2d_input_grad(const OpSpec& spec) {
  return std::make_unique<InputGrad>(spec);
}
std::unique_ptr<Op> im2col_conv2d_weight_grad(const OpSpec& spec) {
  return std::make_unique<WeightGrad>(spec);
}

}  // namespace fastconv

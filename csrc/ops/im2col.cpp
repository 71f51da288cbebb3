#include "ops/im2col.h"

#include <algorithm>
#include <cstring>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// Calls f(offset in the image, offset in cols, inside) for every tap of every pixel.
template <class F>
void for_taps(const Convolution& c, Part rows, std::int64_t group, const F& f) {
  const std::int64_t depth = c.group_channels();
  std::int64_t at = 0;
  for (std::int64_t y = rows.begin; y < rows.end; ++y)
    for (std::int64_t x = 0; x < c.out_width; ++x)
      for (std::int64_t ky = 0; ky < c.kernel_y; ++ky)
        for (std::int64_t kx = 0; kx < c.kernel_x; ++kx, at += depth) {
          const std::int64_t iy = y * c.stride_y - c.top + ky * c.dilation_y;
          const std::int64_t ix = x * c.stride_x - c.left + kx * c.dilation_x;
          f((iy * c.width + ix) * c.channels + group * depth, at,
            iy >= 0 && iy < c.height && ix >= 0 && ix < c.width);
        }
}

// The whole images' windows (1 group) as an operation, and its transpose.
class Im2col final : public Op {
 public:
  Im2col(const OpSpec& spec, bool transpose) : transpose_(transpose) {
    const TensorDesc& x = transpose ? spec.outputs[0] : spec.inputs[0];
    const TensorDesc& cols = transpose ? spec.inputs[0] : spec.outputs[0];
    const auto kernel = spec.attrs.integers("kernel_shape");
    require(kernel.size() == 2 && x.rank() == 4, spec,
            "needs images and a kernel_shape of 2 elements, got " + text_of(x));
    // A convolution whose output has one channel for each tap and channel.
    OpSpec as_conv = spec;
    TensorDesc w{DType::f32, false, {kernel[0], kernel[1], x.shape[3], x.shape[3]}};
    for (const std::int64_t taps : kernel)
      require(!__builtin_mul_overflow(w.shape[3], taps, &w.shape[3]), spec,
              "too large a kernel " + text_of(w));
    as_conv.inputs = {x, w};
    as_conv.outputs = {cols};
    conv_ = Convolution::forward(as_conv);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t image = conv_.image_size(), cols = conv_.out_image_size();
    const std::int64_t images = conv_.images_in(ctx.batch);
    const double work = 0.3 * static_cast<double>(images * cols);
    const Part rows{0, conv_.out_height};
    ctx.threads.parallel_for(images, work, [&](std::int64_t n, std::byte*) {
      if (transpose_) {
        float* dx = ctx.output(0) + n * image;
        std::fill(dx, dx + image, 0.0f);
        add_col2im(conv_, ctx.input(0) + n * cols, rows, 0, dx);
      } else {
        im2col(conv_, ctx.input(0) + n * image, rows, 0, ctx.output(0) + n * cols);
      }
    });
  }

 private:
  Convolution conv_;
  bool transpose_;
};

}  // namespace

void im2col(const Convolution& c, const float* image, Part rows, std::int64_t group, float* cols) {
  const auto bytes = static_cast<std::size_t>(c.group_channels()) * sizeof(float);
  for_taps(c, rows, group, [&](std::int64_t from, std::int64_t to, bool inside) {
    if (inside)
      std::memcpy(cols + to, image + from, bytes);
    else
      std::memset(cols + to, 0, bytes);
  });
}

void add_col2im(const Convolution& c, const float* cols, Part rows, std::int64_t group,
                float* image) {
  const auto add = kernels().gemm.add;
  const std::int64_t depth = c.group_channels();
  for_taps(c, rows, group, [&](std::int64_t to, std::int64_t from, bool inside) {
    if (inside) add(image + to, cols + from, depth);
  });
}

void register_im2col(Registry& r) {
  r.add("im2col", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, 1, 1);
    return std::make_unique<Im2col>(spec, false);
  });
  r.add("col2im", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, 1, 1);
    return std::make_unique<Im2col>(spec, true);
  });
}

}  // namespace fastconv

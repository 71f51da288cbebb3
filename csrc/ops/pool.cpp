// max_pool2d, average_pool2d and their gradients: windows of NHWC images.
#include "kernels/pool.h"

#include <algorithm>
#include <limits>
#include <string>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/op.h"
#include "ops/registry.h"
#include "ops/tape.h"

namespace fastconv {
namespace {

constexpr std::int64_t kTaskElements = 8192;

void require_images(const OpSpec& spec, const TensorDesc& tensor, DType dtype, const char* what) {
  if (tensor.rank() != 4 || tensor.dtype != dtype)
    fail(spec, std::string(what) + " must be " + std::string(name_of(dtype)) +
                   " of shape (batch, height, width, channels), got " +
                   std::string(name_of(tensor.dtype)) + " of shape " + text_of(tensor.shape));
}

// What the four ops have in common: the window, and work shared out by rows of images.
class Pool : public Op {
 public:
  // `input` is the larger image (x or dx), `output` the pooled one (y or dy).
  Pool(const OpSpec& spec, const TensorDesc& input, const TensorDesc& output) {
    require_images(spec, input, DType::f32, "the input image");
    require_images(spec, output, DType::f32, "the pooled image");
    const auto pool = integers(spec, "pool", 2, 1);
    auto strides = integers(spec, "strides", 2, 1, std::numeric_limits<std::int64_t>::max());
    const auto padding = integers(spec, "padding", 4, 0);
    for (std::size_t i = 0; i < 4; ++i)
      if (padding[i] >= pool[i / 2])
        fail(spec,
             "padding " + text_of(padding) + " must be less than the window " + text_of(pool));
    const auto pooled = [&](std::size_t axis) {
      const std::int64_t room =
          input.shape[axis + 1] + padding[2 * axis] + padding[2 * axis + 1] - pool[axis];
      if (room < 0)
        fail(spec, "the window " + text_of(pool) + " is larger than the padded image " +
                       text_of(input.shape));
      strides[axis] = std::min(strides[axis], room + 1);  // all beyond the image make one pixel
      return room / strides[axis] + 1;
    };
    const std::vector<std::int64_t> expected = {input.shape[0], pooled(0), pooled(1),
                                                input.shape[3]};
    if (output.shape != expected || output.batched != input.batched)
      fail(spec, "the pooled image must have the shape " + text_of(expected) + ", got " +
                     text_of(output.shape));
    images_ = input.shape[0];
    batched_ = input.batched;

    const std::int64_t positions = pool[0] * pool[1];
    index_dtype_ = positions <= 255 ? DType::u8 : DType::i32;
    reciprocal_.resize(static_cast<std::size_t>(positions) + 1, 0.0f);
    for (std::int64_t n = 1; n <= positions; ++n)
      reciprocal_[static_cast<std::size_t>(n)] = 1.0f / static_cast<float>(n);
    shape_ = {.height = input.shape[1],
              .width = input.shape[2],
              .channels = input.shape[3],
              .out_height = expected[1],
              .out_width = expected[2],
              .pool_y = pool[0],
              .pool_x = pool[1],
              .stride_y = strides[0],
              .stride_x = strides[1],
              .top = padding[0],
              .left = padding[2],
              .reciprocal = reciprocal_.data()};
  }

 protected:
  std::int64_t images(std::int64_t batch) const { return batched_ ? batch : images_; }
  std::int64_t image_size() const { return shape_.height * shape_.width * shape_.channels; }
  std::int64_t out_image_size() const {
    return shape_.out_height * shape_.out_width * shape_.channels;
  }
  void require_index(const OpSpec& spec, const TensorDesc& index, const TensorDesc& pooled) const {
    require_images(spec, index, index_dtype_, "the index");
    if (index.shape != pooled.shape || index.batched != pooled.batched)
      fail(spec, "the index must have the shape and rows of the pooled image, " + text_of(pooled) +
                     ", got " + text_of(index));
  }

  // Calls body(image, row) for every row of `height` in every image.
  template <class F>
  void for_rows(const RunContext& ctx, std::int64_t height, std::int64_t row_elements,
                double element_ns, const F& body) const {
    const std::int64_t rows = images(ctx.batch) * height;
    const std::int64_t per_task =
        std::max<std::int64_t>(1, kTaskElements / std::max<std::int64_t>(1, row_elements));
    const double work = static_cast<double>(rows * row_elements) * element_ns;
    ctx.threads.parallel_for((rows + per_task - 1) / per_task, work,
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t end = std::min(rows, (task + 1) * per_task);
                               for (std::int64_t r = task * per_task; r < end; ++r)
                                 body(r / height, r % height);
                             });
  }
  double window_ns() const {
    return 0.05 + 0.03 * static_cast<double>(shape_.pool_y * shape_.pool_x);
  }
  // The windows that cover an element, on average.
  double covering_ns() const {
    return 0.1 + 0.05 * static_cast<double>(shape_.pool_y * shape_.pool_x) /
                     static_cast<double>(shape_.stride_y * shape_.stride_x);
  }
  double window_flops(std::int64_t batch) const {
    return static_cast<double>(images(batch) * out_image_size() * shape_.pool_y * shape_.pool_x);
  }

  PoolShape shape_;
  DType index_dtype_;

 private:
  std::vector<float> reciprocal_;
  std::int64_t images_;
  bool batched_;
};

class MaxPool final : public Pool {
 public:
  explicit MaxPool(const OpSpec& spec) : Pool(spec, spec.inputs[0], spec.outputs[0]) {
    require_index(spec, spec.outputs[1], spec.outputs[0]);
  }
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    require_counts(spec, 1, 2);
    return std::make_unique<MaxPool>(spec);
  }

  void run(const RunContext& ctx) const override {
    if (index_dtype_ == DType::u8)
      run_with(ctx, kernels().pool.max_u8);
    else
      run_with(ctx, kernels().pool.max_i32);
  }
  double flops(std::int64_t batch) const override { return window_flops(batch); }

 private:
  template <class Index>
  void run_with(const RunContext& ctx, void (*kernel)(const PoolShape&, const float*, std::int64_t,
                                                      float*, Index*)) const {
    const std::int64_t row_elements = shape_.out_width * shape_.channels;
    for_rows(ctx, shape_.out_height, row_elements, window_ns(),
             [&](std::int64_t image, std::int64_t oy) {
               const std::int64_t at = image * out_image_size() + oy * row_elements;
               kernel(shape_, ctx.input(0) + image * image_size(), oy, ctx.output(0) + at,
                      ctx.output<Index>(1) + at);
             });
  }
};

class MaxPoolGrad final : public Pool {
 public:
  explicit MaxPoolGrad(const OpSpec& spec)
      : Pool(spec, spec.outputs[0], spec.inputs[0]), epilogue_(spec, 2, spec.outputs[0]) {
    require_index(spec, spec.inputs[1], spec.inputs[0]);
  }
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    require_counts(spec, 2, 1);
    return std::make_unique<MaxPoolGrad>(spec);
  }

  void run(const RunContext& ctx) const override {
    if (index_dtype_ == DType::u8)
      run_with(ctx, kernels().pool.max_grad_u8);
    else
      run_with(ctx, kernels().pool.max_grad_i32);
  }
  double flops(std::int64_t batch) const override {
    return window_flops(batch) +
           epilogue_.flops() * static_cast<double>(images(batch) * image_size());
  }

 private:
  template <class Index>
  void run_with(const RunContext& ctx, void (*kernel)(const PoolShape&, const float*, const Index*,
                                                      std::int64_t, float*)) const {
    const std::int64_t row_elements = shape_.width * shape_.channels;
    for_rows(ctx, shape_.height, row_elements, covering_ns() + epilogue_.cost(),
             [&](std::int64_t image, std::int64_t iy) {
               const std::int64_t from = image * out_image_size();
               const std::int64_t at = image * image_size() + iy * row_elements;
               float* dx = ctx.output(0) + at;
               kernel(shape_, ctx.input(0) + from, ctx.input<Index>(1) + from, iy, dx);
               if (!epilogue_.empty()) epilogue_.run(ctx, dx, at, row_elements);
             });
  }

  Epilogue epilogue_;
};

class AveragePool final : public Pool {
 public:
  explicit AveragePool(const OpSpec& spec)
      : Pool(spec, spec.inputs[0], spec.outputs[0]), epilogue_(spec, 1, spec.outputs[0]) {}
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    require_counts(spec, 1, 1);
    return std::make_unique<AveragePool>(spec);
  }

  void run(const RunContext& ctx) const override {
    const auto kernel = kernels().pool.average;
    const std::int64_t row_elements = shape_.out_width * shape_.channels;
    for_rows(ctx, shape_.out_height, row_elements, window_ns() + epilogue_.cost(),
             [&](std::int64_t image, std::int64_t oy) {
               const std::int64_t at = image * out_image_size() + oy * row_elements;
               float* y = ctx.output(0) + at;
               kernel(shape_, ctx.input(0) + image * image_size(), oy, y);
               if (!epilogue_.empty()) epilogue_.run(ctx, y, at, row_elements);
             });
  }
  double flops(std::int64_t batch) const override {
    return window_flops(batch) +
           epilogue_.flops() * static_cast<double>(images(batch) * out_image_size());
  }

 private:
  Epilogue epilogue_;
};

class AveragePoolGrad final : public Pool {
 public:
  explicit AveragePoolGrad(const OpSpec& spec)
      : Pool(spec, spec.outputs[0], spec.inputs[0]), epilogue_(spec, 1, spec.outputs[0]) {}
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    require_counts(spec, 1, 1);
    return std::make_unique<AveragePoolGrad>(spec);
  }

  void run(const RunContext& ctx) const override {
    const auto kernel = kernels().pool.average_grad;
    const std::int64_t row_elements = shape_.width * shape_.channels;
    for_rows(ctx, shape_.height, row_elements, covering_ns() + epilogue_.cost(),
             [&](std::int64_t image, std::int64_t iy) {
               const std::int64_t at = image * image_size() + iy * row_elements;
               float* dx = ctx.output(0) + at;
               kernel(shape_, ctx.input(0) + image * out_image_size(), iy, dx);
               if (!epilogue_.empty()) epilogue_.run(ctx, dx, at, row_elements);
             });
  }
  double flops(std::int64_t batch) const override {
    return window_flops(batch) +
           epilogue_.flops() * static_cast<double>(images(batch) * image_size());
  }

 private:
  Epilogue epilogue_;
};

}  // namespace

void register_pool(Registry& r) {
  r.add("max_pool2d", MaxPool::make);
  r.add("max_pool2d_grad", MaxPoolGrad::make);
  r.add("average_pool2d", AveragePool::make);
  r.add("average_pool2d_grad", AveragePoolGrad::make);
}

}  // namespace fastconv

#include "ops/convolution.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "ops/check.h"

namespace fastconv {
namespace {

// Of the process.
std::string& algorithm() {
  static std::string name = "auto";
  return name;
}
std::string& precision() {
  static std::string name = "default";
  return name;
}

// Of kernels, dilations and paddings, so that no position beside an image overflows.
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

}  // namespace

void Convolution::read_attributes(const OpSpec& spec) {
  const auto strides = integers(spec, "strides", 2, 1, std::numeric_limits<std::int64_t>::max());
  const auto padding = integers(spec, "padding", 4, 0), dilation = integers(spec, "dilation", 2, 1);
  stride_y = strides[0], stride_x = strides[1];
  dilation_y = dilation[0], dilation_x = dilation[1];
  top = padding[0], bottom = padding[1], left = padding[2], right = padding[3];
  groups = spec.attrs.integer("groups", 1);
  require(groups >= 1, spec, "groups must be at least 1, got " + std::to_string(groups));
}

void Convolution::read_input(const OpSpec& spec, const TensorDesc& x) {
  require(x.rank() == 4, spec,
          "images must be (batch, height, width, channels), got " + text_of(x));
  images = x.shape[0], batched = x.batched;
  height = x.shape[1], width = x.shape[2], channels = x.shape[3];
}

void Convolution::read_weights(const OpSpec& spec, const TensorDesc& w) {
  require(w.rank() == 4 && !w.batched, spec,
          "weights must be (height, width, channels / groups, filters), got " + text_of(w));
  kernel_y = w.shape[0], kernel_x = w.shape[1], out_channels = w.shape[3];
  require(kernel_y >= 1 && kernel_x >= 1, spec, "empty kernel " + text_of(w));
  require(kernel_y <= kMost && kernel_x <= kMost, spec, "too large a kernel " + text_of(w));
  require(channels % groups == 0 && channels / groups == w.shape[2] && out_channels % groups == 0,
          spec,
          "weights " + text_of(w) + " in " + std::to_string(groups) + " groups do not fit " +
              std::to_string(channels) + " channels");
}

void Convolution::check_output(const OpSpec& spec, const TensorDesc& y) {
  const std::int64_t room_y = height + top + bottom - (kernel_y - 1) * dilation_y - 1;
  const std::int64_t room_x = width + left + right - (kernel_x - 1) * dilation_x - 1;
  require(room_y >= 0 && room_x >= 0, spec,
          "the kernel is larger than the padded image of " + std::to_string(height) + " x " +
              std::to_string(width));
  // All strides beyond the image make one pixel; large ones would overflow.
  stride_y = std::min(stride_y, room_y + 1), stride_x = std::min(stride_x, room_x + 1);
  out_height = room_y / stride_y + 1;
  out_width = room_x / stride_x + 1;
  const std::vector<std::int64_t> expected = {images, out_height, out_width, out_channels};
  require(y.shape == expected && y.batched == batched, spec,
          "the output must be " + text_of({DType::f32, batched, expected}) + ", got " + text_of(y));
}

Convolution Convolution::forward(const OpSpec& spec) {
  Convolution c;
  c.read_attributes(spec);
  c.read_input(spec, spec.inputs[0]);
  c.read_weights(spec, spec.inputs[1]);
  TensorDesc y = spec.outputs[0];
  if (spec.attrs.has("pool")) {
    require(spec.attrs.integers("pool") == std::vector<std::int64_t>{2, 2}, spec,
            "only a 2 x 2 pool can be fused");
    const std::int64_t room_y = c.height + c.top + c.bottom - (c.kernel_y - 1) * c.dilation_y - 1;
    const std::int64_t room_x = c.width + c.left + c.right - (c.kernel_x - 1) * c.dilation_x - 1;
    const std::int64_t rows = room_y / c.stride_y + 1, columns = room_x / c.stride_x + 1;
    require(room_y >= 0 && room_x >= 0 && rows >= 2 && columns >= 2, spec,
            "the output is smaller than the fused 2 x 2 pool");
    const std::vector<std::int64_t> pooled = {c.images, rows / 2, columns / 2, c.out_channels};
    const TensorDesc& index = spec.outputs[1];
    require(y.shape == pooled && y.batched == c.batched && index.shape == pooled &&
                index.batched == c.batched && index.dtype == DType::u8,
            spec,
            "the pooled output and its uint8 index must be " +
                text_of({DType::f32, c.batched, pooled}) + ", got " + text_of(y) + " and " +
                text_of(index));
    y.shape = {c.images, rows, columns, c.out_channels};
  }
  c.check_output(spec, y);
  return c;
}

Convolution Convolution::input_grad(const OpSpec& spec) {
  Convolution c;
  c.read_attributes(spec);
  c.read_input(spec, spec.outputs[0]);
  c.read_weights(spec, spec.inputs[1]);
  c.check_output(spec, spec.inputs[0]);
  return c;
}

Convolution Convolution::weight_grad(const OpSpec& spec) {
  Convolution c;
  c.read_attributes(spec);
  c.read_input(spec, spec.inputs[0]);
  c.read_weights(spec, spec.outputs[0]);
  c.check_output(spec, spec.inputs[1]);
  return c;
}

void set_conv_algorithm(const std::string& name) { algorithm() = name; }
std::string conv_algorithm() { return algorithm(); }
void set_conv_precision(const std::string& name) { precision() = name; }
std::string conv_precision() { return precision(); }

std::string wanted_algorithm(const OpSpec& spec) {
  const std::string wanted = spec.attrs.text("algorithm", algorithm());
  require(wanted == "auto" || wanted == "im2col" || wanted == "direct" || wanted == "winograd",
          spec, "algorithm must be auto, im2col, direct or winograd, got '" + wanted + "'");
  return wanted;
}

}  // namespace fastconv

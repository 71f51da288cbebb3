// The shape of a 2-D convolution, read from an operation and checked.
#pragma once

#include <cstdint>
#include <string>

#include "ops/op.h"

namespace fastconv {

// Images are (images, height, width, channels), weights (kernel_y, kernel_x, channels / groups,
// out_channels), as seen from the forward direction whichever the operation is.
struct Convolution {
  std::int64_t images = 0;  // at the largest batch
  bool batched = false;
  std::int64_t height = 0, width = 0, channels = 0;
  std::int64_t out_height = 0, out_width = 0, out_channels = 0;
  std::int64_t kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
  std::int64_t dilation_y = 1, dilation_x = 1, top = 0, bottom = 0, left = 0, right = 0;
  std::int64_t groups = 1;

  // Of the operations conv2d (x, w), conv2d_input_grad (dy, w), conv2d_weight_grad (x, dy).
  static Convolution forward(const OpSpec& spec);
  static Convolution input_grad(const OpSpec& spec);
  static Convolution weight_grad(const OpSpec& spec);

  std::int64_t images_in(std::int64_t batch) const { return batched ? batch : images; }
  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_out_channels() const { return out_channels / groups; }
  std::int64_t taps() const { return kernel_y * kernel_x; }
  std::int64_t image_size() const { return height * width * channels; }
  std::int64_t out_image_size() const { return out_height * out_width * out_channels; }
  std::int64_t weights_size() const { return taps() * group_channels() * out_channels; }
  double image_flops() const {
    return 2.0 * static_cast<double>(out_image_size()) *
           static_cast<double>(taps() * group_channels());
  }
  double flops(std::int64_t batch) const {
    return image_flops() * static_cast<double>(images_in(batch));
  }
  // One pixel in, one pixel out: a product of matrices.
  bool is_pointwise() const {
    return taps() == 1 && stride_y == 1 && stride_x == 1 && groups == 1 &&
           top + bottom + left + right == 0;
  }
  bool is_depthwise() const { return groups == channels && groups > 1; }

 private:
  void read_attributes(const OpSpec& spec);
  void read_input(const OpSpec& spec, const TensorDesc& x);
  void read_weights(const OpSpec& spec, const TensorDesc& w);
  void check_output(const OpSpec& spec, const TensorDesc& y);
};

// The attribute `algorithm`, or what the process has set: "auto", "im2col", "direct", "winograd".
std::string wanted_algorithm(const OpSpec& spec);
void set_conv_algorithm(const std::string& name);
std::string conv_algorithm();

// "default"; "high": no algorithm with a larger rounding error than the plain sums has; "fast":
// also larger tiles of Winograd's algorithm.
void set_conv_precision(const std::string& name);
std::string conv_precision();

}  // namespace fastconv

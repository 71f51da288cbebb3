// The algorithms of 2-D convolutions. Each factory is given an operation that it can do.
#pragma once

#include <memory>

#include "ops/convolution.h"
#include "ops/op.h"

namespace fastconv {

// im2col and a matrix product: any shape.
std::unique_ptr<Op> im2col_conv2d(const OpSpec& spec);
std::unique_ptr<Op> im2col_conv2d_input_grad(const OpSpec& spec);
std::unique_ptr<Op> im2col_conv2d_weight_grad(const OpSpec& spec);

// The same sums straight from the images, on packed weights: any shape.
std::unique_ptr<Op> direct_conv2d(const OpSpec& spec);
std::unique_ptr<Op> direct_conv2d_input_grad(const OpSpec& spec);
std::unique_ptr<Op> direct_conv2d_weight_grad(const OpSpec& spec);

// The same for few filters, on several pixels of a row at a time: how many, 1 if it does not pay.
std::int64_t folded_pixels(const OpSpec& spec, const Convolution& c);
std::unique_ptr<Op> folded_conv2d(const OpSpec& spec, std::int64_t pixels);

// The same for an image of few channels, in 1 group.
std::unique_ptr<Op> narrow_conv2d_input_grad(const OpSpec& spec);

// One filter for each channel (or a few): groups == channels.
std::unique_ptr<Op> depthwise_conv2d(const OpSpec& spec);
std::unique_ptr<Op> depthwise_conv2d_input_grad(const OpSpec& spec);
std::unique_ptr<Op> depthwise_conv2d_weight_grad(const OpSpec& spec);

}  // namespace fastconv

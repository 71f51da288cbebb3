// Winograd's algorithm for 3x3, stride 1 convolutions; see kernels/winograd.h.
#pragma once

#include <memory>

#include "ops/convolution.h"
#include "ops/op.h"

namespace fastconv {

// Whether the algorithm can do this convolution (with what `spec` fuses into it), and may ...
bool winograd_can(const Convolution& c, const OpSpec& spec);
// ... and whether it beats the direct method: by shape alone.
bool winograd_wins(const Convolution& c);

std::unique_ptr<Op> winograd_conv2d(const OpSpec& spec);
std::unique_ptr<Op> winograd_conv2d_input_grad(const OpSpec& spec);
std::unique_ptr<Op> winograd_conv2d_weight_grad(const OpSpec& spec);

}  // namespace fastconv

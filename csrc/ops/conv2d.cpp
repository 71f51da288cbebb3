// Which algorithm a convolution takes: by its shape and the ISA alone.
#include "ops/conv2d.h"

#include "ops/check.h"
#include "ops/moments.h"
#include "ops/registry.h"
#include "ops/rounded.h"
#include "ops/winograd.h"

namespace fastconv {
namespace {

constexpr std::int64_t kFewChannels = 16;
constexpr std::int64_t kFewWeights = 1 << 17;  // of one tap: their gradient stays in cache

// A convolution with one tap is a dense layer on pixels.
std::unique_ptr<Op> as_dense(OpSpec spec, const char* name) {
  TensorDesc& weights = spec.name == "conv2d_weight_grad" ? spec.outputs[0] : spec.inputs[1];
  weights.shape.erase(weights.shape.begin(), weights.shape.begin() + 2);
  spec.name = name;
  return make_op(spec);
}

bool takes_winograd(const std::string& wanted, const Convolution& c, const OpSpec& spec) {
  return (wanted == "winograd" || (wanted == "auto" && winograd_wins(c))) && winograd_can(c, spec);
}

// Whether the algorithm reads floats where the operation asks for bfloat16.
bool needs_rounding(const std::string& wanted, const Convolution& c, const OpSpec& spec) {
  if (!in_bf16(spec)) return false;
  const bool product = wanted != "im2col" && wanted != "direct" && c.is_pointwise();
  return !(product && !spec.attrs.has("pool")) && !takes_winograd(wanted, c, spec);
}

std::unique_ptr<Op> make_conv2d(const OpSpec& spec) {
  if (spec.attrs.integer("moments", 0) != 0) return with_moments(spec, make_conv2d);
  require_floats(spec, spec.attrs.integer("bias", 0) != 0 ? 3 : 2, spec.attrs.has("pool") ? 2 : 1);
  const Convolution c = Convolution::forward(spec);
  if (spec.attrs.integer("bias", 0) != 0)
    require(
        has_shape(spec.inputs[2], {c.out_channels}), spec,
        "bias must be (" + std::to_string(c.out_channels) + ",), got " + text_of(spec.inputs[2]));
  const std::string wanted = wanted_algorithm(spec);
  if (needs_rounding(wanted, c, spec)) return on_rounded(spec);
  if (wanted == "im2col" && !spec.attrs.has("pool")) return im2col_conv2d(spec);
  if (wanted != "direct" && c.is_pointwise() && !spec.attrs.has("pool"))
    return as_dense(spec, "dense");
  if (wanted == "auto" && c.is_depthwise() && !spec.attrs.has("pool"))
    return depthwise_conv2d(spec);
  if (takes_winograd(wanted, c, spec)) return winograd_conv2d(spec);
  const std::int64_t pixels = wanted == "auto" ? folded_pixels(spec, c) : 1;
  return pixels > 1 ? folded_conv2d(spec, pixels) : direct_conv2d(spec);
}

std::unique_ptr<Op> make_input_grad(const OpSpec& spec) {
  require_floats(spec, 2, 1);
  const Convolution c = Convolution::input_grad(spec);
  const std::string wanted = wanted_algorithm(spec);
  if (needs_rounding(wanted, c, spec)) return on_rounded(spec);
  if (wanted == "im2col") return im2col_conv2d_input_grad(spec);
  if (wanted != "direct" && c.is_pointwise()) return as_dense(spec, "dense_input_grad");
  if (wanted == "auto" && c.is_depthwise()) return depthwise_conv2d_input_grad(spec);
  if (takes_winograd(wanted, c, spec)) return winograd_conv2d_input_grad(spec);
  if (c.groups == 1 && c.channels < kFewChannels) return narrow_conv2d_input_grad(spec);
  return direct_conv2d_input_grad(spec);
}

std::unique_ptr<Op> make_weight_grad(const OpSpec& spec) {
  const bool bias = spec.attrs.integer("bias", 0) != 0;
  require_floats(spec, 2, bias ? 2 : 1);
  const Convolution c = Convolution::weight_grad(spec);
  if (bias)
    require(has_shape(spec.outputs[1], {c.out_channels}), spec,
            "the bias gradient must be (" + std::to_string(c.out_channels) + ",), got " +
                text_of(spec.outputs[1]));
  const std::string wanted = wanted_algorithm(spec);
  if (needs_rounding(wanted, c, spec)) return on_rounded(spec);
  if (wanted == "im2col") return im2col_conv2d_weight_grad(spec);
  if (wanted != "direct" && c.is_pointwise() && (c.weights_size() > kFewWeights || in_bf16(spec)))
    return as_dense(spec, "dense_weight_grad");
  if (wanted == "auto" && c.is_depthwise()) return depthwise_conv2d_weight_grad(spec);
  if (takes_winograd(wanted, c, spec)) return winograd_conv2d_weight_grad(spec);
  return direct_conv2d_weight_grad(spec);
}

}  // namespace

void register_conv2d(Registry& r) {
  r.add("conv2d", make_conv2d);
  r.add("conv2d_input_grad", make_input_grad);
  r.add("conv2d_weight_grad", make_weight_grad);
}

}  // namespace fastconv

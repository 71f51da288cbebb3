// Kernels of pointwise work on contiguous blocks of floats.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

enum class PointwiseCode : std::uint8_t {
  // unary
  negative,
  absolute,
  exp,
  expm1,
  log,
  log1p,
  sqrt,
  rsqrt,
  square,
  reciprocal,
  sign,
  tanh,
  sigmoid,
  relu,
  erf,
  sin,
  cos,
  floor,
  ceil,
  round,
  whole,
  byte,
  bfloat16,
  isnan,
  isfinite,
  logical_not,
  truth,
  softplus,
  identity,
  // binary
  add,
  subtract,
  multiply,
  divide,
  power,
  maximum,
  minimum,
  floor_divide,
  mod,
  less,
  less_equal,
  greater,
  greater_equal,
  equal,
  not_equal,
  logical_and,
  logical_or,
  relu_grad,
  tanh_grad,
  sigmoid_grad,
  leaky_relu,
  elu,
  // ternary
  where,
  leaky_relu_grad,
  elu_grad,
  // on its own: needs the position
  dropout,
};
constexpr int kPointwiseCodes = static_cast<int>(PointwiseCode::dropout) + 1;

// Which bits a dropout mask depends on, besides the flat element index (see simd/philox.h).
struct DropoutArgs {
  std::uint64_t seed, step;
  std::uint32_t stream;
  std::int32_t threshold;  // of 65536
  float scale;
};

struct PointwiseKernels {
  // Operand j is n floats, or one float that stands for n where bit j of the form is set. Blocks
  // may be unaligned; out may be one of the operands. Forms in which all operands are scalar do not
  // exist: use n = 1.
  using Fn = void (*)(float* out, const float* a, const float* b, const float* c, std::ptrdiff_t n);
  Fn fn[kPointwiseCodes][8];
  // Elements [index, index + n) of a stream.
  void (*dropout)(float* out, const float* x, std::int64_t index, std::ptrdiff_t n,
                  const DropoutArgs& args);

  void (*fill)(float* out, float value, std::ptrdiff_t n);
  // out[i] = row[(phase + i) % period]
  void (*tile)(float* out, const float* row, std::ptrdiff_t period, std::ptrdiff_t phase,
               std::ptrdiff_t n);
  // out[i] = column[(phase + i) / period]; writes up to kPointwisePad floats past out + n.
  void (*repeat)(float* out, const float* column, std::ptrdiff_t period, std::ptrdiff_t phase,
                 std::ptrdiff_t n);

  void (*from_i32)(float* out, const std::int32_t* in, std::ptrdiff_t n);
  void (*from_u8)(float* out, const std::uint8_t* in, std::ptrdiff_t n);
  void (*to_i32)(std::int32_t* out, const float* in, std::ptrdiff_t n);
  void (*to_u8)(std::uint8_t* out, const float* in, std::ptrdiff_t n);
  void (*to_bool)(std::uint8_t* out, const float* in, std::ptrdiff_t n);
  void (*from_bf16)(float* out, const std::uint16_t* in, std::ptrdiff_t n);
  void (*to_bf16)(std::uint16_t* out, const float* in, std::ptrdiff_t n);
};
constexpr std::ptrdiff_t kPointwisePad = 16;

}  // namespace fastconv

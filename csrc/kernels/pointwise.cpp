// Pointwise kernels: one loop per instruction and form.
#include "kernels/pointwise.h"

#include "kernels/convert.h"
#include "kernels/simd/bf16.h"
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"
#include "kernels/simd/philox.h"

namespace fastconv::FASTCONV_ISA {
namespace {

FC_INLINE vf one_if(vi mask) { return mask ? splat(1.0f) : vf{}; }
FC_INLINE vi is_true(vf x) { return x != 0.0f; }

// What an instruction does to one vector of each operand.
#define FC_UNARY(name, expression)                              \
  struct name {                                                 \
    static constexpr int arity = 1;                             \
    static FC_INLINE vf of(vf x, vf, vf) { return expression; } \
  };
FC_UNARY(Negative, math::negative(x))
FC_UNARY(Absolute, math::absolute(x))
FC_UNARY(Exp, math::exp(x))
FC_UNARY(Expm1, math::expm1(x))
FC_UNARY(Log, math::log(x))
FC_UNARY(Log1p, math::log1p(x))
FC_UNARY(Sqrt, math::sqrt(x))
FC_UNARY(Rsqrt, 1.0f / math::sqrt(x))
FC_UNARY(Square, x* x)
FC_UNARY(Reciprocal, 1.0f / x)
FC_UNARY(Sign, (x > 0.0f ? splat(1.0f) : (x < 0.0f ? splat(-1.0f) : x)))
FC_UNARY(Tanh, math::tanh(x))
FC_UNARY(Sigmoid, math::sigmoid(x))
FC_UNARY(Relu, (x < 0.0f ? vf{} : x))
FC_UNARY(Erf, math::erf(x))
FC_UNARY(Sin, math::sin(x))
FC_UNARY(Cos, math::cos(x))
FC_UNARY(Floor, math::floor(x))
FC_UNARY(Ceil, math::ceil(x))
FC_UNARY(Round, math::round(x))
FC_UNARY(Whole, math::whole(x))
FC_UNARY(Byte, math::byte(x))
FC_UNARY(Bfloat16, (vf)rounded(x))
FC_UNARY(IsNan, one_if(x != x))
FC_UNARY(IsFinite, one_if(math::absolute(x) < math::kInf))
FC_UNARY(LogicalNot, one_if(x == 0.0f))
FC_UNARY(Truth, one_if(is_true(x)))
FC_UNARY(Softplus, math::softplus(x))
FC_UNARY(Identity, x)
#undef FC_UNARY

#define FC_BINARY(name, expression)                               \
  struct name {                                                   \
    static constexpr int arity = 2;                               \
    static FC_INLINE vf of(vf a, vf b, vf) { return expression; } \
  };
FC_BINARY(Add, a + b)
FC_BINARY(Subtract, a - b)
FC_BINARY(Multiply, a* b)
FC_BINARY(Divide, a / b)
FC_BINARY(Power, math::power(a, b))
// A NaN in either operand wins.
FC_BINARY(Maximum, ((a > b) | (a != a) ? a : b))
FC_BINARY(Minimum, ((a < b) | (a != a) ? a : b))
FC_BINARY(Less, one_if(a < b))
FC_BINARY(LessEqual, one_if(a <= b))
FC_BINARY(Greater, one_if(a > b))
FC_BINARY(GreaterEqual, one_if(a >= b))
FC_BINARY(Equal, one_if(a == b))
FC_BINARY(NotEqual, one_if(a != b))
FC_BINARY(LogicalAnd, one_if(is_true(a) & is_true(b)))
FC_BINARY(LogicalOr, one_if(is_true(a) | is_true(b)))
// a is the gradient of the output, b the output.
FC_BINARY(ReluGrad, (b > 0.0f ? a : vf{}))
FC_BINARY(TanhGrad, a * (1.0f - b * b))
FC_BINARY(SigmoidGrad, a*(b * (1.0f - b)))
FC_BINARY(LeakyRelu, (a < 0.0f ? a * b : a))
FC_BINARY(Elu, (a < 0.0f ? b * math::expm1(a) : a))
#undef FC_BINARY

// Python's floor division and remainder, lane by lane: fmod is exact, and not worth a vector.
FC_INLINE float remainder(float a, float b) {
  const float r = __builtin_fmodf(a, b);
  if (r == 0.0f) return __builtin_copysignf(0.0f, b);
  return (r < 0.0f) != (b < 0.0f) ? r + b : r;
}
FC_INLINE float floor_quotient(float a, float b) {
  if (b == 0.0f) return a / b;
  float r = __builtin_fmodf(a, b), q = (a - r) / b;
  if (r != 0.0f && (r < 0.0f) != (b < 0.0f)) q -= 1.0f;
  if (q == 0.0f) return __builtin_copysignf(0.0f, a / b);
  const float whole = __builtin_floorf(q);
  return q - whole > 0.5f ? whole + 1.0f : whole;
}
struct Mod {
  static constexpr int arity = 2;
  static FC_INLINE vf of(vf a, vf b, vf) {
    for (int i = 0; i < kWidth; ++i) a[i] = remainder(a[i], b[i]);
    return a;
  }
};
struct FloorDivide {
  static constexpr int arity = 2;
  static FC_INLINE vf of(vf a, vf b, vf) {
    for (int i = 0; i < kWidth; ++i) a[i] = floor_quotient(a[i], b[i]);
    return a;
  }
};

struct Where {
  static constexpr int arity = 3;
  static FC_INLINE vf of(vf condition, vf a, vf b) { return is_true(condition) ? a : b; }
};
struct LeakyReluGrad {
  static constexpr int arity = 3;
  static FC_INLINE vf of(vf dy, vf y, vf slope) { return y > 0.0f ? dy : dy * slope; }
};
struct EluGrad {
  static constexpr int arity = 3;
  static FC_INLINE vf of(vf dy, vf y, vf alpha) { return y > 0.0f ? dy : dy * (y + alpha); }
};

template <bool Scalar>
struct Operand {
  const float* p;
  vf value{};
  FC_INLINE explicit Operand(const float* p) : p(p) {
    if constexpr (Scalar) value = splat(*p);
  }
  FC_INLINE vf at(index_t i) const {
    if constexpr (Scalar) return value;
    return load(p + i);
  }
  FC_INLINE vf first(index_t i, index_t n) const {
    if constexpr (Scalar) return value;
    return load_first(p + i, n);
  }
};

template <class F, int Form>
void apply(float* out, const float* a, const float* b, const float* c, index_t n) {
  constexpr int arity = F::arity;
  const Operand<(Form & 1) != 0> x(a);
  const Operand < (Form & 2) != 0 || arity<2> y(arity < 2 ? a : b);
  const Operand < (Form & 4) != 0 || arity<3> z(arity < 3 ? a : c);
  index_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(out + i, F::of(x.at(i), y.at(i), z.at(i)));
  if (i < n) {
    const index_t rest = n - i;
    store_first(out + i, F::of(x.first(i, rest), y.first(i, rest), z.first(i, rest)), rest);
  }
}

template <class F>
void add_forms(PointwiseKernels& k, PointwiseCode code) {
  auto& fn = k.fn[static_cast<int>(code)];
  fn[0] = apply<F, 0>;
  if constexpr (F::arity > 1) {
    fn[1] = apply<F, 1>;
    fn[2] = apply<F, 2>;
  }
  if constexpr (F::arity > 2) {
    fn[3] = apply<F, 3>;
    fn[4] = apply<F, 4>;
    fn[5] = apply<F, 5>;
    fn[6] = apply<F, 6>;
  }
}

// 128 elements: those of 16 blocks.
FC_INLINE void dropout_group(float* out, const float* x, std::uint32_t group,
                             const DropoutArgs& args) {
  const vf scale = splat(args.scale);
  const vi threshold = math::splat_int(args.threshold);
  const PhiloxKey key{args.seed, args.step, args.stream};
  for (int lane = 0; lane < 16; lane += kWidth) {
    const PhiloxWords words = philox(key, 16 * group + lane);
    FC_UNROLL
    for (int w = 0; w < 4; ++w) {
      const vi low = (vi)(words.word[w] & 0xffffu), high = (vi)(words.word[w] >> 16);
      const int at = 32 * w + lane;
      const vf a = load(x + at) * scale, b = load(x + at + 16) * scale;
      store(out + at, low >= threshold ? a : vf{});
      store(out + at + 16, high >= threshold ? b : vf{});
    }
  }
}

void dropout(float* out, const float* x, std::int64_t index, index_t n, const DropoutArgs& args) {
  index_t i = 0;
  while (i < n) {
    const index_t phase = (index + i) % 128;
    const std::uint32_t group = static_cast<std::uint32_t>((index + i) / 128);
    if (phase == 0 && n - i >= 128) {
      dropout_group(out + i, x + i, group, args);
      i += 128;
    } else {
      const index_t count = n - i < 128 - phase ? n - i : 128 - phase;
      float block[128] = {};
      __builtin_memcpy(block + phase, x + i, count * sizeof(float));
      dropout_group(block, block, group, args);
      __builtin_memcpy(out + i, block + phase, count * sizeof(float));
      i += count;
    }
  }
}

void fill(float* out, float value, index_t n) {
  const vf v = splat(value);
  index_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(out + i, v);
  if (i < n) store_first(out + i, v, n - i);
}

void tile(float* out, const float* row, index_t period, index_t phase, index_t n) {
  // One period by element, then runs that double, all from the start of a period.
  index_t done = n < period ? n : period;
  const index_t head = done < period - phase ? done : period - phase;
  __builtin_memcpy(out, row + phase, head * sizeof(float));
  __builtin_memcpy(out + head, row, (done - head) * sizeof(float));
  while (done < n) {
    const index_t count = done < n - done ? done : n - done;
    __builtin_memcpy(out + done, out, count * sizeof(float));
    done += count;
  }
}

void repeat(float* out, const float* column, index_t period, index_t phase, index_t n) {
  index_t i = 0;
  while (i < n) {
    const index_t rest = period - phase, count = rest < n - i ? rest : n - i;
    const vf v = splat(*column++);
    for (index_t j = 0; j < count; j += kWidth) store(out + i + j, v);
    i += count;
    phase = 0;
  }
}

void from_i32(float* out, const std::int32_t* in, index_t n) {
  for (index_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]);
}
void from_u8(float* out, const std::uint8_t* in, index_t n) {
  for (index_t i = 0; i < n; ++i) out[i] = static_cast<float>(in[i]);
}
void to_i32(std::int32_t* out, const float* in, index_t n) {
  for (index_t i = 0; i < n; ++i) out[i] = to_int(in[i]);
}
void to_u8(std::uint8_t* out, const float* in, index_t n) {
  for (index_t i = 0; i < n; ++i) out[i] = static_cast<std::uint8_t>(to_int(in[i]));
}
void to_bool(std::uint8_t* out, const float* in, index_t n) {
  for (index_t i = 0; i < n; ++i) out[i] = in[i] != 0.0f;
}
void from_bf16(float* out, const std::uint16_t* in, index_t n) {
  for (index_t i = 0; i < n; ++i)
    out[i] = __builtin_bit_cast(float, static_cast<std::uint32_t>(in[i]) << 16);
}
void to_bf16(std::uint16_t* out, const float* in, index_t n) {
  index_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store_halves(out + i, load(in + i));
  if (i == n) return;
  float rest[kWidth] = {};
  std::uint16_t halves[kWidth];
  for (index_t j = i; j < n; ++j) rest[j - i] = in[j];
  store_halves(halves, load(rest));
  for (index_t j = i; j < n; ++j) out[j] = halves[j - i];
}

}  // namespace

void fill(PointwiseKernels& k) {
  using C = PointwiseCode;
  add_forms<Negative>(k, C::negative);
  add_forms<Absolute>(k, C::absolute);
  add_forms<Exp>(k, C::exp);
  add_forms<Expm1>(k, C::expm1);
  add_forms<Log>(k, C::log);
  add_forms<Log1p>(k, C::log1p);
  add_forms<Sqrt>(k, C::sqrt);
  add_forms<Rsqrt>(k, C::rsqrt);
  add_forms<Square>(k, C::square);
  add_forms<Reciprocal>(k, C::reciprocal);
  add_forms<Sign>(k, C::sign);
  add_forms<Tanh>(k, C::tanh);
  add_forms<Sigmoid>(k, C::sigmoid);
  add_forms<Relu>(k, C::relu);
  add_forms<Erf>(k, C::erf);
  add_forms<Sin>(k, C::sin);
  add_forms<Cos>(k, C::cos);
  add_forms<Floor>(k, C::floor);
  add_forms<Ceil>(k, C::ceil);
  add_forms<Round>(k, C::round);
  add_forms<Whole>(k, C::whole);
  add_forms<Byte>(k, C::byte);
  add_forms<Bfloat16>(k, C::bfloat16);
  add_forms<IsNan>(k, C::isnan);
  add_forms<IsFinite>(k, C::isfinite);
  add_forms<LogicalNot>(k, C::logical_not);
  add_forms<Truth>(k, C::truth);
  add_forms<Softplus>(k, C::softplus);
  add_forms<Identity>(k, C::identity);
  add_forms<Add>(k, C::add);
  add_forms<Subtract>(k, C::subtract);
  add_forms<Multiply>(k, C::multiply);
  add_forms<Divide>(k, C::divide);
  add_forms<Power>(k, C::power);
  add_forms<Maximum>(k, C::maximum);
  add_forms<Minimum>(k, C::minimum);
  add_forms<FloorDivide>(k, C::floor_divide);
  add_forms<Mod>(k, C::mod);
  add_forms<Less>(k, C::less);
  add_forms<LessEqual>(k, C::less_equal);
  add_forms<Greater>(k, C::greater);
  add_forms<GreaterEqual>(k, C::greater_equal);
  add_forms<Equal>(k, C::equal);
  add_forms<NotEqual>(k, C::not_equal);
  add_forms<LogicalAnd>(k, C::logical_and);
  add_forms<LogicalOr>(k, C::logical_or);
  add_forms<ReluGrad>(k, C::relu_grad);
  add_forms<TanhGrad>(k, C::tanh_grad);
  add_forms<SigmoidGrad>(k, C::sigmoid_grad);
  add_forms<LeakyRelu>(k, C::leaky_relu);
  add_forms<Elu>(k, C::elu);
  add_forms<Where>(k, C::where);
  add_forms<LeakyReluGrad>(k, C::leaky_relu_grad);
  add_forms<EluGrad>(k, C::elu_grad);
  k.dropout = dropout;
  k.fill = fill;
  k.tile = tile;
  k.repeat = repeat;
  k.from_i32 = from_i32;
  k.from_u8 = from_u8;
  k.to_i32 = to_i32;
  k.to_u8 = to_u8;
  k.to_bool = to_bool;
  k.from_bf16 = from_bf16;
  k.to_bf16 = to_bf16;
}

}  // namespace fastconv::FASTCONV_ISA

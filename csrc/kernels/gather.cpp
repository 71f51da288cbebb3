#include "kernels/gather.h"

#include "kernels/convert.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

struct Half {
  std::uint16_t bits;
};

FC_INLINE float to_float(Half h) {
  // The exponent is rebiased by a multiplication, which is exact and handles denormals too.
  const std::uint32_t magnitude = (h.bits & 0x7fffu) << 13;
  const float scaled = __builtin_bit_cast(float, magnitude) * 0x1p112f;
  const std::uint32_t finite = __builtin_bit_cast(std::uint32_t, scaled);
  const std::uint32_t special = (h.bits & 0x7c00u) == 0x7c00u ? 0x7f800000u | magnitude : finite;
  return __builtin_bit_cast(float, special | (h.bits & 0x8000u) << 16);
}
template <class T>
FC_INLINE float to_float(T x) {
  return static_cast<float>(x);
}

using fastconv::to_int;
FC_INLINE std::int32_t to_int(Half x) { return to_int(to_float(x)); }
FC_INLINE std::int32_t to_int(std::int64_t x) {
  return static_cast<std::int32_t>(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x);
}
FC_INLINE std::int32_t to_int(std::uint64_t x) {
  return static_cast<std::int32_t>(x > INT32_MAX ? INT32_MAX : x);
}
FC_INLINE std::int32_t to_int(std::uint32_t x) { return to_int(std::uint64_t{x}); }
template <class T>
FC_INLINE std::int32_t to_int(T x) {
  return static_cast<std::int32_t>(x);
}

struct Plain {
  using Out = float;
  template <class T>
  FC_INLINE float operator()(T x) const {
    return to_float(x);
  }
};
struct Affine {
  using Out = float;
  float scale, offset;
  template <class T>
  FC_INLINE float operator()(T x) const {
    return to_float(x) * scale + offset;
  }
};
struct Integer {
  using Out = std::int32_t;
  template <class T>
  FC_INLINE std::int32_t operator()(T x) const {
    return to_int(x);
  }
};
struct Byte {
  using Out = std::uint8_t;
  template <class T>
  FC_INLINE std::uint8_t operator()(T x) const {
    const std::int32_t i = to_int(x);
    return static_cast<std::uint8_t>(i < 0 ? 0 : i > 255 ? 255 : i);
  }
};
struct Boolean {
  using Out = std::uint8_t;
  template <class T>
  FC_INLINE std::uint8_t operator()(T x) const {
    return x != T{0};
  }
  FC_INLINE std::uint8_t operator()(Half x) const { return (x.bits & 0x7fffu) != 0; }
};

// Blocks of 16 elements of output, the last one overlapping its predecessor.
constexpr index_t kBlock = 16;

template <class T, class F>
FC_INLINE void convert_block(const T* __restrict in, typename F::Out* __restrict out, const F& f) {
#pragma GCC unroll 1
  for (index_t j = 0; j < kBlock; ++j) out[j] = f(in[j]);
}

// The first kilobyte: from there on the hardware has noticed.
template <class T>
FC_INLINE void prefetch_row(const GatherRows& rows, index_t row) {
  const std::byte* p = rows.base + row * rows.stride;
  index_t bytes = rows.elements * static_cast<index_t>(sizeof(T));
  if (bytes > 1024) bytes = 1024;
  for (index_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

template <class T, class F>
FC_INLINE void convert(const GatherRows& rows, const F& f) {
  using Out = typename F::Out;
  const index_t n = rows.elements;
  for (index_t r = 0; r < rows.count; ++r) {
    const index_t row = rows.order ? rows.order[rows.first + r] : rows.first + r;
    const T* in = reinterpret_cast<const T*>(rows.base + row * rows.stride);
    Out* out = static_cast<Out*>(rows.out) + r * rows.out_stride;
    if (rows.order && r + 1 < rows.count) prefetch_row<T>(rows, rows.order[rows.first + r + 1]);
    if (n < kBlock) {
      for (index_t i = 0; i < n; ++i) {
        out[i] = f(in[i]);
        asm("");  // vector code for so few elements would only be bulk
      }
      continue;
    }
    index_t i = 0;
    for (; i + kBlock <= n; i += kBlock) convert_block(in + i, out + i, f);
    if (i < n) convert_block(in + n - kBlock, out + n - kBlock, f);
  }
}

template <class T>
void to_f32(const GatherRows& rows) {
  if (rows.scale == 1.0f && rows.offset == 0.0f)
    convert<T>(rows, Plain{});
  else
    convert<T>(rows, Affine{rows.scale, rows.offset});
}

template <class T>
void to_i32(const GatherRows& rows) {
  convert<T>(rows, Integer{});
}

template <class T>
void to_u8(const GatherRows& rows) {
  convert<T>(rows, Byte{});
}

template <class T>
void to_bool(const GatherRows& rows) {
  convert<T>(rows, Boolean{});
}

template <class T>
void add(GatherKernels& k, SourceType type) {
  k.to_f32[static_cast<int>(type)] = to_f32<T>;
  k.to_i32[static_cast<int>(type)] = to_i32<T>;
  k.to_u8[static_cast<int>(type)] = to_u8<T>;
  k.to_bool[static_cast<int>(type)] = to_bool<T>;
}

}  // namespace

void fill(GatherKernels& k) {
  add<std::uint8_t>(k, SourceType::u8);
  add<std::int8_t>(k, SourceType::i8);
  add<std::uint16_t>(k, SourceType::u16);
  add<std::int16_t>(k, SourceType::i16);
  add<std::uint32_t>(k, SourceType::u32);
  add<std::int32_t>(k, SourceType::i32);
  add<std::uint64_t>(k, SourceType::u64);
  add<std::int64_t>(k, SourceType::i64);
  add<Half>(k, SourceType::f16);
  add<float>(k, SourceType::f32);
  add<double>(k, SourceType::f64);
}

}  // namespace fastconv::FASTCONV_ISA

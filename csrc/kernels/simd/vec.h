// The one vector type of the kernels, written with the compiler's vector extensions. Its width
// comes from the ISA that the file is compiled for. Include only from kernels/*.cpp.
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef FASTCONV_ISA
#error "kernels are compiled once per ISA, with FASTCONV_ISA naming its namespace"
#endif

#define FC_INLINE inline __attribute__((always_inline))
#define FC_UNROLL _Pragma("GCC unroll 64")

namespace fastconv::FASTCONV_ISA {
namespace {

using index_t = std::ptrdiff_t;

#if defined(__AVX512F__)
constexpr int kWidth = 16, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kWidth = 8, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kWidth = 4, kRegisters = 32;
#else
constexpr int kWidth = 4, kRegisters = 16;
#endif

template <int W>
struct VecOf {
  typedef float f32 __attribute__((vector_size(W * 4)));
  typedef float f32_memory __attribute__((vector_size(W * 4), aligned(4), may_alias));
  typedef std::int32_t i32 __attribute__((vector_size(W * 4)));
  typedef std::int32_t i32_memory __attribute__((vector_size(W * 4), aligned(4), may_alias));
};
using vf = VecOf<kWidth>::f32;
using vi = VecOf<kWidth>::i32;

template <int W = kWidth>
FC_INLINE typename VecOf<W>::f32 load(const float* p) {
  return *reinterpret_cast<const typename VecOf<W>::f32_memory*>(p);
}
template <int W = kWidth>
FC_INLINE void store(float* p, typename VecOf<W>::f32 v) {
  *reinterpret_cast<typename VecOf<W>::f32_memory*>(p) = v;
}
// x - 0 is exactly x, so it folds to a broadcast (0 + x would not: -0).
template <int W = kWidth>
FC_INLINE typename VecOf<W>::f32 splat(float x) {
  return x - typename VecOf<W>::f32{};
}
// max(x, floor) that lets a NaN in x through. With a constant floor GCC 12 makes a compare and a
// masked move of it: pass a run-time value.
template <int W = kWidth>
FC_INLINE typename VecOf<W>::f32 max_keep_nan(typename VecOf<W>::f32 x,
                                              typename VecOf<W>::f32 floor) {
  return floor > x ? floor : x;
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

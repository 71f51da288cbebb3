// How a vector lies in memory, for loops over any number of floats: whole, or its first n lanes at
// the end.
#pragma once

#include "kernels/simd/partial.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

struct Whole {
  FC_INLINE vf load(const float* p) const { return FASTCONV_ISA::load(p); }
  FC_INLINE void store(float* p, vf v) const { FASTCONV_ISA::store(p, v); }
};

struct First {
  index_t n;
  FC_INLINE vf load(const float* p) const { return load_first(p, n); }
  FC_INLINE void store(float* p, vf v) const { store_first(p, v, n); }
};

// Calls f(i, lanes) for the vectors at 0, kWidth, 2 kWidth ... of `count` floats.
template <class F>
FC_INLINE void for_vectors(index_t count, const F& f) {
  index_t i = 0;
  for (; i + kWidth <= count; i += kWidth) f(i, Whole{});
  if (i < count) f(i, First{count - i});
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

#include "kernels/reduce.h"

#include "kernels/simd/across.h"
#include "kernels/simd/math.h"
#include "kernels/simd/partial.h"

namespace fastconv::FASTCONV_ISA {
namespace {

struct Sum {
  static constexpr float identity = 0.0f;
  static FC_INLINE vf of(vf a, vf b) { return a + b; }
};
struct Prod {
  static constexpr float identity = 1.0f;
  static FC_INLINE vf of(vf a, vf b) { return a * b; }
};
struct Max {
  static constexpr float identity = -__builtin_inff();
  static FC_INLINE vf of(vf a, vf b) { return (a > b) | (a != a) ? a : b; }
};
struct Min {
  static constexpr float identity = __builtin_inff();
  static FC_INLINE vf of(vf a, vf b) { return (a < b) | (a != a) ? a : b; }
};

template <class R>
float row(const float* in, index_t n) {
  constexpr int kAccumulators = 8, kSteps = 16;
  vf total = splat(R::identity);
  index_t i = 0;
  while (n - i >= kAccumulators * kWidth) {
    vf acc[kAccumulators];
    FC_UNROLL
    for (int v = 0; v < kAccumulators; ++v) acc[v] = load(in + i + v * kWidth);
    i += kAccumulators * kWidth;
    for (int s = 1; s < kSteps && n - i >= kAccumulators * kWidth; ++s) {
      FC_UNROLL
      for (int v = 0; v < kAccumulators; ++v) acc[v] = R::of(acc[v], load(in + i + v * kWidth));
      i += kAccumulators * kWidth;
    }
    FC_UNROLL
    for (int half = kAccumulators / 2; half > 0; half /= 2)
      for (int v = 0; v < half; ++v) acc[v] = R::of(acc[v], acc[v + half]);
    total = R::of(total, acc[0]);
  }
  for (; n - i >= kWidth; i += kWidth) total = R::of(total, load(in + i));
  if (i < n) total = R::of(total, first_lanes_of(load_first(in + i, n - i), n - i, R::identity));
  return across(total, [](vf a, vf b) { return R::of(a, b); })[0];
}

// VECTORS vectors of columns, or the first `last` columns of one vector.
template <class R, int VECTORS, bool Partial = false>
FC_INLINE void some_columns(float* out, const float* in, index_t rows, index_t stride,
                            index_t last = 0) {
  constexpr index_t kSteps = 32;
  const auto at = [&](index_t r, int v) {
    const float* p = in + r * stride + v * kWidth;
    if constexpr (Partial) return load_first(p, last);
    return load(p);
  };
  vf total[VECTORS];
  FC_UNROLL
  for (int v = 0; v < VECTORS; ++v) total[v] = splat(R::identity);
  for (index_t begin = 0; begin < rows; begin += kSteps) {
    const index_t end = rows - begin < kSteps ? rows : begin + kSteps;
    vf even[VECTORS], odd[VECTORS];
    FC_UNROLL
    for (int v = 0; v < VECTORS; ++v) {
      even[v] = at(begin, v);
      odd[v] = splat(R::identity);
    }
    index_t r = begin + 1;
    for (; r + 1 < end; r += 2) {
      FC_UNROLL
      for (int v = 0; v < VECTORS; ++v) {
        odd[v] = R::of(odd[v], at(r, v));
        even[v] = R::of(even[v], at(r + 1, v));
      }
    }
    FC_UNROLL
    for (int v = 0; v < VECTORS; ++v) {
      if (r < end) odd[v] = R::of(odd[v], at(r, v));
      even[v] = R::of(even[v], odd[v]);
      total[v] = R::of(total[v], even[v]);
    }
  }
  FC_UNROLL
  for (int v = 0; v < VECTORS; ++v) {
    if constexpr (Partial)
      store_first(out, total[v], last);
    else
      store(out + v * kWidth, total[v]);
  }
}

template <class R>
void rows(float* out, const float* in, index_t rows, index_t stride, index_t columns) {
  index_t j = 0;
  for (; j + 4 * kWidth <= columns; j += 4 * kWidth)
    some_columns<R, 4>(out + j, in + j, rows, stride);
  for (; j + kWidth <= columns; j += kWidth) some_columns<R, 1>(out + j, in + j, rows, stride);
  if (j < columns) some_columns<R, 1, true>(out + j, in + j, rows, stride, columns - j);
}

template <bool Maximum, class T>
FC_INLINE auto better(T a, T best) {
  const auto beats = Maximum ? a > best : a < best;
  return beats | ((a != a) & (best == best));
}

template <bool Maximum>
std::int32_t arg_row(const float* in, index_t n) {
  const vi lane = lane_numbers();
  // Lanes beyond the row repeat its first element, which does not come first in them.
  vf best = n < kWidth ? first_lanes_of(load_first(in, n), n, in[0]) : load(in);
  vi found = lane < static_cast<std::int32_t>(n) ? lane : vi{};
  vi nan = best != best;
  index_t i = kWidth;
  const auto take = [&](vf x) {
    const vi mask = Maximum ? x > best : x < best;
    best = mask ? x : best;
    found = mask ? lane + static_cast<std::int32_t>(i) : found;
    nan |= x != x;
  };
  for (; i + kWidth <= n; i += kWidth) take(load(in + i));
  if (i < n) take(first_lanes_of(load_first(in + i, n - i), n - i, in[0]));
  if (any(nan)) {
    index_t first = 0;
    while (in[first] == in[first]) ++first;
    return static_cast<std::int32_t>(first);
  }
  const vf extreme = across(best, Maximum ? math::larger : math::smaller);
  return across_min(best == extreme ? found : math::splat_int(INT32_MAX));
}

template <bool Maximum>
void arg_rows(std::int32_t* out, const float* in, index_t rows, index_t stride, index_t columns) {
  index_t j = 0;
  for (; j + kWidth <= columns; j += kWidth) {
    vf best = load(in + j);
    vi found{};
    for (index_t r = 1; r < rows; ++r) {
      const vf x = load(in + r * stride + j);
      const vi mask = better<Maximum>(x, best);
      best = mask ? x : best;
      found = mask ? math::splat_int(static_cast<std::int32_t>(r)) : found;
    }
    __builtin_memcpy(out + j, &found, sizeof found);
  }
  for (; j < columns; ++j) {
    index_t found = 0;
    for (index_t r = 1; r < rows; ++r)
      if (better<Maximum>(in[r * stride + j], in[found * stride + j])) found = r;
    out[j] = static_cast<std::int32_t>(found);
  }
}

template <class R>
void add(ReduceKernels& k, ReduceCode code) {
  k.row[static_cast<int>(code)] = row<R>;
  k.rows[static_cast<int>(code)] = rows<R>;
}

}  // namespace

void fill(ReduceKernels& k) {
  add<Sum>(k, ReduceCode::sum);
  add<Max>(k, ReduceCode::max);
  add<Min>(k, ReduceCode::min);
  add<Prod>(k, ReduceCode::prod);
  k.argmax = arg_row<true>;
  k.argmin = arg_row<false>;
  k.argmax_rows = arg_rows<true>;
  k.argmin_rows = arg_rows<false>;
}

}  // namespace fastconv::FASTCONV_ISA

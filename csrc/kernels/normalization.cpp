#include "kernels/normalization.h"

#include "kernels/simd/lanes.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr index_t kBlockRows = 128;
constexpr index_t kGroupFloats = 4096;  // of rows that a channel's sums stay in registers for ...
constexpr index_t kGroupRows = 8;       // ... or so many rows, if they are longer
constexpr int kSums = 4;                // sums of a channel at a time

// The rows that are summed up together.
FC_INLINE index_t group_rows(index_t channels) {
  const index_t rows = kGroupFloats / channels / kSums * kSums;
  return rows < kGroupRows ? kGroupRows : rows;
}
FC_INLINE vf total(const vf (&v)[kSums]) { return (v[0] + v[1]) + (v[2] + v[3]); }

FC_INLINE void clear(float* work, index_t n) {
  __builtin_memset(work, 0, static_cast<std::size_t>(n) * sizeof(float));
}
FC_INLINE void add_to(double* __restrict total, const float* __restrict part, index_t n) {
  for (index_t i = 0; i < n; ++i) total[i] += static_cast<double>(part[i]);
}

FC_INLINE void moments_of(const float* x, index_t rows, index_t channels, const float* shift,
                          float* sum, float* square) {
  for_vectors(channels, [&](index_t c, auto at) __attribute__((always_inline)) {
    const vf s = at.load(shift + c);
    vf d[kSums] = {}, q[kSums] = {};
    const auto add = [&](index_t r, int k) __attribute__((always_inline)) {
      const vf v = at.load(x + r * channels + c) - s;
      d[k] += v;
      q[k] += v * v;
    };
    index_t r = 0;
    for (; r + kSums <= rows; r += kSums) FC_UNROLL for (int k = 0; k < kSums; ++k) add(r + k, k);
    for (; r < rows; ++r) add(r, 0);
    at.store(sum + c, at.load(sum + c) + total(d));
    at.store(square + c, at.load(square + c) + total(q));
  });
}

void moments(const float* x, std::int64_t rows, std::int64_t channels, const float* shift,
             float* work, double* sum, double* square) {
  clear(work, 2 * channels);
  const index_t group = group_rows(channels);
  for (index_t r = 0; r < rows; r += group)
    moments_of(x + r * channels, rows - r < group ? rows - r : group, channels, shift, work,
               work + channels);
  add_to(sum, work, channels);
  add_to(square, work + channels, channels);
}

template <int R, bool kOther, bool kRelu>
FC_INLINE void normalize_rows(const float* x, index_t channels, const float* mean,
                              const float* scale, const float* offset, const float* other, vf floor,
                              float* y) {
  for_vectors(channels, [&](index_t c, auto at) __attribute__((always_inline)) {
    const vf m = at.load(mean + c), a = at.load(scale + c), b = at.load(offset + c);
    vf v[R];
    FC_UNROLL for (int r = 0; r < R; ++r) {
      v[r] = (at.load(x + r * channels + c) - m) * a + b;
      if constexpr (kOther) v[r] += at.load(other + r * channels + c);
      if constexpr (kRelu) v[r] = max_keep_nan(v[r], floor);
    }
    FC_UNROLL for (int r = 0; r < R; ++r) at.store(y + r * channels + c, v[r]);
  });
}

template <bool kOther, bool kRelu>
void normalize_all(const float* x, index_t rows, index_t channels, const float* mean,
                   const float* scale, const float* offset, const float* other, float* y) {
  float zero = 0;
  asm("" : "+m"(zero));  // see max_keep_nan
  const vf floor = splat(zero);
  index_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const index_t i = r * channels;
    normalize_rows<4, kOther, kRelu>(x + i, channels, mean, scale, offset, other + (kOther ? i : 0),
                                     floor, y + i);
  }
  for (; r < rows; ++r) {
    const index_t i = r * channels;
    normalize_rows<1, kOther, kRelu>(x + i, channels, mean, scale, offset, other + (kOther ? i : 0),
                                     floor, y + i);
  }
}

void normalize(const float* x, std::int64_t rows, std::int64_t channels, const float* mean,
               const float* scale, const float* offset, const float* other, bool relu, float* y) {
  const auto kernel = other ? (relu ? normalize_all<true, true> : normalize_all<true, false>)
                            : (relu ? normalize_all<false, true> : normalize_all<false, false>);
  kernel(x, rows, channels, mean, scale, offset, other, y);
}

template <class At, bool kMask>
FC_INLINE vf load_dy(At at, const float* dy, const float* mask) {
  const vf v = at.load(dy);
  if constexpr (kMask)
    return at.load(mask) > 0.0f ? v : vf{};
  else
    return v;
}

template <bool kMask, bool kWrite>
FC_INLINE void grad_sums_of(const float* dy, const float* x, const float* mask, index_t rows,
                            index_t channels, const float* mean, float* masked, float* sum,
                            float* product) {
  for_vectors(channels, [&](index_t c, auto at) __attribute__((always_inline)) {
    const vf m = at.load(mean + c);
    vf d[kSums] = {}, p[kSums] = {};
    const auto add = [&](index_t r, int k) __attribute__((always_inline)) {
      const index_t i = r * channels + c;
      const vf v = load_dy<decltype(at), kMask>(at, dy + i, mask + (kMask ? i : 0));
      if constexpr (kWrite) at.store(masked + i, v);
      d[k] += v;
      p[k] += (at.load(x + i) - m) * v;
    };
    index_t r = 0;
    for (; r + kSums <= rows; r += kSums) FC_UNROLL for (int k = 0; k < kSums; ++k) add(r + k, k);
    for (; r < rows; ++r) add(r, 0);
    at.store(sum + c, at.load(sum + c) + total(d));
    at.store(product + c, at.load(product + c) + total(p));
  });
}

template <bool kMask, bool kWrite>
void grad_sums_all(const float* dy, const float* x, const float* mask, index_t rows,
                   index_t channels, const float* mean, float* work, float* masked) {
  const index_t group = group_rows(channels);
  for (index_t r = 0; r < rows; r += group) {
    const index_t i = r * channels;
    grad_sums_of<kMask, kWrite>(dy + i, x + i, mask + (kMask ? i : 0),
                                rows - r < group ? rows - r : group, channels, mean,
                                masked + (kWrite ? i : 0), work, work + channels);
  }
}

void grad_sums(const float* dy, const float* x, const float* mask, std::int64_t rows,
               std::int64_t channels, const float* mean, float* work, float* masked, double* sum,
               double* product) {
  clear(work, 2 * channels);
  if (masked)
    grad_sums_all<true, true>(dy, x, mask, rows, channels, mean, work, masked);
  else if (mask)
    grad_sums_all<true, false>(dy, x, mask, rows, channels, mean, work, masked);
  else
    grad_sums_all<false, false>(dy, x, mask, rows, channels, mean, work, masked);
  add_to(sum, work, channels);
  add_to(product, work + channels, channels);
}

template <int R, bool kMask>
FC_INLINE void grad_rows(const float* dy, const float* x, const float* mask, index_t channels,
                         const float* mean, const float* a, const float* b, const float* c,
                         float* dx) {
  for_vectors(channels, [&](index_t j, auto at) __attribute__((always_inline)) {
    const vf m = at.load(mean + j), va = at.load(a + j), vb = at.load(b + j), vc = at.load(c + j);
    FC_UNROLL for (int r = 0; r < R; ++r) {
      const index_t i = r * channels + j;
      const vf d = load_dy<decltype(at), kMask>(at, dy + i, mask + (kMask ? i : 0));
      at.store(dx + i, va * ((at.load(x + i) - m) * vb + (d - vc)));
    }
  });
}

template <bool kMask>
void grad_all(const float* dy, const float* x, const float* mask, index_t rows, index_t channels,
              const float* mean, const float* a, const float* b, const float* c, float* dx) {
  index_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const index_t i = r * channels;
    grad_rows<4, kMask>(dy + i, x + i, mask + (kMask ? i : 0), channels, mean, a, b, c, dx + i);
  }
  for (; r < rows; ++r) {
    const index_t i = r * channels;
    grad_rows<1, kMask>(dy + i, x + i, mask + (kMask ? i : 0), channels, mean, a, b, c, dx + i);
  }
}

void grad(const float* dy, const float* x, const float* mask, std::int64_t rows,
          std::int64_t channels, const float* mean, const float* a, const float* b, const float* c,
          float* dx) {
  if (mask)
    grad_all<true>(dy, x, mask, rows, channels, mean, a, b, c, dx);
  else
    grad_all<false>(dy, x, mask, rows, channels, mean, a, b, c, dx);
}

}  // namespace

void fill(NormalizationKernels& k) { k = {kBlockRows, moments, normalize, grad_sums, grad}; }

}  // namespace fastconv::FASTCONV_ISA

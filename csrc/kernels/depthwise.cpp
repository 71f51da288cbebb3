#include "kernels/depthwise.h"

#include "kernels/simd/partial.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// Whole vectors, or the first n lanes of one.
template <bool WHOLE>
FC_INLINE vf load_some(const float* p, index_t n) {
  if constexpr (WHOLE) return load(p);
  return load_first(p, n);
}

template <bool WHOLE, int PIXELS>
FC_INLINE void convolve_pixels(const DepthwiseCall& d, index_t u, index_t c) {
  const index_t n = d.channels - c;
  vf acc[PIXELS];
  FC_UNROLL for (int p = 0; p < PIXELS; ++p) acc[p] = vf{};
  for (index_t i = 0; i < d.rows; ++i) {
    const float *x = d.x + i * d.x_row + u * d.x_pixel + c, *w = d.w + i * d.w_row + c;
    for (index_t j = 0; j < d.taps; ++j, x += d.x_tap, w += d.w_tap) {
      const vf weight = load_some<WHOLE>(w, n);
      FC_UNROLL for (int p = 0; p < PIXELS; ++p) acc[p] +=
          load_some<WHOLE>(x + p * d.x_pixel, n) * weight;
    }
  }
  const vf base = d.base ? load_some<WHOLE>(d.base + c, n) : vf{}, floor = splat(d.floor);
  FC_UNROLL for (int p = 0; p < PIXELS; ++p) {
    const index_t at = (u + p) * d.y_pixel + c;
    vf y = max_keep_nan(acc[p] + base, floor);
    if (d.mask) y = load_some<WHOLE>(d.mask + at, n) > 0 ? y : vf{};
    if constexpr (WHOLE)
      store(d.y + at, y);
    else
      store_first(d.y + at, y, n);
  }
}

template <int PIXELS>
FC_INLINE void convolve_channels(const DepthwiseCall& d, index_t u) {
  index_t c = 0;
  for (; c + kWidth <= d.channels; c += kWidth) convolve_pixels<true, PIXELS>(d, u, c);
  if (c < d.channels) convolve_pixels<false, PIXELS>(d, u, c);
}

void convolve(const DepthwiseCall& d) {
  index_t u = 0;
  for (; u + 8 <= d.pixels; u += 8) convolve_channels<8>(d, u);
  for (; u + 2 <= d.pixels; u += 2) convolve_channels<2>(d, u);
  if (u < d.pixels) convolve_channels<1>(d, u);
}

// Pixels are summed in four interleaved partial sums.
template <bool WHOLE, class F>
FC_INLINE void sum_pixels(index_t pixels, index_t n, float* sums, const F& term) {
  vf acc[4] = {};
  index_t u = 0;
  for (; u + 4 <= pixels; u += 4) FC_UNROLL for (int p = 0; p < 4; ++p) acc[p] += term(u + p);
  for (; u < pixels; ++u) acc[0] += term(u);
  const vf total = load_some<WHOLE>(sums, n) + ((acc[0] + acc[1]) + (acc[2] + acc[3]));
  if constexpr (WHOLE)
    store(sums, total);
  else
    store_first(sums, total, n);
}

void correlate(const float* a, index_t a_pixel, const float* b, index_t b_pixel, index_t pixels,
               index_t channels, float* sums) {
  index_t c = 0;
  for (; c + kWidth <= channels; c += kWidth)
    sum_pixels<true>(pixels, 0, sums + c, [&](index_t u) __attribute__((always_inline)) {
      return load(a + u * a_pixel + c) * load(b + u * b_pixel + c);
    });
  const index_t n = channels - c;
  if (n > 0)
    sum_pixels<false>(pixels, n, sums + c, [&](index_t u) __attribute__((always_inline)) {
      return load_first(a + u * a_pixel + c, n) * load_first(b + u * b_pixel + c, n);
    });
}

void sum(const float* a, index_t a_pixel, index_t pixels, index_t channels, float* sums) {
  index_t c = 0;
  for (; c + kWidth <= channels; c += kWidth)
    sum_pixels<true>(pixels, 0, sums + c, [&](index_t u) __attribute__((always_inline)) {
      return load(a + u * a_pixel + c);
    });
  const index_t n = channels - c;
  if (n > 0)
    sum_pixels<false>(pixels, n, sums + c, [&](index_t u) __attribute__((always_inline)) {
      return load_first(a + u * a_pixel + c, n);
    });
}

}  // namespace

void fill(DepthwiseKernels& k) {
  k.convolve = convolve;
  k.correlate = correlate;
  k.sum = sum;
}

}  // namespace fastconv::FASTCONV_ISA

#include "kernels/pool.h"

#include "kernels/simd/bytes.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

FC_INLINE index_t min_of(index_t a, index_t b) { return a < b ? a : b; }
FC_INLINE index_t max_of(index_t a, index_t b) { return a > b ? a : b; }

struct Range {
  index_t begin, end;
  FC_INLINE index_t size() const { return end - begin; }
};

// The positions of output window `o` that lie in the input.
FC_INLINE Range inside(index_t o, index_t stride, index_t before, index_t pool, index_t size) {
  const index_t start = o * stride - before;
  return {max_of(0, -start), min_of(pool, size - start)};
}
// The output windows that cover input `i`.
FC_INLINE Range covering(index_t i, index_t stride, index_t before, index_t pool,
                         index_t out_size) {
  const index_t at = i + before;
  const index_t first = at < pool ? 0 : (at - pool) / stride + 1;
  return {first, min_of(out_size, at / stride + 1)};
}

template <int W>
FC_INLINE void store_index(std::uint8_t* p, typename VecOf<W>::i32 v) {
  store_bytes<W>(p, v);
}
template <int W>
FC_INLINE void store_index(std::int32_t* p, typename VecOf<W>::i32 v) {
  *reinterpret_cast<typename VecOf<W>::i32_memory*>(p) = v;
}
template <int W>
FC_INLINE typename VecOf<W>::i32 load_index(const std::uint8_t* p) {
  return load_bytes<W>(p);
}
template <int W>
FC_INLINE typename VecOf<W>::i32 load_index(const std::int32_t* p) {
  return *reinterpret_cast<const typename VecOf<W>::i32_memory*>(p);
}

// Calls f(c) for blocks of W of the channels, the last one overlapping its predecessor.
template <int W, class F>
FC_INLINE void for_channels(index_t channels, const F& f) {
  index_t c = 0;
  for (; c + W <= channels; c += W) f(c);
  if (c < channels) f(channels - W);
}
// The same with f<4>(c) for four blocks at a time while they last, then f<1>(c): what f does once
// for all of its channels costs less.
template <int W, class F>
FC_INLINE void for_channel_groups(index_t channels, const F& f) {
  index_t c = 0;
  if constexpr (W > 1)
    for (; c + 4 * W <= channels; c += 4 * W) f.template operator()<4>(c);
  for (; c + W <= channels; c += W) f.template operator()<1>(c);
  if (c < channels) f.template operator()<1>(channels - W);
}

template <int W, int U, class Index>
FC_INLINE void max_window(const float* x, index_t row, index_t pixel, Range ys, Range xs,
                          index_t pool_x, float* y, Index* index) {
  using V = typename VecOf<W>::f32;
  using I = typename VecOf<W>::i32;
  V best[U];
  I at[U];
  FC_UNROLL for (int u = 0; u < U; ++u) {
    best[u] = load<W>(x + ys.begin * row + xs.begin * pixel + u * W);
    at[u] = static_cast<std::int32_t>(ys.begin * pool_x + xs.begin) - I{};
  }
  for (index_t ky = ys.begin; ky < ys.end; ++ky) {
    for (index_t kx = xs.begin; kx < xs.end; ++kx) {
      const I position = static_cast<std::int32_t>(ky * pool_x + kx) - I{};
      FC_UNROLL for (int u = 0; u < U; ++u) {
        const V v = load<W>(x + ky * row + kx * pixel + u * W);
        const I keep = (best[u] >= v) | (best[u] != best[u]);
        best[u] = keep ? best[u] : v;
        at[u] = keep ? at[u] : position;
      }
    }
  }
  FC_UNROLL for (int u = 0; u < U; ++u) {
    store<W>(y + u * W, best[u]);
    store_index<W>(index + u * W, at[u]);
  }
}

template <int W, class Index>
[[gnu::noinline]] void max_row(const PoolShape& shape, const float* image, index_t oy, float* y,
                               Index* index) {
  const PoolShape s = shape;  // stores through float pointers cannot touch it
  const index_t pixel = s.channels, row = s.width * pixel;
  const Range ys = inside(oy, s.stride_y, s.top, s.pool_y, s.height);
  const bool two = s.pool_y == 2 && s.pool_x == 2;
  for (index_t ox = 0; ox < s.out_width; ++ox) {
    const Range xs = inside(ox, s.stride_x, s.left, s.pool_x, s.width);
    const float* x = image + (oy * s.stride_y - s.top) * row + (ox * s.stride_x - s.left) * pixel;
    float* out = y + ox * pixel;
    Index* out_index = index + ox * pixel;
    if (two && ys.size() == 2 && xs.size() == 2) {
      for_channels<W>(pixel, [&](index_t c) {
        max_window<W, 1>(x + c, row, pixel, {0, 2}, {0, 2}, 2, out + c, out_index + c);
      });
    } else {
      for_channel_groups<W>(pixel, [&]<int U>(index_t c) {
        max_window<W, U>(x + c, row, pixel, ys, xs, s.pool_x, out + c, out_index + c);
      });
    }
  }
}

template <int W>
[[gnu::noinline]] void average_row(const PoolShape& shape, const float* image, index_t oy,
                                   float* y) {
  const PoolShape s = shape;  // stores through float pointers cannot touch it
  using V = typename VecOf<W>::f32;
  const index_t pixel = s.channels, row = s.width * pixel;
  const Range ys = inside(oy, s.stride_y, s.top, s.pool_y, s.height);
  const bool two = s.pool_y == 2 && s.pool_x == 2;
  for (index_t ox = 0; ox < s.out_width; ++ox) {
    const Range xs = inside(ox, s.stride_x, s.left, s.pool_x, s.width);
    const float* x = image + (oy * s.stride_y - s.top) * row + (ox * s.stride_x - s.left) * pixel;
    float* out = y + ox * pixel;
    const float scale = s.reciprocal[ys.size() * xs.size()];
    if (two && ys.size() == 2 && xs.size() == 2) {
      for_channels<W>(pixel, [&](index_t c) {
        const float* p = x + c;
        const V upper = load<W>(p) + load<W>(p + pixel);
        const V lower = load<W>(p + row) + load<W>(p + row + pixel);
        store<W>(out + c, (upper + lower) * scale);
      });
    } else {
      for_channel_groups<W>(pixel, [&]<int U>(index_t c) {
        V sum[U] = {};
        for (index_t ky = ys.begin; ky < ys.end; ++ky)
          for (index_t kx = xs.begin; kx < xs.end; ++kx)
            FC_UNROLL for (int u = 0; u < U; ++u) sum[u] +=
                load<W>(x + ky * row + kx * pixel + c + u * W);
        FC_UNROLL for (int u = 0; u < U; ++u) store<W>(out + c + u * W, sum[u] * scale);
      });
    }
  }
}

// Windows that do not overlap: every input has one window at most.
FC_INLINE bool tiled(const PoolShape& s) {
  return s.pool_x == s.stride_x && s.pool_y == s.stride_y && s.left == 0;
}

FC_INLINE void zero(float* p, index_t n) {
  __builtin_memset(p, 0, static_cast<std::size_t>(n) * sizeof(float));
}

template <int W, class Index>
[[gnu::noinline]] void max_grad_row(const PoolShape& shape, const float* dy, const Index* index,
                                    index_t iy, float* dx) {
  const PoolShape s = shape;  // stores through float pointers cannot touch it
  using V = typename VecOf<W>::f32;
  using I = typename VecOf<W>::i32;
  const index_t pixel = s.channels, out_row = s.out_width * pixel;
  const Range oys = covering(iy, s.stride_y, s.top, s.pool_y, s.out_height);
  if (oys.size() <= 0) return zero(dx, s.width * pixel);
  if (tiled(s)) {
    const index_t oy = oys.begin;
    const index_t first = (iy + s.top - oy * s.stride_y) * s.pool_x;
    const auto columns = [&](index_t ox, index_t pool_x) __attribute__((always_inline)) {
      const float* d = dy + oy * out_row + ox * pixel;
      const Index* p = index + oy * out_row + ox * pixel;
      float* out = dx + ox * s.pool_x * pixel;
      for_channels<W>(pixel, [&](index_t c) {
        const V value = load<W>(d + c);
        const I at = load_index<W>(p + c) - static_cast<std::int32_t>(first);
        for (index_t kx = 0; kx < pool_x; ++kx)
          store<W>(out + kx * pixel + c, at == static_cast<std::int32_t>(kx) ? value : V{});
      });
    };
    const index_t whole = min_of(s.out_width, s.width / s.pool_x);
    if (s.pool_x == 2)
      for (index_t ox = 0; ox < whole; ++ox) columns(ox, 2);
    else
      for (index_t ox = 0; ox < whole; ++ox) columns(ox, s.pool_x);
    if (whole < s.out_width) columns(whole, s.width - whole * s.pool_x);
    const index_t done = min_of(s.out_width * s.pool_x, s.width);
    return zero(dx + done * pixel, (s.width - done) * pixel);
  }
  for (index_t ix = 0; ix < s.width; ++ix) {
    const Range oxs = covering(ix, s.stride_x, s.left, s.pool_x, s.out_width);
    for_channel_groups<W>(pixel, [&]<int U>(index_t c) {
      V sum[U] = {};
      for (index_t oy = oys.begin; oy < oys.end; ++oy) {
        const index_t first = (iy + s.top - oy * s.stride_y) * s.pool_x + ix + s.left;
        for (index_t ox = oxs.begin; ox < oxs.end; ++ox) {
          const index_t at = oy * out_row + ox * pixel + c;
          const I here = static_cast<std::int32_t>(first - ox * s.stride_x) - I{};
          FC_UNROLL for (int u = 0; u < U; ++u) sum[u] +=
              load_index<W>(index + at + u * W) == here ? load<W>(dy + at + u * W) : V{};
        }
      }
      FC_UNROLL for (int u = 0; u < U; ++u) store<W>(dx + ix * pixel + c + u * W, sum[u]);
    });
  }
}

template <int W>
[[gnu::noinline]] void average_grad_row(const PoolShape& shape, const float* dy, index_t iy,
                                        float* dx) {
  const PoolShape s = shape;  // stores through float pointers cannot touch it
  using V = typename VecOf<W>::f32;
  const index_t pixel = s.channels, out_row = s.out_width * pixel;
  const Range oys = covering(iy, s.stride_y, s.top, s.pool_y, s.out_height);
  if (oys.size() <= 0) return zero(dx, s.width * pixel);
  if (tiled(s)) {
    const index_t oy = oys.begin;
    const index_t rows = inside(oy, s.stride_y, s.top, s.pool_y, s.height).size();
    for (index_t ox = 0; ox < s.out_width; ++ox) {
      const index_t columns = min_of(s.pool_x, s.width - ox * s.pool_x);
      const float scale = s.reciprocal[rows * columns];
      const float* d = dy + oy * out_row + ox * pixel;
      float* out = dx + ox * s.pool_x * pixel;
      for_channels<W>(pixel, [&](index_t c) {
        const V value = load<W>(d + c) * scale;
        for (index_t kx = 0; kx < columns; ++kx) store<W>(out + kx * pixel + c, value);
      });
    }
    const index_t done = min_of(s.out_width * s.pool_x, s.width);
    return zero(dx + done * pixel, (s.width - done) * pixel);
  }
  for (index_t ix = 0; ix < s.width; ++ix) {
    const Range oxs = covering(ix, s.stride_x, s.left, s.pool_x, s.out_width);
    for_channel_groups<W>(pixel, [&]<int U>(index_t c) {
      V sum[U] = {};
      for (index_t oy = oys.begin; oy < oys.end; ++oy) {
        const index_t rows = inside(oy, s.stride_y, s.top, s.pool_y, s.height).size();
        for (index_t ox = oxs.begin; ox < oxs.end; ++ox) {
          const index_t columns = inside(ox, s.stride_x, s.left, s.pool_x, s.width).size();
          const float scale = s.reciprocal[rows * columns];
          const float* d = dy + oy * out_row + ox * pixel + c;
          FC_UNROLL for (int u = 0; u < U; ++u) sum[u] += load<W>(d + u * W) * scale;
        }
      }
      FC_UNROLL for (int u = 0; u < U; ++u) store<W>(dx + ix * pixel + c + u * W, sum[u]);
    });
  }
}

// Calls f with the widest vector that the channels fill, as a template argument.
template <class F>
FC_INLINE void with_width(index_t channels, const F& f) {
  if constexpr (kWidth >= 16)
    if (channels >= 16) return f.template operator()<16>();
  if constexpr (kWidth >= 8)
    if (channels >= 8) return f.template operator()<8>();
  if (channels >= 4) return f.template operator()<4>();
  f.template operator()<1>();
}

template <class Index>
void max(const PoolShape& s, const float* image, std::int64_t oy, float* y, Index* index) {
  with_width(s.channels, [&]<int W> { max_row<W>(s, image, oy, y, index); });
}
void average(const PoolShape& s, const float* image, std::int64_t oy, float* y) {
  with_width(s.channels, [&]<int W> { average_row<W>(s, image, oy, y); });
}
template <class Index>
void max_grad(const PoolShape& s, const float* dy, const Index* index, std::int64_t iy, float* dx) {
  with_width(s.channels, [&]<int W> { max_grad_row<W>(s, dy, index, iy, dx); });
}
void average_grad(const PoolShape& s, const float* dy, std::int64_t iy, float* dx) {
  with_width(s.channels, [&]<int W> { average_grad_row<W>(s, dy, iy, dx); });
}

}  // namespace

void fill(PoolKernels& k) {
  k.max_u8 = max<std::uint8_t>;
  k.max_i32 = max<std::int32_t>;
  k.average = average;
  k.max_grad_u8 = max_grad<std::uint8_t>;
  k.max_grad_i32 = max_grad<std::int32_t>;
  k.average_grad = average_grad;
}

}  // namespace fastconv::FASTCONV_ISA

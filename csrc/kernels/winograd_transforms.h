// The transforms: tiles of images to positions and back, weights to U and back. V, Z and U are
// floats or bfloat16, M and dU floats; see winograd.h and bf16.h.
#pragma once

#include <type_traits>

#include "kernels/simd/bf16.h"
#include "kernels/simd/bytes.h"
#include "kernels/simd/partial.h"
#include "kernels/simd/transpose.h"
#include "kernels/simd/vec.h"
#include "kernels/winograd.h"
#include "kernels/winograd_points.h"

#define FC_LAMBDA __attribute__((always_inline))

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr index_t L = kWidth;

// Planes at a stride, eight of them with three base registers: p + {0, 1, 2, 4} s, p3 + {0, 2} s
// and p6 + {0, 1} s.
// The empty asm keeps GCC 12 from computing (and spilling) the addresses of a whole tile in
// advance.
template <class F>
struct Planes {
  F *p, *p3, *p6;
  index_t s;
  FC_INLINE Planes(F* start, index_t stride) : p(start), s(stride) {
    asm("" : "+r"(p));
    p3 = p + 3 * s;
    asm("" : "+r"(p3));
    p6 = p3 + 3 * s;
    asm("" : "+r"(p6));
  }
  FC_INLINE F* operator[](int i) const {
    return i >= 6 ? p6 + (i - 6) * s : i == 3 || i == 5 ? p3 + (i - 3) * s : p + i * s;
  }
};

// What V and Z are made of: floats; bfloat16 side by side, which makes pairs of channels; the
// halves of pairs of tiles, of which the even one is stored first.
struct Half {
  std::uint16_t bits;
};
struct Even {
  float pair;
};
struct Odd {
  float pair;
};
FC_INLINE void put(float* to, vf v) { store(to, v); }
FC_INLINE void put(Half* to, vf v) { store_halves(&to->bits, v); }
FC_INLINE void put(Even* to, vf v) { store_pairs(&to->pair, pairs(v, vf{})); }
FC_INLINE void put(Odd* to, vf v) {
  store_pairs(&to->pair, load_pairs(&to->pair) | pairs(vf{}, v));
}

// Two-dimensional transforms of one block of channels. patch.column(j) gives a function of the row
// i, patch.inside(v, j) is v or, for a column outside of the image, zero.
template <class T, class P, class E>
FC_INLINE void input_tile(const P& patch, E* v, index_t plane) {
  constexpr int N = T::kPoints;
  each<(N + 1) / 2>([&](auto pair) FC_LAMBDA {  // re-reads the patch for each: no spilled rows
    constexpr int kMembers = N % 2 != 0 && pair == 0 ? 1 : 2;
    vf rows[2][N];
    each<N>([&](auto j) FC_LAMBDA {
      vf a, b;
      T::template input<pair>(patch.column(j()), a, b);
      rows[0][j] = patch.inside(a, j());
      if constexpr (kMembers == 2) rows[1][j] = patch.inside(b, j());
    });
    each<kMembers>([&](auto h) FC_LAMBDA {
      constexpr int row = pair == 0 ? (h ? N - 1 : 0) : 2 * pair - 1 + h;
      const Planes<E> out(v + row * N * plane, plane);
      each<(N + 1) / 2>([&](auto q) FC_LAMBDA {
        vf a, b;
        T::template input<q>([&](int i) FC_LAMBDA { return rows[h][i]; }, a, b);
        put(out[q == 0 ? 0 : 2 * q - 1], a);
        if constexpr (N % 2 == 0 || q != 0) put(out[q == 0 ? N - 1 : 2 * q], b);
      });
    });
  });
}

template <class T>
FC_INLINE void output_tile(const float* m, index_t plane, vf (*y)[T::kOutputs]) {
  constexpr int N = T::kPoints, M = T::kOutputs;
  vf half[N][M];
  each<N>([&](auto j) FC_LAMBDA {
    const Planes<const float> in(m + j * plane, N * plane);
    T::output([&](int i) FC_LAMBDA { return load(in[i]); }, half[j]);
  });
  each<M>([&](auto i) FC_LAMBDA { T::output([&](int j) FC_LAMBDA { return half[j][i]; }, y[i]); });
}

// Adds all pixels to `total`.
template <class T, class P, class E>
FC_INLINE void gradient_tile(const P& patch, vf& total, E* z, index_t plane) {
  constexpr int N = T::kPoints, M = T::kOutputs;
  vf half[M][N];
  each<M>([&](auto j) FC_LAMBDA {
    const auto pixel = patch.column(j());
    vf column[M];
    each<M>([&](auto i) FC_LAMBDA {
      column[i] = patch.inside(pixel(i()), j());
      total += column[i];
    });
    T::gradient([&](int i) FC_LAMBDA { return column[i]; }, half[j]);
  });
  each<N>([&](auto i) FC_LAMBDA {
    vf row[N];
    T::gradient([&](int j) FC_LAMBDA { return half[j][i]; }, row);
    const Planes<E> out(z + i * N * plane, plane);
    each<N>([&](auto j) FC_LAMBDA { put(out[j], row[j]); });
  });
}

// A square of one image whose pixels are all inside.
struct WholePatch {
  const float* corner;
  index_t row, pixel;
  FC_INLINE auto column(int j) const {
    return [p = Planes<const float>(corner + j * pixel, row)](int i)
               FC_LAMBDA { return load(p[i]); };
  }
  FC_INLINE vf inside(vf v, int) const { return v; }
};

// A square of side E that sticks out of its image: what is outside is read from the nearest row and
// column, and masked.
template <int E>
struct EdgePatch {
  const float* pixels;
  index_t row[E], pixel[E];                      // floats to them
  std::int32_t row_inside[E], column_inside[E];  // all bits or none

  FC_INLINE EdgePatch(const float* image, index_t height, index_t width, index_t channels,
                      index_t y0, index_t x0)
      : pixels(image) {
    FC_UNROLL for (int i = 0; i < E; ++i) {
      row[i] = nearest(y0 + i, height) * width * channels;
      pixel[i] = nearest(x0 + i, width) * channels;
      row_inside[i] = -(y0 + i >= 0 && y0 + i < height);
      column_inside[i] = -(x0 + i >= 0 && x0 + i < width);
    }
  }
  FC_INLINE static index_t nearest(index_t at, index_t size) {
    return at < 0 ? 0 : at < size ? at : size - 1;
  }
  FC_INLINE static vf masked(vf v, std::int32_t mask) { return (vf)((vi)v & (vi{} + mask)); }
  FC_INLINE auto column(int j) const {
    return [this, p = pixels + pixel[j]](int i)
               FC_LAMBDA { return masked(load(p + row[i]), row_inside[i]); };
  }
  FC_INLINE vf inside(vf v, int j) const { return masked(v, column_inside[j]); }
};

// A square of fewer channels than a vector has lanes, copied with zeros behind them and around the
// image.
template <int E>
struct NarrowPatch {
  alignas(64) float buffer[E][E][L];

  FC_INLINE NarrowPatch(const float* image, index_t height, index_t width, index_t channels,
                        index_t y0, index_t x0, index_t lanes) {
    for (index_t i = 0; i < E; ++i)
      for (index_t j = 0; j < E; ++j) {
        const index_t y = y0 + i, x = x0 + j;
        const bool inside = y >= 0 && y < height && x >= 0 && x < width;
        store(buffer[i][j], inside ? load_first(image + (y * width + x) * channels, lanes) : vf{});
      }
  }
  FC_INLINE auto column(int j) const {
    return [this, j](int i) FC_LAMBDA { return load(buffer[i][j]); };
  }
  FC_INLINE vf inside(vf v, int) const { return v; }
};

// Calls f(image, tile row, tile column, tile) for the tiles of rows [row, row + rows).
template <class F>
FC_INLINE void each_tile(const WinogradShape& s, index_t row, index_t rows, F f) {
  index_t image = row / s.tiles_y, ty = row % s.tiles_y, tile = 0;
  for (index_t r = 0; r < rows; ++r) {
    for (index_t tx = 0; tx < s.tiles_x; ++tx) f(image, ty, tx, tile++);
    if (++ty == s.tiles_y) {
      ty = 0;
      ++image;
    }
  }
}

// All channels of one tile, blocks of them `block` apart.
template <class T, class E>
FC_INLINE void input_channels(const WinogradShape& s, const float* x, index_t image, index_t ty,
                              index_t tx, E* out, index_t block, index_t plane) {
  constexpr int M = T::kOutputs, N = M + 2;
  const index_t y0 = ty * M - s.top, x0 = tx * M - s.left;
  const float* pixels = x + image * s.height * s.width * s.channels;
  index_t c = 0;
  if (y0 >= 0 && x0 >= 0 && y0 + N <= s.height && x0 + N <= s.width) {
    WholePatch patch{pixels + (y0 * s.width + x0) * s.channels, s.width * s.channels, s.channels};
    for (; c + L <= s.channels; c += L, out += block, patch.corner += L)
      input_tile<T>(patch, out, plane);
  } else {
    EdgePatch<N> patch(pixels, s.height, s.width, s.channels, y0, x0);
    for (; c + L <= s.channels; c += L, out += block, patch.pixels += L)
      input_tile<T>(patch, out, plane);
  }
  if (c < s.channels)
    input_tile<T>(NarrowPatch<N>(pixels + c, s.height, s.width, s.channels, y0, x0, s.channels - c),
                  out, plane);
}

template <class T>
void input(const WinogradShape& s, const float* x, index_t row, index_t rows,
           const WinogradTiles& v) {
  each_tile(s, row, rows, [&](index_t image, index_t ty, index_t tx, index_t tile) {
    input_channels<T>(s, x, image, ty, tx, v.data + tile * L, v.tiles * L, v.plane);
  });
}

template <class T, class E>
FC_INLINE void gradient_channels(const WinogradShape& s, const float* dy, index_t image, index_t ty,
                                 index_t tx, E* out, index_t block, index_t plane, float* bias) {
  constexpr int M = T::kOutputs;
  const index_t y0 = ty * M, x0 = tx * M;
  const float* pixels = dy + image * s.out_height * s.out_width * s.out_channels;
  index_t k = 0;
  const auto transform = [&](const auto& patch) FC_LAMBDA {
    vf total{};
    gradient_tile<T>(patch, total, out, plane);
    if (bias != nullptr) store(bias + k, load(bias + k) + total);
  };
  if (y0 + M <= s.out_height && x0 + M <= s.out_width) {
    WholePatch patch{pixels + (y0 * s.out_width + x0) * s.out_channels,
                     s.out_width * s.out_channels, s.out_channels};
    for (; k + L <= s.out_channels; k += L, out += block, patch.corner += L) transform(patch);
  } else {
    EdgePatch<M> patch(pixels, s.out_height, s.out_width, s.out_channels, y0, x0);
    for (; k + L <= s.out_channels; k += L, out += block, patch.pixels += L) transform(patch);
  }
  if (k < s.out_channels)
    transform(NarrowPatch<M>(pixels + k, s.out_height, s.out_width, s.out_channels, y0, x0,
                             s.out_channels - k));
}

template <class T>
void gradient(const WinogradShape& s, const float* dy, index_t row, index_t rows,
              const WinogradTiles& z, float* bias) {
  each_tile(s, row, rows, [&](index_t image, index_t ty, index_t tx, index_t tile) {
    gradient_channels<T>(s, dy, image, ty, tx, z.data + tile * L, z.tiles * L, z.plane, bias);
  });
}

FC_INLINE void store_lanes(float* p, vf v, index_t lanes) {
  if (lanes == L)
    store(p, v);
  else
    store_first(p, v, lanes);
}

// The maximum of each 2x2 window, the first where several are equal; a NaN wins.
template <int M>
FC_INLINE void store_pooled(const WinogradShape& s, vf (*y)[M], vf bias, vf floor, index_t image,
                            index_t ty, index_t tx, index_t k, index_t lanes,
                            const WinogradStore& to) {
  const index_t height = s.out_height / 2, width = s.out_width / 2;
  each<M / 2>([&](auto i) FC_LAMBDA {
    each<M / 2>([&](auto j) FC_LAMBDA {
      vf best = max_keep_nan(y[2 * i][2 * j] + bias, floor);
      vi index{};
      const auto take = [&](vf result, int position) FC_LAMBDA {
        const vf value = max_keep_nan(result + bias, floor);
        const vi better = ~(value <= best) & (best == best);
        index = better ? vi{} + position : index;
        best = better ? value : best;
      };
      take(y[2 * i][2 * j + 1], 1);
      take(y[2 * i + 1][2 * j], 2);
      take(y[2 * i + 1][2 * j + 1], 3);
      const index_t py = ty * (M / 2) + i, px = tx * (M / 2) + j;
      if (py < height && px < width) {
        const index_t o = ((image * height + py) * width + px) * s.out_channels + k;
        if (lanes == L) {
          store(to.y + o, best);
          store_bytes<kWidth>(to.index + o, index);
        } else {
          store_first(to.y + o, best, lanes);
          for (index_t l = 0; l < lanes; ++l) to.index[o + l] = static_cast<std::uint8_t>(index[l]);
        }
      }
    });
  });
}

// One whole tile of one whole block of channels.
template <bool kOther, bool kMask, int M>
FC_INLINE void store_whole(vf (*y)[M], vf bias, vf floor, float* out, const float* other,
                           const float* mask, index_t row_stride, index_t column_stride) {
  each<M>([&](auto i) FC_LAMBDA {
    each<M>([&](auto j) FC_LAMBDA {
      const index_t at = i * row_stride + j * column_stride;
      vf value = max_keep_nan(y[i][j] + bias, floor);
      if constexpr (kOther) value += load(other + at);
      if constexpr (kMask) value = load(mask + at) > 0 ? value : vf{};
      y[i][j] = value;
    });
  });
  // After all loads: the tensors' rows may be a multiple of 4 KB apart.
  each<M>([&](auto i) FC_LAMBDA {
    each<M>([&](auto j) FC_LAMBDA { store(out + i * row_stride + j * column_stride, y[i][j]); });
  });
}

template <int M>
FC_INLINE void store_tile(const WinogradShape& s, vf (*y)[M], vf bias, vf floor, index_t image,
                          index_t ty, index_t tx, index_t k, index_t lanes,
                          const WinogradStore& to) {
  const index_t rows = s.out_height - ty * M, columns = s.out_width - tx * M;
  const index_t o = ((image * s.out_height + ty * M) * s.out_width + tx * M) * s.out_channels + k;
  const index_t row_stride = s.out_width * s.out_channels;
  float* out = to.y + o;
  const float* other = to.other == nullptr ? nullptr : to.other + o;
  const float* mask = to.mask == nullptr ? nullptr : to.mask + o;
  if (rows >= M && columns >= M && lanes == L) {
    const auto whole = [&](auto with_other, auto with_mask) FC_LAMBDA {
      store_whole<with_other, with_mask>(y, bias, floor, out, other, mask, row_stride,
                                         s.out_channels);
    };
    constexpr std::true_type yes;
    constexpr std::false_type no;
    if (other == nullptr)
      mask == nullptr ? whole(no, no) : whole(no, yes);
    else
      mask == nullptr ? whole(yes, no) : whole(yes, yes);
    return;
  }
  each<M>([&](auto i) FC_LAMBDA {
    each<M>([&](auto j) FC_LAMBDA {
      if (i < rows && j < columns) {
        const index_t at = i * row_stride + j * s.out_channels;
        const auto pixel = [&](const float* p)
                               FC_LAMBDA { return lanes == L ? load(p) : load_first(p, lanes); };
        vf value = max_keep_nan(y[i][j] + bias, floor);
        if (other != nullptr) value += pixel(other + at);
        if (mask != nullptr) value = pixel(mask + at) > 0 ? value : vf{};
        store_lanes(out + at, value, lanes);
      }
    });
  });
}

template <class T>
void output(const WinogradShape& s, const WinogradTiles& m, index_t row, index_t rows,
            const WinogradStore& to) {
  constexpr int M = T::kOutputs;
  const vf floor = splat(to.floor);
  each_tile(s, row, rows, [&](index_t image, index_t ty, index_t tx, index_t tile) {
    const float* in = m.data + tile * L;
    for (index_t k = 0; k < s.out_channels; k += L, in += m.tiles * L) {
      const index_t lanes = s.out_channels - k < L ? s.out_channels - k : L;
      vf bias{};
      if (to.bias != nullptr)
        bias = lanes == L ? load(to.bias + k) : load_first(to.bias + k, lanes);
      vf y[M][M];
      output_tile<T>(in, m.plane, y);
      if (M % 2 == 0 && to.index != nullptr)
        store_pooled<M>(s, y, bias, floor, image, ty, tx, k, lanes, to);
      else
        store_tile<M>(s, y, bias, floor, image, ty, tx, k, lanes, to);
    }
  });
}

FC_INLINE index_t padded(index_t channels) { return (channels + L - 1) / L * L; }

// Where U's row `row`, column block `column` starts. Panels hold two blocks, the last perhaps one.
FC_INLINE index_t packed(index_t row, index_t column, index_t rows, index_t columns) {
  const index_t panel = column / (2 * L) * (2 * L);
  const index_t width = padded(columns) - panel >= 2 * L ? 2 * L : L;
  return panel * rows + row * width + (column - panel);
}

// G w G', each position a plane further. Of pairs of rows, an even row is stored first.
template <class T, class E>
FC_INLINE void weight_tile(const vf (&w)[3][3], E* u, index_t plane) {
  constexpr int N = T::kPoints;
  vf half[N][3];
  each<N>([&](auto i) FC_LAMBDA {
    each<3>([&](auto j) FC_LAMBDA {
      half[i][j] = weight_row<T, i>([&](int r) FC_LAMBDA { return w[r][j]; });
    });
  });
  each<N>([&](auto i) FC_LAMBDA {
    const Planes<E> out(u + i * N * plane, plane);
    each<N>([&](auto j) FC_LAMBDA {
      put(out[j], weight_row<T, j>([&](int r) FC_LAMBDA { return half[i][r]; }));
    });
  });
}

// Row `row` of U, of `rows`, from column `column` on. With kPairs, two rows make one of pairs.
template <class T, bool kPairs>
FC_INLINE void weight_row_of_u(const vf (&w)[3][3], float* u, index_t plane, index_t row,
                               index_t column, index_t rows, index_t columns) {
  if constexpr (!kPairs) {
    weight_tile<T>(w, u + packed(row, column, rows, columns), plane);
  } else {
    float* to = u + packed(row / 2, column, (rows + 1) / 2, columns);
    if (row % 2 == 0)
      weight_tile<T>(w, reinterpret_cast<Even*>(to), plane);
    else
      weight_tile<T>(w, reinterpret_cast<Odd*>(to), plane);
  }
}

template <class T, bool kPairs = false>
void weights(const float* w, index_t channels, index_t out_channels, index_t first, index_t last,
             float* u, index_t plane) {
  const index_t tap = channels * out_channels;
  for (index_t c = first; c < last; ++c)
    for (index_t k = 0; k < out_channels; k += L) {
      const index_t lanes = out_channels - k < L ? out_channels - k : L;
      const float* p = w + c * out_channels + k;
      vf in[3][3];
      each<3>([&](auto i) FC_LAMBDA {
        each<3>([&](auto j) FC_LAMBDA {
          const float* q = p + (i * 3 + j) * tap;
          in[i][j] = lanes == L ? load(q) : load_first(q, lanes);
        });
      });
      weight_row_of_u<T, kPairs>(in, u, plane, c, k, channels, out_channels);
    }
}

template <class T, bool kPairs = false>
void weights_transposed(const float* w, index_t channels, index_t out_channels, index_t first,
                        index_t last, float* u, index_t plane) {
  const index_t tap = channels * out_channels;
  for (index_t block = first; block < last; ++block)
    for (index_t k = 0; k < out_channels; k += L) {
      const index_t c = block * L, rows = channels - c < L ? channels - c : L;
      const index_t lanes = out_channels - k < L ? out_channels - k : L;
      alignas(64) float turned[9][L * L];
      for (index_t t = 0; t < 9; ++t) {
        const float* p = w + t * tap + c * out_channels + k;
        vf tile[L];
        FC_UNROLL for (index_t r = 0; r < L; ++r) tile[r] =
            r < rows ? load_first(p + r * out_channels, lanes) : vf{};
        transpose(tile);
        FC_UNROLL for (index_t r = 0; r < L; ++r) store(turned[t] + r * L, tile[r]);
      }
      for (index_t r = 0; r < lanes; ++r) {
        vf in[3][3];
        each<3>([&](auto i) FC_LAMBDA {
          each<3>([&](auto j) FC_LAMBDA { in[i][j] = load(turned[(2 - i) * 3 + 2 - j] + r * L); });
        });
        weight_row_of_u<T, kPairs>(in, u, plane, k + r, c, out_channels, channels);
      }
    }
}

template <class T>
void weights_gradient(const float* du, index_t plane, index_t channels, index_t out_channels,
                      index_t first, index_t last, float* dw) {
  constexpr int N = T::kPoints;
  const index_t tap = channels * out_channels;
  for (index_t c = first; c < last; ++c)
    for (index_t k = 0; k < out_channels; k += L) {
      const index_t lanes = out_channels - k < L ? out_channels - k : L;
      const float* from = du + packed(c, k, padded(channels), out_channels);
      float* to = dw + c * out_channels + k;
      vf half[3][N];
      each<N>([&](auto j) FC_LAMBDA {
        vf column[N];
        for (int i = 0; i < N; ++i) column[i] = load(from + (i * N + j) * plane);
        each<3>([&](auto r) FC_LAMBDA {
          half[r][j] = weight_column<T, r>([&](int i) FC_LAMBDA { return column[i]; });
        });
      });
      each<3>([&](auto r) FC_LAMBDA {
        each<3>([&](auto h) FC_LAMBDA {
          store_lanes(to + (r * 3 + h) * tap,
                      weight_column<T, h>([&](int j) FC_LAMBDA { return half[r][j]; }), lanes);
        });
      });
    }
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

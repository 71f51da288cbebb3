// Winograd's inner product: operands, and tiles of ten rows by two vectors.
#include "kernels/inner_product.h"

#include "kernels/simd/across.h"
#include "kernels/simd/partial.h"
#include "kernels/table.h"

namespace fastconv::FASTCONV_ISA {
namespace {

static_assert(2 * kWidth == kInnerWidth);

constexpr index_t kSum = kInnerRow - 2, kUnscale = kInnerRow - 1;  // behind a packed row
constexpr index_t kPattern = 48;  // both periods: of the forms and of vectors

FC_INLINE vf power_of_two(vi exponent) { return (vf)((exponent + 127) << 23); }

// The exponents of root mean squares, at most 126 either way. mean_square(scale) is of numbers that
// are multiplied by `scale` first, as their squares may be too large or too small for a float.
template <class F>
FC_INLINE vi root_exponent(const F& mean_square) {
  vi exponent{}, before{};
  for (int tries = 0; tries < 2; ++tries) {
    exponent = before + ((((vi)mean_square(power_of_two(-before)) >> 23) - 127) >> 1);
    before = exponent > 60 ? 64 + vi{} : exponent < -60 ? -64 + vi{} : vi{};
    if (!any(before != 0)) break;
  }
  exponent = exponent > 126 ? 126 + vi{} : exponent;
  return exponent < -126 ? -126 + vi{} : exponent;
}

// 1 and -1 at the first of each pair, 0 elsewhere.
FC_INLINE vf forms(index_t first) {
  vf f{};
  for (index_t i = 0; i < kWidth; ++i)
    f[i] = (first + i) % 6 == 0 ? 1.0f : (first + i) % 6 == 3 ? -1.0f : 0.0f;
  return f;
}

FC_INLINE index_t clamped(index_t lanes) { return lanes < 0 ? 0 : lanes < kWidth ? lanes : kWidth; }

// Calls f(k, v, how many terms there are from k + v * kWidth on, or kWidth + 1 if more) for whole
// patterns of vectors, the last of them beyond the terms.
template <class F>
FC_INLINE void for_vectors(index_t terms, const F& f) {
  constexpr int kVectors = kPattern / kWidth;
  index_t k = 0;
  for (; k + kPattern < terms; k += kPattern)
    FC_UNROLL for (int v = 0; v < kVectors; ++v) f(k, v, kWidth + 1);
  FC_UNROLL for (int v = 0; v < kVectors; ++v) f(k, v, terms - k - v * kWidth);
}

void pack_rows(float* dst, const float* src, index_t stride, index_t rows, index_t terms) {
  vf form[3];
  FC_UNROLL for (int v = 0; v < 3; ++v) form[v] = forms(v * kWidth);
  for (index_t m = 0; m < rows; ++m, dst += kInnerRow, src += stride) {
    vi bits{};
    const vi exponent = root_exponent([&](vf scale) {
      vf squares[3] = {};
      for_vectors(terms, [&](index_t k, int v, index_t left) {
        const vf x = scale * load_first(src + k + v * kWidth, clamped(left));
        squares[v] += x * x;
        bits |= (vi)x & 0x7fffffff;
      });
      const float square = across_sum(squares[0] + squares[1] + squares[2]);
      return splat(square / static_cast<float>(terms));
    });
    const vf scale = power_of_two(-exponent);
    vf sums[3] = {};
    for_vectors(terms, [&](index_t k, int v, index_t left) {
      const float* p = src + k + v * kWidth;
      const vf x = scale * load_first(p, clamped(left));
      const vf next = scale * load_first(p + 1, clamped(left - 1));
      store(dst + k + v * kWidth, x);
      sums[v] += form[v] * x * next;
    });
    dst[kSum] = across_sum(sums[0] + sums[1] + sums[2]);
    dst[kUnscale] = any(bits != 0) ? power_of_two(exponent)[0] : 0.0f;
  }
}

void pack_panel(float* dst, const float* src, index_t stride, index_t terms, index_t columns) {
  vf scale[2], unscale[2], sums[2] = {}, before[2] = {};
  const index_t lanes[2] = {clamped(columns), clamped(columns - kWidth)};
  for (int v = 0; v < 2; ++v) {
    vi bits{};
    const vi exponent = root_exponent([&](vf first) {
      vf squares{};
      for (index_t k = 0; k < terms; ++k) {
        const vf x = first * load_first(src + k * stride + v * kWidth, lanes[v]);
        squares += x * x;
        bits |= (vi)x & 0x7fffffff;
      }
      return squares / splat(static_cast<float>(terms));
    });
    scale[v] = power_of_two(-exponent);
    unscale[v] = bits != 0 ? power_of_two(exponent) : vf{};
  }
  const index_t padded = inner_terms(terms);
  for (index_t k = 0; k < padded; ++k, dst += kInnerWidth) {
    const vf form = splat(k % 6 == 1 ? 1.0f : k % 6 == 4 ? -1.0f : 0.0f);
    FC_UNROLL for (int v = 0; v < 2; ++v) {
      const vf x =
          k < terms ? scale[v] * load_first(src + k * stride + v * kWidth, lanes[v]) : vf{};
      sums[v] += form * before[v] * x;
      store(dst + v * kWidth, x);
      before[v] = x;
    }
  }
  FC_UNROLL for (int v = 0; v < 2; ++v) {
    store(dst + v * kWidth, sums[v]);
    store(dst + kInnerWidth + v * kWidth, unscale[v]);
  }
}

// sum += a b, and sum -= a b. In C++ GCC 12 would make a * b + sum in the place of a and then move
// it, which is a tenth slower.
FC_INLINE void add_product(vf& sum, vf a, vf b) {
  asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}
FC_INLINE void subtract_product(vf& sum, vf a, vf b) {
  asm("vfnmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
}

// Three terms, a pair and a single one, for all rows of a tile.
template <bool NEGATIVE, int ROWS>
FC_INLINE void add_three(vf (&acc)[ROWS][2], const float* a, const float* b) {
  vf b1[2], b2[2], b3[2];
  FC_UNROLL for (int v = 0; v < 2; ++v) {
    b1[v] = load(b + v * kWidth);
    b2[v] = load(b + kInnerWidth + v * kWidth);
    b3[v] = load(b + 2 * kInnerWidth + v * kWidth);
  }
  FC_UNROLL for (int m = 0; m < ROWS; ++m) {
    const float* row = a + m * kInnerRow;
    const vf a1 = splat(row[0]), a2 = splat(row[1]);
    FC_UNROLL for (int v = 0; v < 2; ++v) {
      if constexpr (NEGATIVE)
        subtract_product(acc[m][v], a1 - b2[v], a2 - b1[v]);
      else
        add_product(acc[m][v], a1 + b2[v], a2 + b1[v]);
    }
    const vf a3 = splat(row[2]);
    FC_UNROLL for (int v = 0; v < 2; ++v) add_product(acc[m][v], a3, b3[v]);
  }
}

alignas(64) constexpr float kZeros[kInnerWidth] = {};

template <int ROWS>
void tile(const InnerTile& t) {
  const float *rows = t.a, *base = t.base ? t.base : kZeros;
  const index_t base_stride = t.base ? t.base_stride : 0;
  float* c = t.c;
  for (index_t n = t.tiles; n > 0; --n, rows += ROWS * kInnerRow) {
    vf acc[ROWS][2] = {};
    const float *a = rows, *b = t.b;
    for (index_t k = t.terms; k > 0; k -= 6, a += 6, b += 6 * kInnerWidth) {
      add_three<false>(acc, a, b);
      add_three<true>(acc, a + 3, b + 3 * kInnerWidth);
    }
    const vf floor = splat(t.floor);
    FC_UNROLL for (int v = 0; v < 2; ++v) {
      const index_t lanes = clamped(t.columns - v * kWidth);
      const vf sum = load(b + v * kWidth), unscale = load(b + kInnerWidth + v * kWidth);
      FC_UNROLL for (int m = 0; m < ROWS; ++m) {
        const vf product = (acc[m][v] - (sum + rows[m * kInnerRow + kSum])) * unscale;
        const vf x = load_first(base + m * base_stride + v * kWidth, lanes) +
                     product * rows[m * kInnerRow + kUnscale];
        store_first(c + m * t.c_stride + v * kWidth, max_keep_nan(x, floor), lanes);
      }
    }
    c += ROWS * t.c_stride;
    base += ROWS * base_stride;
  }
}

constexpr InnerTileFn kTiles[kInnerRows] = {tile<1>, tile<2>, tile<3>, tile<4>, tile<5>,
                                            tile<6>, tile<7>, tile<8>, tile<9>, tile<10>};

}  // namespace

void fill_inner_product(KernelTable& t);
void fill_inner_product(KernelTable& t) { t.inner_product = {kTiles, pack_rows, pack_panel}; }

}  // namespace fastconv::FASTCONV_ISA

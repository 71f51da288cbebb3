// The register tile behind gemm.h, shared by the files that instantiate its three kinds.
#pragma once

#include <utility>

#include "kernels/gemm.h"
#include "kernels/simd/bf16.h"
#include "kernels/simd/fetch.h"
#include "kernels/simd/partial.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

enum class TileKind { rows, clipped, columns, pair_rows, pair_columns };
constexpr bool has_columns(TileKind kind) {
  return kind == TileKind::columns || kind == TileKind::pair_columns;
}

// acc += a b, for one element of A and a vector of B: floats, or pairs of bfloat16.
template <int W, bool PAIRS>
FC_INLINE typename VecOf<W>::f32 factor(const float* a) {
  if constexpr (PAIRS) return (typename VecOf<W>::f32)splat_pair<W>(a);
  return splat<W>(*a);
}
template <int W, bool PAIRS, class V>
FC_INLINE void add_product(V& acc, V a, V b) {
  using I = typename VecOf<W>::i32;
  if constexpr (PAIRS)
    acc = add_products<W>(acc, (I)a, (I)b);
  else
    acc += a * b;
}

// acc[m][:] += sum over k of A(m, k) * B(k, :), for the rows first <= m < last.
// With strided rows four of them share a pointer (p, p + s, p + 2s, p + 3s). The empty asm hides
// how the pointers are related: GCC 12 would keep an index register for each row, run out of them,
// and park them in vector registers inside the loop.
template <int W, int ROWS, int VECTORS, bool COLUMNS, bool PAIRS = false, int FIRST = 0,
          int LAST = ROWS>
FC_INLINE void accumulate(typename VecOf<W>::f32 (&acc)[ROWS][VECTORS], const float* a,
                          index_t a_stride, const float* b, index_t b_stride, index_t depth,
                          const char*& soon, index_t lines) {
  using V = typename VecOf<W>::f32;
  constexpr int kPointers = COLUMNS ? 1 : (ROWS + 3) / 4;
  index_t a_stride3 = 3 * a_stride;
  const float* row[kPointers];
  if (!COLUMNS) asm("" : "+r"(a_stride3));
  FC_UNROLL for (int p = 0; p < kPointers; ++p) {
    row[p] = a + 4 * p * a_stride;
    if (!COLUMNS) asm("" : "+r"(row[p]));
  }
  for (; depth > 0; --depth) {
    V bv[VECTORS];
    fetch_lines(soon, lines);
    FC_UNROLL for (int v = 0; v < VECTORS; ++v) bv[v] = load<W>(b + v * W);
    FC_UNROLL for (int m = FIRST; m < LAST; ++m) {
      const float* r = row[COLUMNS ? 0 : m / 4];
      const V av = factor<W, PAIRS>(r + (COLUMNS ? m : m % 4 == 3 ? a_stride3 : m % 4 * a_stride));
      FC_UNROLL for (int v = 0; v < VECTORS; ++v) add_product<W, PAIRS>(acc[m][v], av, bv[v]);
    }
    b += b_stride;
    FC_UNROLL for (int p = 0; p < kPointers; ++p) row[p] += COLUMNS ? a_stride : 1;
  }
}

// The same for contiguous rows into several partial sums, step by step in turn: a small tile has
// too few accumulators to hide the latency of the additions.
template <int W, int ROWS, int VECTORS, int SETS, bool PAIRS>
FC_INLINE void accumulate_columns(typename VecOf<W>::f32 (&acc)[SETS][ROWS][VECTORS],
                                  const float* a, index_t a_stride, const float* b,
                                  index_t b_stride, index_t depth, const char*& soon,
                                  index_t lines) {
  using V = typename VecOf<W>::f32;
  for (; depth >= SETS; depth -= SETS)
    FC_UNROLL for (int s = 0; s < SETS; ++s, a += a_stride, b += b_stride) {
      V bv[VECTORS];
      fetch_lines(soon, lines);
      FC_UNROLL for (int v = 0; v < VECTORS; ++v) bv[v] = load<W>(b + v * W);
      FC_UNROLL for (int m = 0; m < ROWS; ++m) {
        const V av = factor<W, PAIRS>(a + m);
        FC_UNROLL for (int v = 0; v < VECTORS; ++v) add_product<W, PAIRS>(acc[s][m][v], av, bv[v]);
      }
    }
  accumulate<W, ROWS, VECTORS, true, PAIRS>(acc[0], a, a_stride, b, b_stride, depth, soon, lines);
}

// The taps of a clipped tile: each segment over the rows that are inside.
template <int W, int ROWS, int VECTORS>
FC_INLINE void accumulate_inside(typename VecOf<W>::f32 (&acc)[ROWS][VECTORS], const TileCall& t,
                                 const float* a) {
  const index_t a_stride = t.a_stride, b_stride = t.b_stride, depth = t.depth, step = t.step;
  const char* soon = nullptr;
  for (index_t i = 0; i < t.outer; ++i)
    for (index_t j = 0; j < t.inner; ++j) {
      const index_t x = t.first + j * t.inner_step;
      const index_t over = x + (ROWS - 1) * step - (t.limit - 1);
      const index_t before = x < 0 ? (-x + step - 1) / step : 0;
      const index_t after = over > 0 ? (over + step - 1) / step : 0;
      const float* ap = a + i * t.a_outer + j * t.a_inner;
      const float* bp = t.b + i * t.b_outer + j * t.b_inner;
#define FC_ROWS(BEFORE, AFTER)                                                              \
  accumulate<W, ROWS, VECTORS, false, false, BEFORE, ROWS - (AFTER)>(acc, ap, a_stride, bp, \
                                                                     b_stride, depth, soon, 0)
      switch (before * 4 + after) {
        case 0:
          FC_ROWS(0, 0);
          break;
        case 1:
          FC_ROWS(0, 1);
          break;
        case 2:
          FC_ROWS(0, 2);
          break;
        case 4:
          FC_ROWS(1, 0);
          break;
        case 5:
          FC_ROWS(1, 1);
          break;
        case 8:
          FC_ROWS(2, 0);
          break;
      }
#undef FC_ROWS
    }
}

// The gradient of a ReLU on the part of a tile just stored, still in L1.
FC_INLINE void mask_rows(float* c, const float* mask, index_t stride, index_t rows,
                         index_t columns) {
  for (index_t m = 0; m < rows; ++m, c += stride, mask += stride)
    for (index_t j = 0; j < columns; j += kWidth) {
      const index_t n = columns - j < kWidth ? columns - j : kWidth;
      const vf x = load_first(c + j, n);
      store_first(c + j, load_first(mask + j, n) > 0 ? x : vf{}, n);
    }
}

FC_INLINE void copy_rows(float* dst, index_t dst_stride, const float* src, index_t src_stride,
                         index_t rows, index_t columns) {
  for (index_t m = 0; m < rows; ++m, dst += dst_stride, src += src_stride)
    for (index_t j = 0; j < columns; j += kWidth) {
      const index_t n = columns - j < kWidth ? columns - j : kWidth;
      store_first(dst + j, load_first(src + j, n), n);
    }
}

// Rows of `columns` floats, padded with zeros to whole panels.
template <int W, int VECTORS>
FC_INLINE void widen_rows(float* dst, const float* src, index_t stride, index_t rows,
                          index_t columns) {
  for (index_t m = 0; m < rows; ++m, dst += VECTORS * W, src += stride)
    for (index_t j = 0; j < VECTORS * W; j += W) {
      const index_t n = columns - j < 0 ? 0 : columns - j < W ? columns - j : W;
      store_first(dst + j, load_first(src + j, n), W);
    }
}

alignas(64) constexpr float kZeros[4 * kWidth] = {};

template <int W, int ROWS, int VECTORS, TileKind KIND>
void tile(const TileCall& t) {
  using V = typename VecOf<W>::f32;
  constexpr index_t kColumns = VECTORS * W;
  constexpr bool kPairs = KIND == TileKind::pair_rows || KIND == TileKind::pair_columns;
  const float *a = t.a, *mask = t.mask, *base = t.base ? t.base : kZeros;
  const index_t base_stride = t.base ? t.base_stride : 0, c_stride = t.c_stride;
  const bool full = t.columns == kColumns;
  float* c = t.c;
  for (index_t n = t.tiles; n > 0; --n) {
    alignas(64) float edge[ROWS * kColumns];
    constexpr int kSets = !has_columns(KIND) || ROWS * VECTORS >= 8 ? 1
                          : ROWS * VECTORS > 3                      ? 2
                                                                    : 4;
    V sets[kSets][ROWS][VECTORS] = {};
    V(&acc)[ROWS][VECTORS] = sets[0];
    if (mask && t.ahead == nullptr)
      FC_UNROLL for (int m = 0; m < ROWS; ++m) FC_UNROLL for (int v = 0; v < kColumns; v += 16)
          __builtin_prefetch(mask + m * c_stride + v);
    if constexpr (KIND == TileKind::clipped) {
      accumulate_inside<W, ROWS, VECTORS>(acc, t, a);
    } else {
      const index_t a_stride = t.a_stride, b_stride = t.b_stride, depth = t.depth;
      const index_t a_inner = t.a_inner, b_inner = t.b_inner;
      const char* soon = nullptr;
      const index_t lines =
          t.ahead == nullptr ? 0 : next_lines(*t.ahead, t.outer * t.inner * depth, soon);
      for (index_t i = 0; i < t.outer; ++i) {
        const float *ap = a + i * t.a_outer, *bp = t.b + i * t.b_outer;
        for (index_t j = t.inner; j > 0; --j, ap += a_inner, bp += b_inner)
          if constexpr (has_columns(KIND))
            accumulate_columns<W, ROWS, VECTORS, kSets, kPairs>(sets, ap, a_stride, bp, b_stride,
                                                                depth, soon, lines);
          else
            accumulate<W, ROWS, VECTORS, false, kPairs>(acc, ap, a_stride, bp, b_stride, depth,
                                                        soon, lines);
      }
      FC_UNROLL for (int s = 1; s < kSets; ++s) FC_UNROLL for (int m = 0; m < ROWS; ++m)
          FC_UNROLL for (int v = 0; v < VECTORS; ++v) acc[m][v] += sets[s][m][v];
    }
    // All accumulators die in one straight block: branches in between would spill them.
    const V floor = splat<W>(t.floor);
    const float* from = base;
    index_t from_stride = base_stride, to_stride = c_stride;
    float* to = c;
    if (!full) {
      to = edge;
      to_stride = kColumns;
      if (base_stride != 0) {
        widen_rows<W, VECTORS>(edge, base, base_stride, ROWS, t.columns);
        from = edge;
        from_stride = kColumns;
      }
    }
    if (full && mask) {
      FC_UNROLL for (int m = 0; m < ROWS;
                     ++m, to += to_stride, from += from_stride, mask += c_stride)
          FC_UNROLL for (int v = 0; v < VECTORS; ++v) {
        const V x = max_keep_nan<W>(acc[m][v] + load<W>(from + v * W), floor);
        store<W>(to + v * W, load<W>(mask + v * W) > 0 ? x : V{});
      }
    } else {
      FC_UNROLL for (int m = 0; m < ROWS; ++m, to += to_stride, from += from_stride)
          FC_UNROLL for (int v = 0; v < VECTORS; ++v)
              store<W>(to + v * W, max_keep_nan<W>(acc[m][v] + load<W>(from + v * W), floor));
    }
    if (!full) {
      copy_rows(c, c_stride, edge, kColumns, ROWS, t.columns);
      if (mask) {
        mask_rows(c, mask, c_stride, ROWS, t.columns);
        mask += ROWS * c_stride;
      }
    }
    a += ROWS * (has_columns(KIND) ? 1 : t.a_stride);
    c += ROWS * c_stride;
    base += ROWS * base_stride;
  }
}

constexpr int max_rows(int vectors) {
  if (kRegisters == 32) return vectors == 1 ? 28 : vectors == 2 ? 14 : 6;
  return vectors == 1 ? 12 : vectors == 2 ? 6 : 3;
}

template <int N>
struct TileList {
  TileFn at[N];
};
template <int W, int VECTORS, TileKind KIND, int... R>
constexpr TileList<sizeof...(R)> list_tiles(std::integer_sequence<int, R...>) {
  return {{tile<W, R + 1, VECTORS, KIND>...}};
}
template <int W, int VECTORS, TileKind KIND>
constexpr auto tiles_of =
    list_tiles<W, VECTORS, KIND>(std::make_integer_sequence<int, max_rows(VECTORS)>{});

// Puts one kind of tile into a table.
template <TileKind KIND>
void fill_tiles(GemmKernels& k, const TileFn* TileSet::* kind) {
  constexpr int kNarrow = kWidth > 8 ? kWidth / 2 : kWidth;
  k.quad.*kind = tiles_of<kWidth, 4, KIND>.at;
  k.pair.*kind = tiles_of<kWidth, 2, KIND>.at;
  k.single.*kind = tiles_of<kWidth, 1, KIND>.at;
  k.narrow.*kind = tiles_of<kNarrow, 1, KIND>.at;
}

}  // namespace

void fill_row_tiles(GemmKernels& k);
void fill_clipped_tiles(GemmKernels& k);
void fill_column_tiles(GemmKernels& k);

}  // namespace fastconv::FASTCONV_ISA

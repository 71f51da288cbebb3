// The products of Winograd convolutions, position by position: M = V U and dU += V' Z. Every
// product starts from zero and is added to what is there: sums in blocks have a smaller error than
// running ones.
//
// Element says what takes the place of one float in V, Z and U: kNumbers channels (of V and of rows
// of U) or tiles (of V and Z in a gradient), which add_products multiplies and sums.
#pragma once

#include "kernels/simd/fetch.h"
#include "kernels/simd/vec.h"
#include "kernels/winograd.h"
#include "kernels/winograd_points.h"

#define FC_LAMBDA __attribute__((always_inline))

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr index_t L = kWidth;
constexpr int kRows = kRegisters == 32 ? 12 : 6;  // tiles at a time
constexpr int kChannels = kWidth >= 16 ? 8 : 4;   // rows of dU at a time, divides kWidth ...
constexpr bool kQuads = kRegisters == 32;
constexpr int kQuadChannels = 4;  // ... with two panels of two vectors side by side
constexpr int kSingle = kRegisters == 32 ? kWidth : kChannels;  // ... with a panel of one vector
constexpr int kPrefetch = 24;                                   // steps of U ahead

template <class Element, int MR, int NV>
void multiply_tile(const float* v, index_t block_stride, const float* u, index_t channels, float* m,
                   index_t out_stride, const char* soon, index_t lines) {
  constexpr index_t N = Element::kNumbers;
  vf acc[MR][NV];
  each<MR>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  for (index_t c = 0; c < channels; c += L, v += block_stride) {
    const float* a = v;
    const index_t depth = channels - c < L ? (channels - c + N - 1) / N : L / N;
    for (index_t k = 0; k < depth; ++k, ++a, u += NV * L) {
      typename Element::Vector b[NV];
      fetch_lines(soon, lines);
      each<NV>([&](auto j) FC_LAMBDA {
        b[j] = Element::load(u + j * L);
        __builtin_prefetch(u + (kPrefetch * NV + j) * L, 0, 3);
      });
      each<MR>([&](auto i) FC_LAMBDA {
        const auto value = Element::splat(a + i * (L / N));
        each<NV>([&](auto j)
                     FC_LAMBDA { acc[i][j] = Element::add_products(acc[i][j], value, b[j]); });
      });
    }
  }
  each<MR>([&](auto i) FC_LAMBDA {
    each<NV>([&](auto j) FC_LAMBDA { store(m + j * out_stride + i * L, acc[i][j]); });
  });
}

using MultiplyTile = void (*)(const float*, index_t, const float*, index_t, float*, index_t,
                              const char*, index_t);
template <class Element, int NV, int... R>
FC_INLINE MultiplyTile multiply_rows(index_t rows, std::integer_sequence<int, R...>) {
  static constexpr MultiplyTile kTiles[] = {multiply_tile<Element, R + 1, NV>...};
  return kTiles[rows - 1];
}

template <class Element>
void multiply_tiles(const WinogradTiles& v, const float* u, index_t u_plane, const WinogradTiles& m,
                    index_t first, index_t last, index_t count, index_t channels,
                    index_t out_channels, const Ahead& ahead) {
  constexpr std::make_integer_sequence<int, kRows> kAll{};
  constexpr std::make_integer_sequence<int, 2 * kRows> kAll2{};
  constexpr index_t N = Element::kNumbers;
  const index_t columns = (out_channels + L - 1) / L * L, rows_of_u = (channels + N - 1) / N;
  const index_t groups = (count + kRows - 1) / kRows;
  // A single vector leaves room for twice the tiles.
  const index_t single_groups = (count + 2 * kRows - 1) / (2 * kRows);
  const index_t calls = columns / (2 * L) * groups + columns / L % 2 * single_groups;
  Ahead left = ahead;
  left.share_out((last - first) * calls);
  for (index_t p = first; p < last; ++p) {
    const float* panel = u + p * u_plane;
    for (index_t k = 0; k < columns; k += 2 * L) {
      const bool pair = columns - k >= 2 * L;
      float* out = m.data + p * m.plane + k * m.tiles;
      const float* in = v.data + p * v.plane;
      const index_t parts = pair ? groups : single_groups;
      for (index_t g = 0, t = 0; g < parts; ++g) {
        const index_t rows = (count - t + parts - g - 1) / (parts - g);
        const MultiplyTile tile =
            pair ? multiply_rows<Element, 2>(rows, kAll) : multiply_rows<Element, 1>(rows, kAll2);
        const char* soon;
        const index_t lines = next_lines(left, rows_of_u, soon);
        tile(in + t * (L / N), v.tiles * (L / N), panel, channels, out + t * L, m.tiles * L, soon,
             lines);
        t += rows;
      }
      panel += rows_of_u * (pair ? 2 * L : L);
    }
  }
}

// kChannels rows of dU by NV vectors, in panels of two vectors (one, where NV is one) that are
// `panel` floats apart; each line of four vectors is fetched before it is added to.
template <class Element, int kChannels, int NV>
FC_INLINE void accumulate_tile(const float* v, const float* z, index_t z_stride, index_t count,
                               float* du, index_t panel, bool add, const char* soon,
                               index_t lines) {
  vf acc[kChannels][NV];
  each<kChannels>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  constexpr int kPanel = NV < 2 ? NV : 2, kRun = kChannels * kPanel;  // vectors side by side in dU
  for (index_t t = 0; t < count; ++t, v += L, z += L) {
    typename Element::Vector b[NV];
    if (NV == 4)
      __builtin_prefetch(t < kChannels * NV ? du + t / kRun * panel + t % kRun * L : v, 1);
    fetch_lines(soon, lines);
    each<NV>([&](auto j) FC_LAMBDA { b[j] = Element::load(z + j * z_stride); });
    each<kChannels>([&](auto i) FC_LAMBDA {
      const auto value = Element::splat(v + i);
      each<NV>([&](auto j)
                   FC_LAMBDA { acc[i][j] = Element::add_products(acc[i][j], value, b[j]); });
    });
  }
  const auto at = [&](auto i, auto j)
                      FC_LAMBDA { return du + j / kPanel * panel + (i * kPanel + j % kPanel) * L; };
  if (add)
    each<kChannels>([&](auto i) FC_LAMBDA {
      each<NV>([&](auto j) FC_LAMBDA { acc[i][j] += load(at(i, j)); });
    });
  each<kChannels>(
      [&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { store(at(i, j), acc[i][j]); }); });
}

template <class Element>
void accumulate(const WinogradTiles& v, const WinogradTiles& z, index_t first, index_t last,
                index_t count, index_t channels, index_t out_channels, float* du, index_t du_plane,
                bool add, const Ahead& ahead) {
  const index_t rows = (channels + L - 1) / L * L, columns = (out_channels + L - 1) / L * L;
  const index_t quads = kQuads ? columns / (4 * L) : 0, pairs = columns / (2 * L) - 2 * quads;
  const index_t calls = quads * (rows / kQuadChannels) + pairs * (rows / kChannels) +
                        columns / L % 2 * (rows / kSingle);
  Ahead left = ahead;
  left.share_out((last - first) * calls);
  for (index_t p = first; p < last; ++p) {
    float* out = du + p * du_plane;
    const auto panel = [&](auto channels_at_once, auto vectors, index_t k) FC_LAMBDA {
      constexpr int kTogether = channels_at_once, NV = vectors;
      const float* b = z.data + p * z.plane + k * z.tiles;
      float* to = out + k * rows;
      for (index_t c = 0; c < rows; c += kTogether) {
        const float* a = v.data + p * v.plane + c / L * L * v.tiles + c % L;
        const char* soon;
        const index_t lines = next_lines(left, count, soon);
        accumulate_tile<Element, kTogether, NV>(a, b, z.tiles * L, count, to, rows * 2 * L, add,
                                                soon, lines);
        to += kTogether * (NV < 2 ? NV : 2) * L;
      }
    };
    index_t k = 0;
    for (; k < quads * 4 * L; k += 4 * L)
      panel(std::integral_constant<int, kQuadChannels>(), std::integral_constant<int, 4>(), k);
    for (; k + 2 * L <= columns; k += 2 * L)
      panel(std::integral_constant<int, kChannels>(), std::integral_constant<int, 2>(), k);
    if (k < columns)
      panel(std::integral_constant<int, kSingle>(), std::integral_constant<int, 1>(), k);
  }
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

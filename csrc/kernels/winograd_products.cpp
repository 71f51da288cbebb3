// The products of Winograd convolutions, position by position: M = V U and dU += V' Z. Every
// product starts from zero and is added to what is there: sums in blocks have a smaller error than
// running ones.
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
constexpr int kSingle = kRegisters == 32 ? kWidth : kChannels;  // ... with a panel of one vector
constexpr int kPrefetch = 24;                                   // steps of U ahead

template <int MR, int NV>
void multiply_tile(const float* v, index_t block_stride, const float* u, index_t channels, float* m,
                   index_t out_stride, const char* soon, index_t lines) {
  vf acc[MR][NV];
  each<MR>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  for (index_t c = 0; c < channels; c += L, v += block_stride) {
    const float* a = v;
    const index_t depth = channels - c < L ? channels - c : L;
    for (index_t k = 0; k < depth; ++k, ++a, u += NV * L) {
      vf b[NV];
      fetch_lines(soon, lines);
      each<NV>([&](auto j) FC_LAMBDA {
        b[j] = load(u + j * L);
        __builtin_prefetch(u + (kPrefetch * NV + j) * L, 0, 3);
      });
      each<MR>([&](auto i) FC_LAMBDA {
        const vf value = splat(a[i * L]);
        each<NV>([&](auto j) FC_LAMBDA { acc[i][j] += value * b[j]; });
      });
    }
  }
  each<MR>([&](auto i) FC_LAMBDA {
    each<NV>([&](auto j) FC_LAMBDA { store(m + j * out_stride + i * L, acc[i][j]); });
  });
}

// One block of channels on either side: U stays in registers, all tiles pass by.
constexpr int kPassing = 8;  // tiles at a time
constexpr bool kHoldsWeights = kRegisters >= kWidth + kPassing + 1 && kWidth >= 16;

FC_INLINE void multiply_held(const float* v, const float* u, index_t count, float* m,
                             const char* soon, index_t lines) {
  vf b[kWidth];
  each<kWidth>([&](auto k) FC_LAMBDA { b[k] = load(u + k * L); });
  for (index_t t = 0; t < count; t += kPassing) {
    // The last tiles may be made twice.
    const index_t first = t + kPassing <= count ? t : count - kPassing;
    const float* a = v + first * L;
    vf acc[kPassing];
    fetch_lines(soon, lines);
    each<kPassing>([&](auto i) FC_LAMBDA { acc[i] = splat(a[i * L]) * b[0]; });
    each<kWidth - 1>([&](auto k) FC_LAMBDA {
      each<kPassing>([&](auto i) FC_LAMBDA { acc[i] += splat(a[i * L + k + 1]) * b[k + 1]; });
    });
    each<kPassing>([&](auto i) FC_LAMBDA { store(m + (first + i) * L, acc[i]); });
  }
}

using MultiplyTile = void (*)(const float*, index_t, const float*, index_t, float*, index_t,
                              const char*, index_t);
template <int NV, int... R>
FC_INLINE MultiplyTile multiply_rows(index_t rows, std::integer_sequence<int, R...>) {
  static constexpr MultiplyTile kTiles[] = {multiply_tile<R + 1, NV>...};
  return kTiles[rows - 1];
}

void multiply(const WinogradTiles& v, const float* u, index_t u_plane, const WinogradTiles& m,
              index_t first, index_t last, index_t count, index_t channels, index_t out_channels,
              const Ahead& ahead) {
  constexpr std::make_integer_sequence<int, kRows> kAll{};
  constexpr std::make_integer_sequence<int, 2 * kRows> kAll2{};
  const index_t columns = (out_channels + L - 1) / L * L;
  if (kHoldsWeights && channels == L && columns == L && count >= kPassing) {
    const index_t steps = (count + kPassing - 1) / kPassing;
    Ahead left = ahead;
    left.share_out(last - first);
    for (index_t p = first; p < last; ++p) {
      const char* soon;
      const index_t lines = next_lines(left, steps, soon);
      multiply_held(v.data + p * v.plane, u + p * u_plane, count, m.data + p * m.plane, soon,
                    lines);
    }
    return;
  }
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
            pair ? multiply_rows<2>(rows, kAll) : multiply_rows<1>(rows, kAll2);
        const char* soon;
        const index_t lines = next_lines(left, channels, soon);
        tile(in + t * L, v.tiles * L, panel, channels, out + t * L, m.tiles * L, soon, lines);
        t += rows;
      }
      panel += channels * (pair ? 2 * L : L);
    }
  }
}

template <int kChannels, int NV>
FC_INLINE void accumulate_tile(const float* v, const float* z, index_t z_stride, index_t count,
                               float* du, bool add, const char* soon, index_t lines) {
  vf acc[kChannels][NV];
  each<kChannels>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  for (index_t t = 0; t < count; ++t, v += L, z += L) {
    vf b[NV];
    fetch_lines(soon, lines);
    each<NV>([&](auto j) FC_LAMBDA { b[j] = load(z + j * z_stride); });
    each<kChannels>([&](auto i) FC_LAMBDA {
      const vf value = splat(v[i]);
      each<NV>([&](auto j) FC_LAMBDA { acc[i][j] += value * b[j]; });
    });
  }
  if (add)
    each<kChannels>([&](auto i) FC_LAMBDA {
      each<NV>([&](auto j) FC_LAMBDA { acc[i][j] += load(du + (i * NV + j) * L); });
    });
  each<kChannels>([&](auto i) FC_LAMBDA {
    each<NV>([&](auto j) FC_LAMBDA { store(du + (i * NV + j) * L, acc[i][j]); });
  });
}

void accumulate(const WinogradTiles& v, const WinogradTiles& z, index_t first, index_t last,
                index_t count, index_t channels, index_t out_channels, float* du, index_t du_plane,
                bool add, const Ahead& ahead) {
  const index_t rows = (channels + L - 1) / L * L, columns = (out_channels + L - 1) / L * L;
  const index_t calls = columns / (2 * L) * (rows / kChannels) + columns / L % 2 * (rows / kSingle);
  Ahead left = ahead;
  left.share_out((last - first) * calls);
  for (index_t p = first; p < last; ++p) {
    float* out = du + p * du_plane;
    for (index_t k = 0; k < columns; k += 2 * L) {
      const bool pair = columns - k >= 2 * L;
      const float* b = z.data + p * z.plane + k * z.tiles;
      for (index_t c = 0; c < rows; c += pair ? kChannels : kSingle) {
        const float* a = v.data + p * v.plane + c / L * L * v.tiles + c % L;
        const char* soon;
        const index_t lines = next_lines(left, count, soon);
        if (pair)
          accumulate_tile<kChannels, 2>(a, b, z.tiles * L, count, out, add, soon, lines);
        else
          accumulate_tile<kSingle, 1>(a, b, z.tiles * L, count, out, add, soon, lines);
        out += pair ? kChannels * 2 * L : kSingle * L;
      }
    }
  }
}

}  // namespace

void fill_products(WinogradKernels& k);
void fill_products(WinogradKernels& k) {
  k.tile_rows = kRows;
  k.multiply = multiply;
  k.accumulate = accumulate;
}

}  // namespace fastconv::FASTCONV_ISA

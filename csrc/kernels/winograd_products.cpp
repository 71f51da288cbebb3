// The products of Winograd convolutions, position by position: M = V U and dU += V' Z. Every
// product starts from zero and is added to what is there: sums in blocks have a smaller error than
// running ones.
#include "kernels/simd/vec.h"
#include "kernels/winograd.h"
#include "kernels/winograd_points.h"

#define FC_LAMBDA __attribute__((always_inline))

namespace fastconv::FASTCONV_ISA {
namespace {

constexpr index_t L = kWidth;
constexpr int kRows = kRegisters == 32 ? 12 : 6;  // tiles at a time
constexpr int kChannels = kWidth >= 16 ? 8 : 4;   // rows of dU at a time, divides kWidth
constexpr int kPrefetch = 24;                     // steps of U ahead

// Fetches what is needed soon, a share with each of `calls` calls.
class Fetch {
 public:
  Fetch(const WinogradAhead& ahead, index_t calls) : count_(ahead.count) {
    for (int i = 0; i < count_; ++i) {
      const auto* start = static_cast<const char*>(ahead.range[i].start);
      range_[i] = {start, start, start + ahead.range[i].bytes,
                   (ahead.range[i].bytes + calls - 1) / calls};
    }
  }
  FC_INLINE void operator()() {
    for (int i = 0; i < count_; ++i) {
      Range& r = range_[i];
      r.due += r.step;
      const char* const end = r.due < r.end ? r.due : r.end;
      for (; r.at < end; r.at += 64) __builtin_prefetch(r.at, 0, 2);
    }
  }

 private:
  struct Range {
    const char *at, *due, *end;
    index_t step;
  };
  Range range_[WinogradAhead::kRanges];
  int count_;
};

template <int MR, int NV>
void multiply_tile(const float* v, index_t block_stride, const float* u, index_t channels, float* m,
                   index_t out_stride) {
  vf acc[MR][NV];
  each<MR>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  for (index_t c = 0; c < channels; c += L, v += block_stride) {
    const float* a = v;
    const index_t depth = channels - c < L ? channels - c : L;
    for (index_t k = 0; k < depth; ++k, ++a, u += NV * L) {
      vf b[NV];
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

using MultiplyTile = void (*)(const float*, index_t, const float*, index_t, float*, index_t);
template <int NV, int... R>
FC_INLINE MultiplyTile multiply_rows(index_t rows, std::integer_sequence<int, R...>) {
  static constexpr MultiplyTile kTiles[] = {multiply_tile<R + 1, NV>...};
  return kTiles[rows - 1];
}

void multiply(const WinogradTiles& v, const float* u, index_t u_plane, const WinogradTiles& m,
              index_t first, index_t last, index_t count, index_t channels, index_t out_channels,
              const WinogradAhead& ahead) {
  constexpr std::make_integer_sequence<int, kRows> kAll{};
  constexpr std::make_integer_sequence<int, 2 * kRows> kAll2{};
  const index_t columns = (out_channels + L - 1) / L * L;
  const index_t groups = (count + kRows - 1) / kRows;
  Fetch fetch(ahead, (last - first) * groups * ((columns + 2 * L - 1) / (2 * L)));
  for (index_t p = first; p < last; ++p) {
    const float* panel = u + p * u_plane;
    for (index_t k = 0; k < columns; k += 2 * L) {
      const bool pair = columns - k >= 2 * L;
      float* out = m.data + p * m.plane + k * m.tiles;
      const float* in = v.data + p * v.plane;
      const index_t parts = pair ? groups : (count + 2 * kRows - 1) / (2 * kRows);
      for (index_t g = 0, t = 0; g < parts; ++g) {
        const index_t rows = (count - t + parts - g - 1) / (parts - g);
        const MultiplyTile tile =
            pair ? multiply_rows<2>(rows, kAll) : multiply_rows<1>(rows, kAll2);
        fetch();
        tile(in + t * L, v.tiles * L, panel, channels, out + t * L, m.tiles * L);
        t += rows;
      }
      panel += channels * (pair ? 2 * L : L);
    }
  }
}

template <int NV>
FC_INLINE void accumulate_tile(const float* v, const float* z, index_t z_stride, index_t count,
                               float* du, bool add) {
  vf acc[kChannels][NV];
  each<kChannels>([&](auto i) FC_LAMBDA { each<NV>([&](auto j) FC_LAMBDA { acc[i][j] = vf{}; }); });
  for (index_t t = 0; t < count; ++t, v += L, z += L) {
    vf b[NV];
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
                bool add, const WinogradAhead& ahead) {
  const index_t rows = (channels + L - 1) / L * L, columns = (out_channels + L - 1) / L * L;
  Fetch fetch(ahead, (last - first) * (rows / kChannels) * ((columns + 2 * L - 1) / (2 * L)));
  for (index_t p = first; p < last; ++p) {
    float* out = du + p * du_plane;
    for (index_t k = 0; k < columns; k += 2 * L) {
      const bool pair = columns - k >= 2 * L;
      const float* b = z.data + p * z.plane + k * z.tiles;
      for (index_t c = 0; c < rows; c += kChannels) {
        const float* a = v.data + p * v.plane + c / L * L * v.tiles + c % L;
        fetch();
        if (pair)
          accumulate_tile<2>(a, b, z.tiles * L, count, out, add);
        else
          accumulate_tile<1>(a, b, z.tiles * L, count, out, add);
        out += kChannels * (pair ? 2 * L : L);
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

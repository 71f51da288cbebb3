#include "ops/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

constexpr std::int64_t kDepth = 256;             // steps of k for which a panel of B is packed
constexpr std::int64_t kRows = 256;              // most rows of C in a task
constexpr std::int64_t kMaxPanel = 64;           // widest panel of any ISA
constexpr std::int64_t kPackedRow = kRows + 16;  // longest row of a packed A
constexpr double kTaskFlops = 4e6;
constexpr double kTaskWeights = 32e3;  // elements of B read in a task

}  // namespace

Gemm::Gemm(std::int64_t n, bool transpose_a, bool transpose_b)
    : n_(n), transpose_a_(transpose_a), transpose_b_(transpose_b), panels_(cut_panels(n, kRows)) {}

Gemm::Cut Gemm::cut(std::int64_t m, std::int64_t k) const {
  const auto panels = static_cast<std::int64_t>(panels_.size());
  const double tasks =
      std::max(flops(m, k) / kTaskFlops, static_cast<double>(k * n_) / kTaskWeights);
  const auto wanted = static_cast<std::int64_t>(std::clamp(tasks, 1.0, 256.0));
  std::int64_t rows = ceil_div(m, kRows);
  const std::int64_t columns = std::min(panels, ceil_div(wanted, std::max<std::int64_t>(1, rows)));
  // Every block of rows packs B again: short blocks only where there are few panels to share out.
  const std::int64_t shortest = columns >= 4 ? 96 : 28;
  rows =
      std::max(rows, std::min(ceil_div(wanted, std::max<std::int64_t>(1, columns)), m / shortest));
  return {rows, columns};
}

Part Gemm::panels_of(const Cut& cut, std::int64_t task) const {
  return part(static_cast<std::int64_t>(panels_.size()), cut.panels, task % cut.panels);
}

Gemm::Block Gemm::block(std::int64_t m, const Cut& cut, std::int64_t task) const {
  const Part group = panels_of(cut, task);
  const Panel& last = panels_[static_cast<std::size_t>(group.end - 1)];
  return {part(m, cut.rows, task / cut.panels),
          {panels_[static_cast<std::size_t>(group.begin)].column, last.column + last.columns}};
}

std::size_t Gemm::workspace_bytes(std::int64_t k) const {
  const std::int64_t depth = std::min(k, kDepth);
  return static_cast<std::size_t>(depth * (kMaxPanel + (transpose_a_ ? kPackedRow : 0))) *
         sizeof(float);
}

std::size_t Gemm::packed_bytes(std::int64_t k) const {
  if (panels_.empty()) return 0;
  const Panel& last = panels_.back();
  return static_cast<std::size_t>(k * (last.column + last.tiles->width)) * sizeof(float);
}

void Gemm::pack(const float* b, std::int64_t b_stride, std::int64_t k, const Threads& threads,
                float* packed) const {
  const auto panels = static_cast<std::int64_t>(panels_.size());
  const double work = static_cast<double>(k * n_) / 4;
  threads.parallel_for(panels, work, [&](std::int64_t i, std::byte*) {
    const Panel& panel = panels_[static_cast<std::size_t>(i)];
    float* to = packed + panel.column * k;  // the panels before it are full
    if (transpose_b_)
      kernels().gemm.pack_transposed(to, panel.tiles->width, b + panel.column * b_stride, b_stride,
                                     k, panel.columns);
    else
      kernels().gemm.pack(to, panel.tiles->width, b + panel.column, b_stride, k, panel.columns);
  });
}

void Gemm::run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
               std::int64_t task, std::byte* workspace) const {
  const GemmKernels& kernel = kernels().gemm;
  const Part rows = part(m, cut.rows, task / cut.panels), group = panels_of(cut, task);
  const std::int64_t depth_blocks = std::max<std::int64_t>(1, ceil_div(k, kDepth));
  auto* packed_b = reinterpret_cast<float*>(workspace);
  float* packed_a = packed_b + std::min(k, kDepth) * kMaxPanel;

  for (std::int64_t d = 0; d < depth_blocks; ++d) {
    const Part depth = part(k, depth_blocks, d);
    const bool first = d == 0 && !g.accumulate, last = d == depth_blocks - 1;

    TileCall call{};
    call.outer = call.inner = 1;
    call.depth = depth.size();
    std::int64_t row_step = g.a_stride;
    if (transpose_a_) {
      row_step = 1;
      call.a = g.a + depth.begin * g.a_stride + rows.begin;
      call.a_stride = g.a_stride;
      if (depth.size() * g.a_stride > 8192) {  // rows further apart than a level-1 cache holds
        // An odd number of cache lines apart, so that they spread over the sets of the cache.
        const std::int64_t stride = (ceil_div(rows.size(), 16) | 1) * 16;
        kernel.pack(packed_a, static_cast<int>(stride), call.a, g.a_stride, depth.size(),
                    rows.size());
        call.a = packed_a;
        call.a_stride = stride;
      }
    } else {
      call.a = g.a + rows.begin * g.a_stride + depth.begin;
      call.a_stride = g.a_stride;
    }

    for (std::int64_t i = group.begin; i < group.end; ++i) {
      const Panel& panel = panels_[static_cast<std::size_t>(i)];
      const TileSet& tiles = *panel.tiles;
      const TileFn* kind = transpose_a_ ? tiles.columns : tiles.rows;
      TileCall t = call;
      if (g.packed_b != nullptr) {
        t.b = g.packed_b + panel.column * k + depth.begin * tiles.width;
        t.b_stride = tiles.width;
      } else if (transpose_b_) {
        kernel.pack_transposed(packed_b, tiles.width, g.b + panel.column * g.b_stride + depth.begin,
                               g.b_stride, depth.size(), panel.columns);
        t.b = packed_b;
        t.b_stride = tiles.width;
      } else if (rows.size() <= 2 * tiles.max_rows && panel.columns == tiles.width) {
        t.b = g.b + depth.begin * g.b_stride + panel.column;
        t.b_stride = g.b_stride;
      } else {
        kernel.pack(packed_b, tiles.width, g.b + depth.begin * g.b_stride + panel.column,
                    g.b_stride, depth.size(), panel.columns);
        t.b = packed_b;
        t.b_stride = tiles.width;
      }
      if (g.b_sums != nullptr && rows.begin == 0) {
        const float one = 1.0f;
        TileCall sums = t;
        sums.a = &one;
        sums.a_stride = 0;
        sums.c = g.b_sums + panel.column;
        sums.base = first ? nullptr : sums.c;
        sums.base_stride = sums.c_stride = n_;
        sums.columns = panel.columns;
        sums.floor = -INFINITY;
        sums.tiles = 1;
        tiles.columns[0](sums);
      }
      t.c = g.c + rows.begin * g.c_stride + panel.column;
      t.c_stride = g.c_stride;
      t.columns = panel.columns;
      t.floor = last && g.relu ? 0.0f : -INFINITY;
      t.mask =
          last && g.mask != nullptr ? g.mask + rows.begin * g.c_stride + panel.column : nullptr;
      alignas(64) float bias[kMaxPanel];
      if (!first) {
        t.base = t.c;
        t.base_stride = g.c_stride;
      } else if (g.bias != nullptr) {
        t.base = g.bias + panel.column;
        if (panel.columns < tiles.width) {
          std::memset(bias, 0, sizeof bias);
          std::memcpy(bias, t.base, static_cast<std::size_t>(panel.columns) * sizeof(float));
          t.base = bias;
        }
      }
      run_tiles(t, kind, tiles.max_rows, rows.size(), row_step);
    }
  }
}

}  // namespace fastconv

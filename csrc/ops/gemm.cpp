#include "ops/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

constexpr std::int64_t kDepth = 256;              // steps of k for which a panel of B is packed
constexpr std::int64_t kCacheFloats = 128 << 10;  // of A, C and the mask in this task and the next
constexpr std::int64_t kPackedRow = Gemm::kRows + 16;  // longest row of a packed A
constexpr std::int64_t kManyBlocks = 32;  // of rows: enough tasks, each makes whole rows
constexpr double kTaskFlops = 4e6;
constexpr double kNarrowTaskFlops = 1e6;  // where B is one panel: other tasks pack it again
constexpr double kTaskWeights = 32e3;     // elements of B read in a task

// Floats between rows of a packed A: an odd number of cache lines, so that they spread over the
// sets of the cache.
std::int64_t packed_stride(std::int64_t floats) { return (ceil_div(floats, 16) | 1) * 16; }

}  // namespace

Gemm::Gemm(std::int64_t n, bool transpose_a, bool transpose_b, bool bf16)
    : Product(n),
      transpose_a_(transpose_a),
      transpose_b_(transpose_b),
      bf16_(bf16),
      panels_(cut_panels(n, kRows)) {}

const TileFn* Gemm::tiles_of(const TileSet& tiles) const {
  if (bf16_) return transpose_a_ ? tiles.pair_columns : tiles.pair_rows;
  return transpose_a_ ? tiles.columns : tiles.rows;
}

Gemm::Cut Gemm::cut(std::int64_t m, std::int64_t k) const {
  const auto panels = static_cast<std::int64_t>(panels_.size());
  const double task_flops = panels == 1 ? kNarrowTaskFlops : kTaskFlops;
  const double tasks = std::max(flops(m, k) / (bf16_ ? 2 : 1) / task_flops,
                                static_cast<double>(k * n_) / kTaskWeights);
  auto wanted = static_cast<std::int64_t>(std::clamp(tasks, 1.0, 256.0));
  if (wanted == 3) wanted = 4;  // which two threads share evenly
  std::int64_t rows = ceil_div(m, kRows);
  if (rows > 1 && !transpose_a_ && kRows / 2 * (k + 2 * n_) <= kCacheFloats) {
    rows = ceil_div(m, std::clamp(kCacheFloats / 2 / (k + 2 * n_ + 1), kRows / 2, kRows));
    if (rows >= kManyBlocks) return {rows, 1};
  }
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

// What the next task reads and writes, where it makes whole rows.
Ahead Gemm::ahead_of(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
                     std::int64_t task) const {
  Ahead ahead;
  if (transpose_a_ || cut.panels > 1 || task + 1 >= cut.rows || g.a_stride != k || g.c_stride != n_)
    return ahead;
  const Part next = part(m, cut.rows, task + 1);
  if (next.size() * (k + 2 * n_) > kCacheFloats) return ahead;  // would not stay there
  const auto add = [&](const float* matrix, std::int64_t width) {
    ahead.add(matrix + next.begin * width,
              next.size() * width * static_cast<std::int64_t>(sizeof(float)));
  };
  add(g.a, k);
  if (g.mask != nullptr) add(g.mask, n_);
  add(g.c, n_);
  std::int64_t tiles = 0;
  for (const Panel& panel : panels_) tiles += ceil_div(next.size(), panel.tiles->max_rows);
  ahead.share_out(tiles * std::max<std::int64_t>(1, ceil_div(steps(k), kDepth)));
  return ahead;
}

std::size_t Gemm::workspace_bytes(std::int64_t k) const {
  const std::int64_t depth = std::min(steps(k), kDepth);
  const std::int64_t packed_a = bf16_ ? std::max(kRows * packed_stride(depth), depth * kPackedRow)
                                : transpose_a_ ? depth * kPackedRow
                                               : 0;
  return static_cast<std::size_t>(depth * kMaxPanel + packed_a) * sizeof(float);
}

std::size_t Gemm::packed_bytes(std::int64_t k) const {
  if (panels_.empty()) return 0;
  const Panel& last = panels_.back();
  return static_cast<std::size_t>(steps(k) * (last.column + last.tiles->width)) * sizeof(float);
}

void Gemm::pack(const float* b, std::int64_t b_stride, std::int64_t k, const Threads& threads,
                float* packed) const {
  const auto panels = static_cast<std::int64_t>(panels_.size());
  const double work = static_cast<double>(k * n_) / 4;
  threads.parallel_for(panels, work, [&](std::int64_t i, std::byte*) {
    const Panel& panel = panels_[static_cast<std::size_t>(i)];
    const float* from = b + panel.column * (transpose_b_ ? b_stride : 1);
    pack_panel(panel, from, b_stride, k, packed + panel.column * steps(k));  // those before: full
  });
}

// Panel of B from its first column and some row on, for k rows.
void Gemm::pack_panel(const Panel& panel, const float* b, std::int64_t b_stride, std::int64_t k,
                      float* packed) const {
  const int width = panel.tiles->width;
  if (bf16_) {
    const Bf16Kernels& kernel = kernels().bf16;
    (transpose_b_ ? kernel.pack_transposed : kernel.pack)(packed, width, b, b_stride, k,
                                                          panel.columns);
  } else {
    const GemmKernels& kernel = kernels().gemm;
    (transpose_b_ ? kernel.pack_transposed : kernel.pack)(packed, width, b, b_stride, k,
                                                          panel.columns);
  }
}

void Gemm::run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
               std::int64_t task, std::byte* workspace) const {
  const Part rows = part(m, cut.rows, task / cut.panels), group = panels_of(cut, task);
  const std::int64_t all = steps(k), step = bf16_ ? 2 : 1;  // rows of B in a step of the sum
  const std::int64_t depth_blocks = std::max<std::int64_t>(1, ceil_div(all, kDepth));
  auto* packed_b = reinterpret_cast<float*>(workspace);
  float* packed_a = packed_b + std::min(all, kDepth) * kMaxPanel;
  Ahead ahead = ahead_of(g, m, k, cut, task);

  for (std::int64_t d = 0; d < depth_blocks; ++d) {
    const Part depth = part(all, depth_blocks, d);
    const Part inner{depth.begin * step, std::min(k, depth.end * step)};
    const bool first = d == 0 && !g.accumulate, last = d == depth_blocks - 1;

    TileCall call{};
    call.outer = call.inner = 1;
    call.depth = depth.size();
    call.a_stride = g.a_stride;
    call.ahead = ahead.count > 0 ? &ahead : nullptr;
    std::int64_t row_step = 1;
    if (transpose_a_) {
      call.a = g.a + inner.begin * g.a_stride + rows.begin;
      const std::int64_t stride = packed_stride(rows.size());
      const bool far = depth.size() * g.a_stride > 8192;  // more than a level-1 cache holds
      if (bf16_ || far) {
        (bf16_ ? kernels().bf16.pack : kernels().gemm.pack)(
            packed_a, static_cast<int>(stride), call.a, g.a_stride, inner.size(), rows.size());
        call.a = packed_a;
        call.a_stride = stride;
      }
    } else {
      call.a = g.a + rows.begin * g.a_stride + inner.begin;
      if (bf16_) {
        const std::int64_t stride = packed_stride(depth.size());
        kernels().bf16.pack_rows(packed_a, stride, call.a, g.a_stride, rows.size(), inner.size());
        call.a = packed_a;
        call.a_stride = stride;
      }
      row_step = call.a_stride;
    }

    for (std::int64_t i = group.begin; i < group.end; ++i) {
      const Panel& panel = panels_[static_cast<std::size_t>(i)];
      const TileSet& tiles = *panel.tiles;
      const TileFn* kind = tiles_of(tiles);
      const float* b = g.b + (transpose_b_ ? panel.column * g.b_stride + inner.begin
                                           : inner.begin * g.b_stride + panel.column);
      TileCall t = call;
      t.b_stride = tiles.width;
      if (g.packed_b != nullptr) {
        t.b = g.packed_b + panel.column * all + depth.begin * tiles.width;
      } else if (!bf16_ && !transpose_b_ && rows.size() <= 2 * tiles.max_rows &&
                 panel.columns == tiles.width) {
        t.b = b;
        t.b_stride = g.b_stride;
      } else {
        pack_panel(panel, b, g.b_stride, inner.size(), packed_b);
        t.b = packed_b;
      }
      if (g.b_sums != nullptr && rows.begin == 0) {
        const float one = 1.0f;
        std::uint32_t ones = 0x3f803f80;  // a pair of them
        TileCall sums = t;
        sums.a = bf16_ ? reinterpret_cast<const float*>(&ones) : &one;
        sums.a_stride = 0;
        sums.c = g.b_sums + panel.column;
        sums.base = first ? nullptr : sums.c;
        sums.base_stride = sums.c_stride = n_;
        sums.columns = panel.columns;
        sums.floor = -INFINITY;
        sums.tiles = 1;
        sums.ahead = nullptr;
        (bf16_ ? tiles.pair_columns : tiles.columns)[0](sums);
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

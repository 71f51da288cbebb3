#include "ops/inner_product.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/convolution.h"

namespace fastconv {
namespace {

constexpr std::int64_t kRows = 64;                     // most in a task
constexpr std::int64_t kFewest = 256, kShortest = 96;  // columns and terms
constexpr std::int64_t kGroup =
    16;  // panels for which a row of A is packed, where there are so many
constexpr double kTaskFlops = 4e6;
constexpr double kTaskWeights = 32e3;  // elements of B read in a task

}  // namespace

bool InnerProduct::wins(std::int64_t k, std::int64_t n) {
  const std::int64_t padded = ceil_div(n, kInnerWidth) * kInnerWidth;
  return kernels().inner_product.rows != nullptr && conv_precision() != "high" && k >= kShortest &&
         n >= kFewest && (padded - n) * 16 <= n;
}

std::int64_t InnerProduct::panels() const { return ceil_div(n_, kInnerWidth); }
std::int64_t InnerProduct::blocks() const { return ceil_div(k_, kInnerDepth); }

// All but the last are whole.
Part InnerProduct::terms_of(std::int64_t block) const {
  const Part whole = part(ceil_div(k_, kInnerTerms), blocks(), block);
  return {whole.begin * kInnerTerms, std::min(k_, whole.end * kInnerTerms)};
}

Gemm::Cut InnerProduct::cut(std::int64_t m) const {
  const auto elements = static_cast<double>(k_ * n_);
  const double tasks =
      std::max(2 * elements * static_cast<double>(m) / kTaskFlops, elements / kTaskWeights);
  const auto wanted = static_cast<std::int64_t>(std::clamp(tasks, 1.0, 256.0));
  const std::int64_t rows = std::max<std::int64_t>(1, ceil_div(m, kRows));
  const std::int64_t most = m < kRows / 2 ? panels() : std::max<std::int64_t>(1, panels() / kGroup);
  return {rows, std::min(most, ceil_div(wanted, rows))};
}

Gemm::Block InnerProduct::block(std::int64_t m, const Gemm::Cut& cut, std::int64_t task) const {
  const Part group = part(panels(), cut.panels, task % cut.panels);
  return {part(m, cut.rows, task / cut.panels),
          {group.begin * kInnerWidth, std::min(n_, group.end * kInnerWidth)}};
}

std::size_t InnerProduct::workspace_bytes() const {
  return static_cast<std::size_t>(kRows * kInnerRow) * sizeof(float);
}

// Block after block of terms, each with all panels.
std::size_t InnerProduct::packed_bytes() const {
  std::int64_t floats = 0;
  for (std::int64_t d = 0; d < blocks(); ++d) floats += packed_panel(terms_of(d).size());
  return static_cast<std::size_t>(floats * panels()) * sizeof(float);
}

void InnerProduct::pack(const float* b, std::int64_t b_stride, const Threads& threads,
                        float* packed) const {
  for (std::int64_t d = 0; d < blocks(); ++d) {
    const Part terms = terms_of(d);
    const std::int64_t size = packed_panel(terms.size());
    const double work = static_cast<double>(terms.size() * n_) / 4;
    threads.parallel_for(panels(), work, [&](std::int64_t i, std::byte*) {
      const std::int64_t column = i * kInnerWidth;
      kernels().inner_product.pack_panel(packed + i * size, b + terms.begin * b_stride + column,
                                         b_stride, terms.size(),
                                         std::min(kInnerWidth, n_ - column));
    });
    packed += size * panels();
  }
}

void InnerProduct::run(const GemmOperands& g, std::int64_t m, const Gemm::Cut& cut,
                       std::int64_t task, std::byte* workspace) const {
  const InnerProductKernels& kernel = kernels().inner_product;
  const Gemm::Block own = block(m, cut, task);
  auto* rows = reinterpret_cast<float*>(workspace);
  const float* packed = g.packed_b;
  for (std::int64_t d = 0; d < blocks(); ++d) {
    const Part terms = terms_of(d);
    const std::int64_t size = packed_panel(terms.size());
    const bool first = d == 0, last = d == blocks() - 1;
    kernel.pack_rows(rows, g.a + own.rows.begin * g.a_stride + terms.begin, g.a_stride,
                     own.rows.size(), terms.size());
    for (std::int64_t column = own.columns.begin; column < own.columns.end; column += kInnerWidth)
      cut_tiles(own.rows.size(), kInnerRows,
                [&](std::int64_t tiles, std::int64_t tile_rows, std::int64_t done) {
                  InnerTile t{};
                  t.a = rows + done * kInnerRow;
                  t.b = packed + column / kInnerWidth * size;
                  t.terms = inner_terms(terms.size());
                  t.c = g.c + (own.rows.begin + done) * g.c_stride + column;
                  t.c_stride = g.c_stride;
                  t.columns = std::min(kInnerWidth, own.columns.end - column);
                  t.base = !first ? t.c : g.bias == nullptr ? nullptr : g.bias + column;
                  t.base_stride = first ? 0 : g.c_stride;
                  t.floor = last && g.relu ? 0.0f : -INFINITY;
                  t.tiles = tiles;
                  kernel.rows[tile_rows - 1](t);
                });
    packed += size * panels();
  }
}

}  // namespace fastconv

#include "ops/inner_product.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/convolution.h"

namespace fastconv {
namespace {

constexpr std::int64_t kRows = 64;                     // most in a task
constexpr std::int64_t kFewest = 256, kShortest = 96;  // columns and terms
constexpr std::int64_t kGroup = 16;  // panels, where there are as many, for rows that are packed
constexpr double kTaskFlops = 4e6;
constexpr double kTaskWeights = 32e3;  // elements of B read in a task

std::int64_t blocks_of(std::int64_t k) { return ceil_div(k, kInnerDepth); }

// Of one block of terms; all but the last are whole.
Part terms_of(std::int64_t k, std::int64_t block) {
  const Part whole = part(ceil_div(k, kInnerTerms), blocks_of(k), block);
  return {whole.begin * kInnerTerms, std::min(k, whole.end * kInnerTerms)};
}

}  // namespace

bool InnerProduct::wins(std::int64_t k, std::int64_t n) {
  const std::int64_t padded = ceil_div(n, kInnerWidth) * kInnerWidth;
  return kernels().inner_product.rows != nullptr && conv_precision() != "high" && k >= kShortest &&
         n >= kFewest && (padded - n) * 16 <= n;
}

std::int64_t InnerProduct::panels() const { return ceil_div(n_, kInnerWidth); }

Product::Cut InnerProduct::cut(std::int64_t m, std::int64_t k) const {
  const auto elements = static_cast<double>(k * n_);
  const double tasks = std::max(flops(m, k) / kTaskFlops, elements / kTaskWeights);
  const auto wanted = static_cast<std::int64_t>(std::clamp(tasks, 1.0, 256.0));
  const std::int64_t rows = std::max<std::int64_t>(1, ceil_div(m, kRows));
  const std::int64_t most = m < kRows / 2 ? panels() : std::max<std::int64_t>(1, panels() / kGroup);
  return {rows, std::min(most, ceil_div(wanted, rows))};
}

Product::Block InnerProduct::block(std::int64_t m, const Cut& cut, std::int64_t task) const {
  const Part group = part(panels(), cut.panels, task % cut.panels);
  return {part(m, cut.rows, task / cut.panels),
          {group.begin * kInnerWidth, std::min(n_, group.end * kInnerWidth)}};
}

std::size_t InnerProduct::workspace_bytes(std::int64_t /*k*/) const {
  return static_cast<std::size_t>(kRows * kInnerRow) * sizeof(float);
}

// Block after block of terms, each with all panels.
std::size_t InnerProduct::packed_bytes(std::int64_t k) const {
  std::int64_t floats = 0;
  for (std::int64_t d = 0; d < blocks_of(k); ++d) floats += packed_panel(terms_of(k, d).size());
  return static_cast<std::size_t>(floats * panels()) * sizeof(float);
}

void InnerProduct::pack(const float* b, std::int64_t b_stride, std::int64_t k,
                        const Threads& threads, float* packed) const {
  for (std::int64_t d = 0; d < blocks_of(k); ++d) {
    const Part terms = terms_of(k, d);
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

void InnerProduct::run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
                       std::int64_t task, std::byte* workspace) const {
  const InnerProductKernels& kernel = kernels().inner_product;
  const Block own = block(m, cut, task);
  auto* rows = reinterpret_cast<float*>(workspace);
  const float* packed = g.packed_b;
  for (std::int64_t d = 0; d < blocks_of(k); ++d) {
    const Part terms = terms_of(k, d);
    const std::int64_t size = packed_panel(terms.size());
    const bool first = d == 0, last = d == blocks_of(k) - 1;
    kernel.pack_rows(rows, g.a + own.rows.begin * g.a_stride + terms.begin, g.a_stride,
                     own.rows.size(), terms.size());
    for (std::int64_t column = own.columns.begin; column < own.columns.end; column += kInnerWidth) {
      InnerTile t{};
      t.a = rows;
      t.b = packed + column / kInnerWidth * size;
      t.terms = inner_terms(terms.size());
      t.c = g.c + own.rows.begin * g.c_stride + column;
      t.c_stride = g.c_stride;
      t.columns = std::min(kInnerWidth, own.columns.end - column);
      t.base = !first ? t.c : g.bias == nullptr ? nullptr : g.bias + column;
      t.base_stride = first ? 0 : g.c_stride;
      t.floor = last && g.relu ? 0.0f : -INFINITY;
      run_tiles(t, kernel.rows, kInnerRows, own.rows.size(), kInnerRow);
    }
    packed += size * panels();
  }
}

}  // namespace fastconv

// Products with a matrix that stays the same, by Winograd's inner product; see
// kernels/inner_product.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm.h"

namespace fastconv {

// C (m, n) = A (m, k) B (k, n), with B packed before. Rounding errors are one to two times those of
// plain sums, relative to the length of a row of A times that of a column of B.
class InnerProduct final : public Product {
 public:
  // Whether it is worth packing rows of A: with few columns it is not.
  static bool wins(std::int64_t k, std::int64_t n);

  explicit InnerProduct(std::int64_t n) : Product(n) {}

  Cut cut(std::int64_t m, std::int64_t k) const override;
  Block block(std::int64_t m, const Cut& cut, std::int64_t task) const override;
  // Of `g`, mask, b_sums and accumulate are not for this one.
  void run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut, std::int64_t task,
           std::byte* workspace) const override;
  std::size_t workspace_bytes(std::int64_t k) const override;
  std::size_t packed_bytes(std::int64_t k) const override;
  void pack(const float* b, std::int64_t b_stride, std::int64_t k, const Threads& threads,
            float* packed) const override;
  const char* algorithm() const override { return "inner product"; }

 private:
  std::int64_t panels() const;
};

}  // namespace fastconv

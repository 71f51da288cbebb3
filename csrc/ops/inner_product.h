// Products with a matrix that stays the same, by Winograd's inner product; see
// kernels/inner_product.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/gemm.h"

namespace fastconv {

// C (m, n) = A (m, k) B (k, n), with B packed once for many A. Rounding errors are one to one and a
// half times those of plain sums, relative to the length of a row of A times that of a column of B.
class InnerProduct {
 public:
  // Whether it is worth packing rows of A: with few columns it is not.
  static bool wins(std::int64_t k, std::int64_t n);

  InnerProduct(std::int64_t k, std::int64_t n) : k_(k), n_(n) {}

  Gemm::Cut cut(std::int64_t m) const;
  Gemm::Block block(std::int64_t m, const Gemm::Cut& cut, std::int64_t task) const;
  // Computes one block of C from packed_b, bias and relu of `g`. Every element is the same sum in
  // the same order whatever m and the cut are.
  void run(const GemmOperands& g, std::int64_t m, const Gemm::Cut& cut, std::int64_t task,
           std::byte* workspace) const;
  std::size_t workspace_bytes() const;

  std::size_t packed_bytes() const;
  void pack(const float* b, std::int64_t b_stride, const Threads& threads, float* packed) const;

 private:
  std::int64_t panels() const;
  std::int64_t blocks() const;
  Part terms_of(std::int64_t block) const;

  std::int64_t k_, n_;
};

}  // namespace fastconv

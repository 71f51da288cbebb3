// Blocked matrix products, cut into tasks by shape.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/op.h"
#include "ops/panels.h"

namespace fastconv {

// C (m, n) = op(A) op(B), all row-major. A is (m, k), or (k, m) where transposed; B is (k, n), or
// (n, k) where transposed.
struct GemmOperands {
  const float* a;
  std::int64_t a_stride;
  const float* b;
  std::int64_t b_stride;
  float* c;
  std::int64_t c_stride;
  const float* bias = nullptr;  // n: added to every row
  bool relu = false;
  const float* mask = nullptr;      // laid out like C: C is 0 where the mask is not positive
  float* b_sums = nullptr;          // n: set to the sums of the columns of B
  bool accumulate = false;          // adds to C and b_sums
  const float* packed_b = nullptr;  // what pack() made of B
};

// A way to multiply matrices: C is cut into blocks, each a task of its own.
class Product {
 public:
  // By blocks of rows, and by groups of panels of columns.
  struct Cut {
    std::int64_t rows, panels;
    std::int64_t tasks() const { return rows * panels; }
  };
  struct Block {
    Part rows, columns;
  };

  virtual ~Product() = default;
  virtual Cut cut(std::int64_t m, std::int64_t k) const = 0;
  virtual Block block(std::int64_t m, const Cut& cut, std::int64_t task) const = 0;
  // Computes one block of C. Every element is the same sum in the same order whatever the cut is
  // and, unless A is transposed, whatever m is.
  virtual void run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
                   std::int64_t task, std::byte* workspace) const = 0;
  virtual std::size_t workspace_bytes(std::int64_t k) const = 0;

  // B in the form that the tiles read, for products that use it again.
  virtual std::size_t packed_bytes(std::int64_t k) const = 0;
  virtual void pack(const float* b, std::int64_t b_stride, std::int64_t k, const Threads& threads,
                    float* packed) const = 0;
  virtual const char* algorithm() const = 0;

  double flops(std::int64_t m, std::int64_t k) const {
    return 2.0 * static_cast<double>(m * n_) * static_cast<double>(k);
  }
  // Estimate, on one thread: a product with few rows takes as long as reading B.
  double nanoseconds(std::int64_t m, std::int64_t k) const {
    return std::max(flops(m, k) / 100, static_cast<double>(k * n_) / 20) + 50;
  }

 protected:
  Product() = default;
  explicit Product(std::int64_t n) : n_(n) {}
  Product(const Product&) = default;
  Product& operator=(const Product&) = default;

  std::int64_t n_ = 0;
};

// Plain sums of multiply-adds, of any matrices.
class Gemm final : public Product {
 public:
  static constexpr std::int64_t kRows = 256;  // most rows of C in a task

  Gemm() = default;
  // With `bf16`, A and B are rounded to bfloat16 as they are packed; sums are float32.
  Gemm(std::int64_t n, bool transpose_a, bool transpose_b, bool bf16 = false);

  Cut cut(std::int64_t m, std::int64_t k) const override;
  Block block(std::int64_t m, const Cut& cut, std::int64_t task) const override;
  void run(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut, std::int64_t task,
           std::byte* workspace) const override;
  std::size_t workspace_bytes(std::int64_t k) const override;
  std::size_t packed_bytes(std::int64_t k) const override;
  void pack(const float* b, std::int64_t b_stride, std::int64_t k, const Threads& threads,
            float* packed) const override;
  const char* algorithm() const override { return bf16_ ? "gemm bf16" : "gemm"; }

 private:
  Part panels_of(const Cut& cut, std::int64_t task) const;
  // Steps of the sum: of one number, or of two.
  std::int64_t steps(std::int64_t k) const { return bf16_ ? ceil_div(k, 2) : k; }
  const TileFn* tiles_of(const TileSet& tiles) const;
  void pack_panel(const Panel& panel, const float* b, std::int64_t b_stride, std::int64_t k,
                  float* packed) const;
  Ahead ahead_of(const GemmOperands& g, std::int64_t m, std::int64_t k, const Cut& cut,
                 std::int64_t task) const;

  bool transpose_a_ = false, transpose_b_ = false, bf16_ = false;
  std::vector<Panel> panels_;
};

}  // namespace fastconv

// Products of matrices by Winograd's inner product (S. Winograd, "A New Algorithm for Inner
// Product", IEEE Transactions on Computers C-17, 1968), which turns multiplications into additions:
//   a1 b1 + a2 b2 = (a1 + b2) (a2 + b1) - a1 a2 - b1 b2
//                 = -(a1 - b2) (a2 - b1) + a1 a2 + b1 b2
// where a sum of a1 a2 belongs to a row of A and one of b1 b2 to a column of B. Two terms of every
// three are such a pair, of either form in turn, so that these sums stay small; the third is a
// multiply-add as ever. On CPUs that add beside their multiply-adds (AMD's Zen 5 two vectors beside
// two in each cycle, Zen 4 one beside one) the multiply-add units do two thirds of the work.
//
// Rows of A and columns of B are brought to the same size by powers of two, without which the
// smaller of a1 and b2 would be rounded away (R. P. Brent, "Error Analysis of Algorithms for Matrix
// Multiplication and Triangular Decomposition Using Winograd's Identity", Numerische Mathematik 16,
// 1970).
#pragma once

#include <cstddef>

namespace fastconv {

constexpr std::ptrdiff_t kInnerTerms = 6;    // what the sum is made of a multiple of, with zeros
constexpr std::ptrdiff_t kInnerDepth = 264;  // most terms of a packed block
constexpr std::ptrdiff_t kInnerRow = 304;    // floats of a packed row of A
constexpr std::ptrdiff_t kInnerWidth = 32;   // columns of a packed panel of B
constexpr std::ptrdiff_t kInnerRows = 10;    // most rows of a tile

// C[m][:] = max(floor, base[m][:] + sum A(m, k) * B(k, :)) for tiles of rows, each below the last.
struct InnerTile {
  const float* a;        // packed rows
  const float* b;        // a packed panel
  std::ptrdiff_t terms;  // a multiple of kInnerTerms
  const float* base;     // null: 0
  std::ptrdiff_t base_stride;
  float* c;
  std::ptrdiff_t c_stride, columns;  // columns <= kInnerWidth are read and stored
  float floor;
  std::ptrdiff_t tiles;
};
using InnerTileFn = void (*)(const InnerTile&);

struct InnerProductKernels {
  const InnerTileFn* rows = nullptr;  // [r - 1] makes r rows; null on CPUs where it does not pay
  // Rows of `terms` floats, with their scale and their sum, into rows of kInnerRow.
  void (*pack_rows)(float* dst, const float* src, std::ptrdiff_t stride, std::ptrdiff_t rows,
                    std::ptrdiff_t terms) = nullptr;
  // `terms` rows of `columns` floats into packed_panel(terms) floats.
  void (*pack_panel)(float* dst, const float* src, std::ptrdiff_t stride, std::ptrdiff_t terms,
                     std::ptrdiff_t columns) = nullptr;
};

constexpr std::ptrdiff_t inner_terms(std::ptrdiff_t terms) {
  return (terms + kInnerTerms - 1) / kInnerTerms * kInnerTerms;
}
// Its rows, then a row of sums and one of scales.
constexpr std::ptrdiff_t packed_panel(std::ptrdiff_t terms) {
  return (inner_terms(terms) + 2) * kInnerWidth;
}

}  // namespace fastconv

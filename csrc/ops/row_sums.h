// Sums over the rows of a tensor, for each channel, as batch normalization needs them. Rows are all
// axes but the last. A tensor is summed in stretches of rows, in any order, and the stretches are
// added up in theirs: the bits depend on the cut, not on who sums what.
//
// A stretch's sums are floats over blocks of rows and doubles over the blocks, of values shifted to
// near zero (Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/threads.h"

namespace fastconv {

class RowSums {
 public:
  RowSums() = default;
  explicit RowSums(std::int64_t channels) : channels_(channels) {}

  // Rows in a stretch of an op that has no better cut: it depends on the channels alone.
  std::int64_t stretch_rows() const;
  // What `stretches` of them need, and what each thread needs.
  std::size_t bytes(std::int64_t stretches) const;
  std::size_t workspace_bytes() const;

  // Before any of the sums: a stretch that nobody sums is empty.
  void clear(std::byte* sums, std::int64_t stretches) const;
  // Of x and its square.
  void add(const float* x, std::int64_t rows, std::byte* sums, std::int64_t stretch,
           std::byte* workspace) const;
  // Of dy, and of dy (x - mean). With `mask`, dy is first set to 0 where mask <= 0; with `masked`
  // it is written there too.
  struct Gradient {
    const float *dy, *x, *mask, *mean;
    float* masked;
  };
  void add(const Gradient& gradient, std::int64_t rows, std::byte* sums, std::int64_t stretch,
           std::byte* workspace) const;

  // After all of the first kind, and of the second kind.
  void moments(const Threads& threads, const std::byte* sums, std::int64_t stretches, float* mean,
               float* variance) const;
  void gradients(const Threads& threads, const std::byte* sums, std::int64_t stretches,
                 const float* variance, double epsilon, float* dgamma, float* dbeta) const;

 private:
  struct Sums {
    double *first, *second, *shift;
  };
  std::int64_t stride() const { return 3 * channels_ + 1; }  // doubles of a stretch
  Sums of(std::byte* sums, std::int64_t stretch, std::int64_t rows) const;
  void centre(double n, const Sums& sums, float* shift) const;

  std::int64_t channels_ = 0;
};

}  // namespace fastconv

// Copies between two strided views of one shape: what transposing, slicing, flipping, padding,
// joining and broadcasting have in common.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace fastconv {

class StridedCopy {
 public:
  // Strides in elements. The batch, if any, is the first dimension, and its size is not used.
  struct Dim {
    std::int64_t size, in, out;
    bool batch = false;
  };

  StridedCopy() = default;
  // Dimensions outermost first; the first elements are at the offsets. No two elements of the
  // output view may be one.
  StridedCopy(DType dtype, const std::vector<Dim>& dims, std::int64_t in_offset,
              std::int64_t out_offset);

  void run(const void* in, void* out, std::int64_t batch, const Threads& threads) const;

 private:
  template <class T>
  void plane(const T* in, T* out, std::int64_t rows, std::int64_t columns) const;

  std::size_t element_ = 4;
  std::vector<Dim> dims_;  // the last two are the plane that is copied at a time
  std::int64_t in_offset_ = 0, out_offset_ = 0;
};

// Strides of a contiguous tensor.
std::vector<std::int64_t> strides_of(const TensorDesc& t);

}  // namespace fastconv

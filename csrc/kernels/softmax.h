// Kernels of softmax and of its cross-entropy, one row of logits at a time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

// Rows are n >= 1 contiguous floats; out may be an input.
struct SoftmaxKernels {
  void (*softmax)(float* out, const float* x, std::ptrdiff_t n);
  void (*log_softmax)(float* out, const float* x, std::ptrdiff_t n);
  void (*softmax_grad)(float* out, const float* dy, const float* y, std::ptrdiff_t n);
  void (*log_softmax_grad)(float* out, const float* dy, const float* y, std::ptrdiff_t n);
  // Probabilities, and the loss as the result. A label outside [0, n) gives a NaN.
  float (*sparse_cross_entropy)(float* probabilities, const float* logits, std::int32_t label,
                                std::ptrdiff_t n);
  float (*cross_entropy)(float* probabilities, const float* logits, const float* targets,
                         std::ptrdiff_t n);
  // scale * (probabilities - one_hot(label))
  void (*sparse_cross_entropy_grad)(float* out, const float* probabilities, std::int32_t label,
                                    float scale, std::ptrdiff_t n);
};

}  // namespace fastconv

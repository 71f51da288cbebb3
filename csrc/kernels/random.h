// Kernels of random numbers, laid out as simd/philox.h says.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

struct RandomArgs {
  std::uint64_t seed, step;
  std::uint32_t stream;
};

// Elements [index, index + n) of a stream.
struct RandomKernels {
  void (*uniform)(float* out, std::int64_t index, std::ptrdiff_t n, const RandomArgs& args);
  void (*normal)(float* out, std::int64_t index, std::ptrdiff_t n, const RandomArgs& args);
};

}  // namespace fastconv

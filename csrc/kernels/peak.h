// What the machine can do at most: the yardstick of profiles.
#pragma once

#include <cstdint>

namespace fastconv {

struct PeakKernels {
  // Runs `rounds` rounds of independent multiply-adds on registers alone and returns the number of
  // floating-point operations done (a multiply-add is two). `sink` keeps the result alive.
  std::int64_t (*multiply_add)(std::int64_t rounds, float* sink);
  // Sums `count` floats at memory speed.
  float (*read)(const float* data, std::int64_t count);
};

}  // namespace fastconv

// Batch normalisation over blocks of rows of one value for each channel.
#pragma once

#include <cstdint>

namespace fastconv {

struct NormalizationKernels {
  // Rows that a block may have, so that float sums of it are accurate.
  std::int64_t block_rows;

  // For each channel, adds the sum of (x - shift) over the rows to `sum` and that of its square to
  // `square`. `work` holds 2 * channels floats.
  void (*moments)(const float* x, std::int64_t rows, std::int64_t channels, const float* shift,
                  float* work, double* sum, double* square);

  // y = (x - mean) * scale + offset, plus `other` unless that is null, then with `relu` the
  // positive part. y may be x or `other`.
  void (*normalize)(const float* x, std::int64_t rows, std::int64_t channels, const float* mean,
                    const float* scale, const float* offset, const float* other, bool relu,
                    float* y);

  // For each channel, adds the sum of dy to `sum` and that of dy * (x - mean) to `product`. With
  // `mask`, dy is first set to 0 where mask <= 0; with `masked` it is written there too.
  void (*grad_sums)(const float* dy, const float* x, const float* mask, std::int64_t rows,
                    std::int64_t channels, const float* mean, float* work, float* masked,
                    double* sum, double* product);

  // dx = a * ((x - mean) * b + (dy - c)), with dy masked as above.
  void (*grad)(const float* dy, const float* x, const float* mask, std::int64_t rows,
               std::int64_t channels, const float* mean, const float* a, const float* b,
               const float* c, float* dx);
};

}  // namespace fastconv

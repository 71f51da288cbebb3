// Copies of the windows of an image as rows of a matrix, and their transpose.
#pragma once

#include "ops/convolution.h"
#include "ops/panels.h"

namespace fastconv {

// cols[pixel][ky][kx][c] for the output pixels of rows `rows` and one group's channels; zero where
// the window hangs over the edge.
void im2col(const Convolution& c, const float* image, Part rows, std::int64_t group, float* cols);
// image += the transpose of im2col.
void add_col2im(const Convolution& c, const float* cols, Part rows, std::int64_t group,
                float* image);

}  // namespace fastconv

// NumPy arrays as rows of a plan's input.
#pragma once

#include <pybind11/numpy.h>

#include <string>

#include "ops/op.h"
#include "plan/epoch.h"

namespace fastconv {

DType dtype_of(const pybind11::array& array);  // throws for dtypes that no tensor has
pybind11::dtype numpy_dtype(DType dtype);
bool is_aligned(const pybind11::array& array);  // to its elements
std::string shape_text(const pybind11::array& array);

// How input `index` of a plan reads `array`, one row for each example. Throws std::invalid_argument
// if the rows do not have the input's shape or their dtype cannot be converted.
RowFeed row_feed(const Plan& plan, std::size_t index, const pybind11::array& array, float scale,
                 float offset);

}  // namespace fastconv

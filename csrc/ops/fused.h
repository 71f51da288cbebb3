// What matrix products and convolutions do to their result: in registers (bias, ReLU, a ReLU mask),
// and with a tape on finished blocks for the rest.
#pragma once

#include "ops/op.h"
#include "ops/tape.h"

namespace fastconv {

struct FusedEpilogue {
  bool relu = false;
  int mask = -1;  // the input that masks the result: 0 wherever it is not positive
  Epilogue tape;  // the rest

  FusedEpilogue() = default;
  FusedEpilogue(const OpSpec& spec, int own, const TensorDesc& result);

  const float* mask_of(const RunContext& ctx) const {
    return mask < 0 ? nullptr : ctx.input(static_cast<std::size_t>(mask));
  }
  // The tape on rows [row, row + rows) and columns [column, column + columns) of a result with
  // `width` columns.
  void run(const RunContext& ctx, float* result, std::int64_t width, std::int64_t row,
           std::int64_t rows, std::int64_t column, std::int64_t columns) const;
};

}  // namespace fastconv

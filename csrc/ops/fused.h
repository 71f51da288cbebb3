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

// Throws std::invalid_argument unless `ok`: "<op>: <what>".
void require(bool ok, const OpSpec& spec, const std::string& what);
// Throws unless the counts of inputs (without the epilogue's extras) and outputs are these, all
// float32 but the index of a fused pool.
void require_floats(const OpSpec& spec, std::size_t inputs, std::size_t outputs);
// The attribute `precision`: "float32", or "bfloat16" where operands are rounded to that and sums
// are float32.
bool in_bf16(const OpSpec& spec);
// Whether a tensor has this shape, whatever the batch.
bool has_shape(const TensorDesc& tensor, const std::vector<std::int64_t>& shape);
std::string text_of(const TensorDesc& tensor);  // its shape, for messages

}  // namespace fastconv

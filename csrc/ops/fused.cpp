#include "ops/fused.h"

namespace fastconv {

FusedEpilogue::FusedEpilogue(const OpSpec& spec, int own, const TensorDesc& result)
    : tape(spec, own, result) {
  if (tape.empty()) return;
  if (tape.starts_with_relu()) {
    relu = true;
    tape = tape.rest();
  } else if (tape.starts_with_relu_grad() && tape.mask_input() >= 0) {
    mask = tape.mask_input();
    tape = tape.rest();
  }
}

void FusedEpilogue::run(const RunContext& ctx, float* result, std::int64_t width, std::int64_t row,
                        std::int64_t rows, std::int64_t column, std::int64_t columns) const {
  if (tape.empty() || rows == 0 || columns == 0) return;
  if (columns == width) {
    tape.run(ctx, result + row * width, row * width, rows * width);
    return;
  }
  for (std::int64_t i = row; i < row + rows; ++i) {
    const std::int64_t index = i * width + column;
    tape.run(ctx, result + index, index, columns);
  }
}

}  // namespace fastconv

// Batches out of the caller's arrays: rows picked by index, converted and scaled in one pass.
#pragma once

#include <cstdint>

#include "kernels/gather.h"
#include "ops/op.h"

namespace fastconv {

// A caller's array, dense within a row. Booleans are SourceType::u8.
struct RowSource {
  const void* base;
  SourceType type;
  std::int64_t row_elements;
  std::int64_t row_stride_bytes;
  float scale = 1.0f, offset = 0.0f;  // value * scale + offset, for float32 destinations
};

// Whether batches can be of this dtype: float32, int32, uint8, bool.
bool can_gather(DType dtype);

// Writes rows order[first .. first + count), or rows first .. first + count when `order` is null,
// to the dense array `out` of a type that can be gathered. The rows must lie in the array: nothing
// is checked.
void gather_rows(const RowSource& source, const std::int64_t* order, std::int64_t first,
                 std::int64_t count, DType out_type, void* out, const Threads& threads);

}  // namespace fastconv

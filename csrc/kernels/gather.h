// Rows of a caller's array, picked by index and converted into a dense batch.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

// Element types of arrays that batches are gathered from.
enum class SourceType : std::uint8_t { u8, i8, u16, i16, u32, i32, u64, i64, f16, f32, f64 };
constexpr int kSourceTypes = 11;

struct GatherRows {
  const std::byte* base;
  std::ptrdiff_t stride;      // bytes between rows
  const std::int64_t* order;  // the rows, or null for first, first + 1, ...
  std::int64_t first, count;  // rows order[first .. first + count)
  std::int64_t elements;      // of each row
  float scale, offset;        // value * scale + offset, for float32 only
  void* out;
  std::int64_t out_stride;  // elements between rows of `out`
};

struct GatherKernels {
  using Kernel = void (*)(const GatherRows& rows);
  // By SourceType. int32 and uint8 truncate floats; what is beyond them becomes their limit. A
  // boolean is whether a number is not 0.
  Kernel to_f32[kSourceTypes], to_i32[kSourceTypes], to_u8[kSourceTypes], to_bool[kSourceTypes];
};

}  // namespace fastconv

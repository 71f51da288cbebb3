#include "plan/gather.h"

#include <algorithm>

#include "dispatch/dispatch.h"

namespace fastconv {
namespace {

constexpr std::int64_t kTaskElements = 16384;
constexpr double kNanosecondsPerElement = 0.2, kNanosecondsPerRow = 20;

GatherKernels::Kernel kernel_of(DType out, SourceType source) {
  const GatherKernels& k = kernels().gather;
  const auto type = static_cast<std::size_t>(source);
  switch (out) {
    case DType::i32:
      return k.to_i32[type];
    case DType::u8:
      return k.to_u8[type];
    case DType::b8:
      return k.to_bool[type];
    default:
      return k.to_f32[type];
  }
}

}  // namespace

bool can_gather(DType dtype) {
  return dtype == DType::f32 || dtype == DType::i32 || dtype == DType::u8 || dtype == DType::b8;
}

void gather_rows(const RowSource& source, const std::int64_t* order, std::int64_t first,
                 std::int64_t count, DType out_type, void* out, const Threads& threads) {
  const std::int64_t elements = source.row_elements;
  if (count == 0 || elements == 0) return;
  const int type = static_cast<int>(source.type);
  const auto kernel = kernel_of(out_type, source.type);
  const auto out_size = static_cast<std::int64_t>(size_of(out_type));
  static constexpr std::int64_t kSourceSizes[kSourceTypes] = {1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8};

  // A task is some short rows, or a piece of a long one.
  const std::int64_t rows_per_task = std::max<std::int64_t>(1, kTaskElements / elements);
  const std::int64_t pieces = (elements + kTaskElements - 1) / kTaskElements;
  const std::int64_t piece = (elements + pieces - 1) / pieces;
  const std::int64_t groups = (count + rows_per_task - 1) / rows_per_task;
  const double work = static_cast<double>(count) *
                      (kNanosecondsPerRow + kNanosecondsPerElement * static_cast<double>(elements));
  threads.parallel_for(groups * pieces, work, [&](std::int64_t task, std::byte*) {
    const std::int64_t row = task / pieces * rows_per_task;
    const std::int64_t begin = task % pieces * piece;
    kernel({.base = static_cast<const std::byte*>(source.base) + begin * kSourceSizes[type],
            .stride = source.row_stride_bytes,
            .order = order,
            .first = first + row,
            .count = std::min(rows_per_task, count - row),
            .elements = std::min(piece, elements - begin),
            .scale = source.scale,
            .offset = source.offset,
            .out = static_cast<std::byte*>(out) + (row * elements + begin) * out_size,
            .out_stride = elements});
  });
}

}  // namespace fastconv

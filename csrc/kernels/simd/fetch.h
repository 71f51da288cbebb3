// Fetching ahead while a register tile is made.
#pragma once

#include "kernels/ahead.h"
#include "kernels/simd/vec.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// Lines to fetch in every step of the next tile, of `steps` steps, starting at `at`.
FC_INLINE index_t next_lines(Ahead& ahead, index_t steps, const char*& at) {
  at = nullptr;
  if (steps == 0) return 0;
  ahead.due += ahead.share;
  if (ahead.due < steps / 2 || ahead.now == ahead.count) return 0;
  const index_t lines = (ahead.due + steps - 1) / steps;
  at = static_cast<const char*>(ahead.range[ahead.now].start) + ahead.offset;
  ahead.due -= lines * steps;
  ahead.offset += lines * steps * 64;
  if (ahead.offset >= ahead.range[ahead.now].bytes) {
    ahead.offset = 0;
    ++ahead.now;
  }
  return lines;
}

FC_INLINE void fetch_lines(const char*& at, index_t lines) {
  for (index_t i = 0; i < lines; ++i, at += 64) __builtin_prefetch(at, 0, 2);
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

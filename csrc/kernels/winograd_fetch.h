// Fetching ahead during the products of Winograd convolutions.
#pragma once

#include "kernels/simd/vec.h"
#include "kernels/winograd.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// Hands out what is needed soon in equal shares to `calls` tiles of `steps` steps each: many
// requests at a time would be dropped.
class Fetch {
 public:
  Fetch(const WinogradAhead& ahead, index_t calls, index_t steps) : ahead_(ahead), steps_(steps) {
    index_t lines = 0;
    for (int i = 0; i < ahead.count; ++i) lines += ahead.range[i].bytes / 64 + 1;
    share_ = (lines + calls - 1) / calls;
  }
  // Lines to fetch in every step of the next tile, starting at `at`.
  FC_INLINE index_t operator()(const char*& at) {
    at = nullptr;
    due_ += share_;
    if (due_ < steps_ / 2 || now_ == ahead_.count) return 0;
    const index_t lines = (due_ + steps_ - 1) / steps_;
    at = static_cast<const char*>(ahead_.range[now_].start) + offset_;
    due_ -= lines * steps_;
    offset_ += lines * steps_ * 64;
    if (offset_ >= ahead_.range[now_].bytes) {
      offset_ = 0;
      ++now_;
    }
    return lines;
  }

 private:
  const WinogradAhead& ahead_;
  const index_t steps_;
  index_t share_, due_ = 0, offset_ = 0;
  int now_ = 0;
};
FC_INLINE void fetch_lines(const char*& at, index_t lines) {
  for (index_t i = 0; i < lines; ++i, at += 64) __builtin_prefetch(at, 0, 2);
}

}  // namespace
}  // namespace fastconv::FASTCONV_ISA

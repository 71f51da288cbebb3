// What a kernel will need soon. Products fetch it into the second-level cache meanwhile, a few
// lines in every step: many requests at a time would be dropped, and where rows are far apart the
// processor foresees nothing.
#pragma once

#include <cstddef>

namespace fastconv {

struct Ahead {
  static constexpr int kRanges = 4;
  struct {
    const void* start;
    std::ptrdiff_t bytes;
  } range[kRanges];
  int count = 0;

  void add(const void* start, std::ptrdiff_t bytes) {
    if (count < kRanges && bytes > 0) range[count++] = {start, bytes};
  }
  // Shares everything out equally among this many register tiles.
  void share_out(std::ptrdiff_t tiles) {
    std::ptrdiff_t lines = 0;
    for (int i = 0; i < count; ++i) lines += range[i].bytes / 64 + 1;
    share = (lines + tiles - 1) / tiles;
  }

  std::ptrdiff_t share = 0;            // lines for each tile ...
  std::ptrdiff_t due = 0, offset = 0;  // ... lines times steps not yet handed out; bytes done ...
  int now = 0;                         // ... of this range
};

}  // namespace fastconv

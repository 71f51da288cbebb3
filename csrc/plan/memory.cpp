#include "plan/memory.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "runtime/arena.h"

namespace fastconv {

std::size_t lay_out(std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<std::size_t> placed;  // by offset
  std::size_t total = 0;
  for (const std::size_t i : order) {
    Block& block = blocks[i];
    const std::size_t bytes = aligned(block.bytes);
    std::size_t best = 0, best_gap = SIZE_MAX, end = 0;  // `end`: of what is alive so far
    for (const std::size_t j : placed) {
      const Block& other = blocks[j];
      if (other.last < block.first || block.last < other.first) continue;
      if (other.offset >= end + bytes && other.offset - end < best_gap) {
        best = end;
        best_gap = other.offset - end;
      }
      end = std::max(end, other.offset + aligned(other.bytes));
    }
    block.offset = best_gap == SIZE_MAX ? end : best;
    total = std::max(total, block.offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](std::size_t a, std::size_t b) {
                                     return blocks[a].offset < blocks[b].offset;
                                   }),
                  i);
  }
  return total;
}

}  // namespace fastconv

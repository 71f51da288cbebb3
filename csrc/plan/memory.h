// Lifetimes to offsets: lays blocks that are not alive at the same time over each other.
#pragma once

#include <cstddef>
#include <vector>

namespace fastconv {

struct Block {
  std::size_t bytes = 0;
  int first = 0, last = -1;  // the steps, both included, during which it is alive
  std::size_t offset = 0;    // the result
};

// Gives every block an offset (a multiple of 64 bytes) and returns the size of the whole. Greedy by
// size, as in Pisarchyk and Lee, "Efficient memory management for deep neural net inference"
// (2020), section 5.2.
std::size_t lay_out(std::vector<Block>& blocks);

}  // namespace fastconv

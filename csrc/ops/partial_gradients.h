// Gradients of weights and bias as sums over chunks of a batch. Chunk 0 is summed in the op's
// results 0 and 1, every other chunk in floats of its own in the op's scratch, and then they are
// added up in their order: the bits depend on the cut into chunks, not on who sums which.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/op.h"

namespace fastconv {

class PartialGradients {
 public:
  PartialGradients() = default;
  // Floats of the weights and of the bias, 0 where there is none.
  PartialGradients(std::int64_t weights, std::int64_t bias) : weights_(weights), bias_(bias) {}

  std::size_t scratch_bytes(std::int64_t chunks) const;

  float* weights(const RunContext& ctx, std::int64_t chunk) const;
  float* bias(const RunContext& ctx, std::int64_t chunk) const;  // null where there is none
  void clear(const RunContext& ctx, std::int64_t chunk) const;
  void add_up(const RunContext& ctx, std::int64_t chunks) const;

 private:
  float* partial(const RunContext& ctx, std::int64_t chunk) const;

  std::int64_t weights_ = 0, bias_ = 0;
};

}  // namespace fastconv

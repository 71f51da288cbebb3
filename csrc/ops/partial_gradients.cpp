#include "ops/partial_gradients.h"

#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/panels.h"

namespace fastconv {
namespace {

constexpr std::int64_t kSlice = 2048;  // floats in a task of adding up

}  // namespace

std::size_t PartialGradients::scratch_bytes(std::int64_t chunks) const {
  return static_cast<std::size_t>((chunks - 1) * (weights_ + bias_)) * sizeof(float);
}

float* PartialGradients::partial(const RunContext& ctx, std::int64_t chunk) const {
  return reinterpret_cast<float*>(ctx.scratch) + (chunk - 1) * (weights_ + bias_);
}

float* PartialGradients::weights(const RunContext& ctx, std::int64_t chunk) const {
  return chunk == 0 ? ctx.output(0) : partial(ctx, chunk);
}

float* PartialGradients::bias(const RunContext& ctx, std::int64_t chunk) const {
  if (bias_ == 0) return nullptr;
  return chunk == 0 ? ctx.output(1) : partial(ctx, chunk) + weights_;
}

void PartialGradients::clear(const RunContext& ctx, std::int64_t chunk) const {
  std::fill_n(weights(ctx, chunk), weights_, 0.0f);
  if (bias_ != 0) std::fill_n(bias(ctx, chunk), bias_, 0.0f);
}

void PartialGradients::add_up(const RunContext& ctx, std::int64_t chunks) const {
  if (chunks == 1) return;
  const auto add = kernels().gemm.add;
  const double nanoseconds = static_cast<double>(weights_ * chunks) * 0.05;
  ctx.threads.parallel_for(
      ceil_div(weights_, kSlice), nanoseconds, [&](std::int64_t slice, std::byte*) {
        const std::int64_t from = slice * kSlice, count = std::min(kSlice, weights_ - from);
        for (std::int64_t chunk = 1; chunk < chunks; ++chunk)
          add(ctx.output(0) + from, partial(ctx, chunk) + from, count);
      });
  for (std::int64_t chunk = 1; bias_ != 0 && chunk < chunks; ++chunk)
    add(ctx.output(1), bias(ctx, chunk), bias_);
}

}  // namespace fastconv

// What ops ask of their specifications. Everything throws std::invalid_argument, with a message
// that starts with the op's name.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "ops/op.h"

namespace fastconv {

[[noreturn]] void fail(const OpSpec& spec, const std::string& what);
// Fails unless `ok`.
void require(bool ok, const OpSpec& spec, const std::string& what);
// ... unless there are so many inputs (without the epilogue's extras) and outputs.
void require_counts(const OpSpec& spec, std::size_t inputs, std::size_t outputs);
// ... and all of these are float32 but the index of a fused pool.
void require_floats(const OpSpec& spec, std::size_t inputs, std::size_t outputs);

// An attribute of `count` integers from `least` to `most`. The usual limit is that of kernels,
// dilations and paddings, so that no position beside an image overflows.
std::vector<std::int64_t> integers(const OpSpec& spec, const char* key, std::size_t count,
                                   std::int64_t least,
                                   std::int64_t most = std::numeric_limits<std::int32_t>::max());
// The attribute `precision`: "float32", or "bfloat16" where operands are rounded to that and sums
// are float32.
bool in_bf16(const OpSpec& spec);

// Whether a tensor has this shape, whatever the batch.
bool has_shape(const TensorDesc& tensor, const std::vector<std::int64_t>& shape);
// Shapes for messages.
std::string text_of(const TensorDesc& tensor);
std::string text_of(const std::vector<std::int64_t>& shape);

}  // namespace fastconv

// Operations that have no kernels in bfloat16.
#pragma once

#include <memory>

#include "ops/op.h"

namespace fastconv {

// The operation of `spec` without its attribute `precision`, on copies of inputs 0 and 1 that are
// rounded to bfloat16.
std::unique_ptr<Op> on_rounded(const OpSpec& spec);

}  // namespace fastconv

// The moments of an op's result, summed up while the op makes it.
#pragma once

#include <memory>

#include "ops/op.h"

namespace fastconv {

// For an op of one result with attribute moments=1: results 1 and 2 are the mean and the variance
// of each channel of result 0. `make` is given the op without them.
std::unique_ptr<Op> with_moments(const OpSpec& spec, OpFactory make);

}  // namespace fastconv

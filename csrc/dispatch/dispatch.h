// Which ISA's kernels run. Chosen once, at import, from what the CPU and the operating system
// support, or by the environment variable FASTCONV_ISA.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/table.h"

namespace fastconv {

// The ISAs that were built and that this machine can run, least first.
const std::vector<std::string>& available_isas();

// Chooses the kernels; `wanted` is an ISA's name, or empty for the best. Throws std::runtime_error
// if the machine cannot run them. Must be called before kernels().
void choose_isa(std::string_view wanted);

const KernelTable& kernels();

}  // namespace fastconv

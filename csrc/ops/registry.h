// One register function per family of operations; registry.cpp calls them all.
#pragma once

#include "ops/op.h"

namespace fastconv {


}  // namespace fastconv

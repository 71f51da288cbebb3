// One register function per family of operations; registry.cpp calls them all.
#pragma once

#include "ops/op.h"

namespace fastconv {

void register_conv2d(Registry& r);
void register_dense(Registry& r);
void register_im2col(Registry& r);
void register_matmul(Registry& r);
void register_pointwise(Registry& r);
void register_normalization(Registry& r);
void register_optimizer(Registry& r);
void register_pool(Registry& r);
void register_random(Registry& r);
void register_reduce(Registry& r);
void register_argmax(Registry& r);
void register_shape(Registry& r);
void register_indexing(Registry& r);
void register_softmax(Registry& r);

}  // namespace fastconv

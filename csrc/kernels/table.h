// The kernels of one ISA: function pointers and their block sizes together.
#pragma once

#include "kernels/bf16.h"
#include "kernels/depthwise.h"
#include "kernels/gather.h"
#include "kernels/gemm.h"
#include "kernels/inner_product.h"
#include "kernels/normalization.h"
#include "kernels/optimizer.h"
#include "kernels/peak.h"
#include "kernels/pointwise.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/shape.h"
#include "kernels/softmax.h"
#include "kernels/winograd.h"

namespace fastconv {

struct KernelTable {
  const char* isa = "";
  int width = 0;      // floats in a vector
  int registers = 0;  // vector registers
  PeakKernels peak;
  GatherKernels gather;
  GemmKernels gemm;
  InnerProductKernels inner_product;
  Bf16Kernels bf16;
  DepthwiseKernels depthwise;
  PointwiseKernels pointwise;
  PoolKernels pool;
  RandomKernels random;
  ReduceKernels reduce;
  ShapeKernels shape;
  SoftmaxKernels softmax;
  NormalizationKernels normalization;
  UpdateKernels update;
  WinogradKernels winograd;
};

}  // namespace fastconv

// Compiled once per ISA: collects that ISA's kernels.
#include "kernels/table.h"

#include "kernels/simd/vec.h"

#define FC_STRING_(x) #x
#define FC_STRING(x) FC_STRING_(x)

namespace fastconv::FASTCONV_ISA {

void fill(PeakKernels& k);
void fill(GatherKernels& k);
void fill(GemmKernels& k);
void fill(DepthwiseKernels& k);
void fill(PointwiseKernels& k);
void fill(PoolKernels& k);
void fill(RandomKernels& k);
void fill(ReduceKernels& k);
void fill(ShapeKernels& k);
void fill(SoftmaxKernels& k);
void fill(NormalizationKernels& k);
void fill(UpdateKernels& k);
void fill(WinogradKernels& k);
void fill_bf16(KernelTable& t);

void fill(KernelTable& t) {
  t.isa = FC_STRING(FASTCONV_ISA);
  t.width = kWidth;
  t.registers = kRegisters;
  fill(t.peak);
  fill(t.gather);
  fill(t.gemm);
  fill(t.depthwise);
  fill(t.pointwise);
  fill(t.pool);
  fill(t.random);
  fill(t.reduce);
  fill(t.shape);
  fill(t.softmax);
  fill(t.normalization);
  fill(t.update);
  fill(t.winograd);
  fill_bf16(t);
}

}  // namespace fastconv::FASTCONV_ISA

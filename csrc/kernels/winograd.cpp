#include "kernels/winograd_transforms.h"

namespace fastconv::FASTCONV_ISA {
namespace {

template <class T>
WinogradSet transforms() {
  return {
      T::kOutputs, T::kPoints * T::kPoints, weights<T>, weights_transposed<T>, input<T>, output<T>,
      gradient<T>, weights_gradient<T>};
}

}  // namespace

void fill_products(WinogradKernels& k);
void fill(WinogradKernels& k);
void fill(WinogradKernels& k) {
  k.width = kWidth;
  k.f2 = transforms<F2>();
  k.f4 = transforms<F4>();
  k.f5 = transforms<F5>();
  k.f6 = transforms<F6>();
  fill_products(k);
}

}  // namespace fastconv::FASTCONV_ISA

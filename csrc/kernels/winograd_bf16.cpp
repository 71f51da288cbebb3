// Transforms of F(4 x 4, 3 x 3) to bfloat16.
#include "kernels/bf16.h"
#include "kernels/winograd_transforms.h"

namespace fastconv::FASTCONV_ISA {
namespace {

// Neighbouring channels are pairs.
void input_halves(const WinogradShape& s, const float* x, index_t row, index_t rows,
                  const WinogradTiles& v) {
  auto* data = reinterpret_cast<Half*>(v.data);
  each_tile(s, row, rows, [&](index_t image, index_t ty, index_t tx, index_t tile) {
    input_channels<F4>(s, x, image, ty, tx, data + tile * L, v.tiles * L, 2 * v.plane);
  });
}

// Calls f(image, tile row, tile column, pointer to its half of a pair) for each tile.
template <class F>
FC_INLINE void each_half(const WinogradShape& s, index_t row, index_t rows, float* data, F f) {
  const index_t pairs = (s.tiles_x + 1) / 2;
  each_tile(s, row, rows, [&](index_t image, index_t ty, index_t tx, index_t tile) {
    float* out = data + (tile / s.tiles_x * pairs + tx / 2) * L;
    if (tx % 2 == 0)
      f(image, ty, tx, reinterpret_cast<Even*>(out));
    else
      f(image, ty, tx, reinterpret_cast<Odd*>(out));
  });
}

void input_pairs(const WinogradShape& s, const float* x, index_t row, index_t rows,
                 const WinogradTiles& v) {
  each_half(s, row, rows, v.data, [&](index_t image, index_t ty, index_t tx, auto* out) {
    input_channels<F4>(s, x, image, ty, tx, out, v.tiles * L, v.plane);
  });
}

void gradient_pairs(const WinogradShape& s, const float* dy, index_t row, index_t rows,
                    const WinogradTiles& z, float* bias) {
  each_half(s, row, rows, z.data, [&](index_t image, index_t ty, index_t tx, auto* out) {
    gradient_channels<F4>(s, dy, image, ty, tx, out, z.tiles * L, z.plane, bias);
  });
}

}  // namespace

void fill_winograd_bf16(Bf16Kernels& k);
void fill_winograd_bf16(Bf16Kernels& k) {
  k.winograd_f4 = {F4::kOutputs,      F4::kPoints * F4::kPoints,
                   weights<F4, true>, weights_transposed<F4, true>,
                   input_halves,      output<F4>,
                   gradient_pairs,    weights_gradient<F4>};
  k.winograd_f4_weight_grad = k.winograd_f4;
  k.winograd_f4_weight_grad.input = input_pairs;
}

}  // namespace fastconv::FASTCONV_ISA

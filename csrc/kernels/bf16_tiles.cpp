#include "kernels/tile.h"

namespace fastconv::FASTCONV_ISA {

void fill_bf16_tiles(GemmKernels& k);
void fill_bf16_tiles(GemmKernels& k) {
  fill_tiles<TileKind::pair_rows>(k, &TileSet::pair_rows);
  fill_tiles<TileKind::pair_columns>(k, &TileSet::pair_columns);
}

}  // namespace fastconv::FASTCONV_ISA

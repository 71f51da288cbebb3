#include "kernels/tile.h"

namespace fastconv::FASTCONV_ISA {

void fill_row_tiles(GemmKernels& k) { fill_tiles<TileKind::rows>(k, &TileSet::rows); }

}  // namespace fastconv::FASTCONV_ISA

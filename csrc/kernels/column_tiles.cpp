#include "kernels/tile.h"

namespace fastconv::FASTCONV_ISA {

void fill_column_tiles(GemmKernels& k) { fill_tiles<TileKind::columns>(k, &TileSet::columns); }

}  // namespace fastconv::FASTCONV_ISA

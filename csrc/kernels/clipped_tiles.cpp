#include "kernels/tile.h"

namespace fastconv::FASTCONV_ISA {

void fill_clipped_tiles(GemmKernels& k) { fill_tiles<TileKind::clipped>(k, &TileSet::clipped); }

}  // namespace fastconv::FASTCONV_ISA

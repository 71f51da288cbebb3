#include "ops/strided_copy.h"

#include <algorithm>
#include <type_traits>

#include "dispatch/dispatch.h"

namespace fastconv {

std::vector<std::int64_t> strides_of(const TensorDesc& t) {
  std::vector<std::int64_t> strides(t.shape.size());
  std::int64_t stride = 1;
  for (std::size_t d = t.shape.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= t.shape[d];
  }
  return strides;
}

StridedCopy::StridedCopy(DType dtype, const std::vector<Dim>& dims, std::int64_t in_offset,
                         std::int64_t out_offset)
    : element_(size_of(dtype)), in_offset_(in_offset), out_offset_(out_offset) {
  for (const Dim& dim : dims) {
    if (dim.size == 1 && !dim.batch) continue;
    if (!dims_.empty()) {
      Dim& outer = dims_.back();
      if (outer.in == dim.in * dim.size && outer.out == dim.out * dim.size) {
        outer = {outer.size * dim.size, dim.in, dim.out, outer.batch};
        continue;
      }
    }
    dims_.push_back(dim);
    if (dim.batch) dims_.back().size = 1;
  }
  while (dims_.size() < 2) dims_.insert(dims_.begin(), {1, 0, 0, false});
  // A dimension that is contiguous in the input, where the last one is not, goes next to it.
  if (dims_.back().in != 1) {
    const auto found =
        std::find_if(dims_.begin(), dims_.end() - 1, [](const Dim& dim) { return dim.in == 1; });
    if (found != dims_.end() - 1) std::rotate(found, found + 1, dims_.end() - 1);
  }
}

template <class T>
void StridedCopy::plane(const T* in, T* out, std::int64_t rows, std::int64_t columns) const {
  const Dim &r = dims_[dims_.size() - 2], &c = dims_.back();
  if constexpr (std::is_same_v<T, float>) {
    const ShapeKernels& k = kernels().shape;
    if (c.in == 1 && c.out == 1) return k.copy_rows(out, r.out, in, r.in, rows, columns);
    if (r.in == 1 && c.out == 1) return k.transpose(out, r.out, in, c.in, rows, columns);
  }
  for (std::int64_t i = 0; i < rows; ++i) {
    const T* from = in + i * r.in;
    T* to = out + i * r.out;
    if (c.in == 1 && c.out == 1)
      std::copy_n(from, columns, to);
    else if (c.in == 0 && c.out == 1)
      std::fill_n(to, columns, *from);
    else
      for (std::int64_t j = 0; j < columns; ++j) to[j * c.out] = from[j * c.in];
  }
}

void StridedCopy::run(const void* in, void* out, std::int64_t batch, const Threads& threads) const {
  constexpr std::int64_t kTask = 16384;
  const auto count = [&](const Dim& dim) { return dim.batch ? dim.size * batch : dim.size; };
  const std::size_t outer_dims = dims_.size() - 2;
  const Dim &row = dims_[outer_dims], &column = dims_[outer_dims + 1];
  const std::int64_t rows = count(row), columns = count(column);
  std::int64_t outer = 1;
  for (std::size_t d = 0; d < outer_dims; ++d) outer *= count(dims_[d]);
  if (outer * rows * columns == 0) return;

  const std::int64_t tile = std::min<std::int64_t>(columns, row.in == 1 ? 256 : 4096);
  const std::int64_t strip = std::min(rows, std::max<std::int64_t>(16, kTask / tile));
  const std::int64_t tiles = (columns + tile - 1) / tile, strips = (rows + strip - 1) / strip;
  // Small planes go several to a task.
  const std::int64_t planes =
      tiles * strips > 1 ? 1 : std::max<std::int64_t>(1, kTask / (rows * columns));
  const std::int64_t tasks = tiles * strips * ((outer + planes - 1) / planes);

  const auto body = [&]<class T>(const T* from, T* to) {
    const double work = static_cast<double>(outer * rows * columns) * 0.3;
    threads.parallel_for(tasks, work, [&](std::int64_t task, std::byte*) {
      const std::int64_t c = task % tiles * tile, r = task / tiles % strips * strip;
      const std::int64_t first = task / (tiles * strips) * planes;
      for (std::int64_t p = first; p < std::min(outer, first + planes); ++p) {
        std::int64_t index = p, i = in_offset_ + r * row.in + c * column.in;
        std::int64_t o = out_offset_ + r * row.out + c * column.out;
        for (std::size_t d = outer_dims; d-- > 0;) {
          const std::int64_t size = count(dims_[d]), at = index % size;
          index /= size;
          i += at * dims_[d].in;
          o += at * dims_[d].out;
        }
        plane(from + i, to + o, std::min(strip, rows - r), std::min(tile, columns - c));
      }
    });
  };
  switch (element_) {
    case 1:
      return body(static_cast<const std::uint8_t*>(in), static_cast<std::uint8_t*>(out));
    case 4:
      return body(static_cast<const float*>(in), static_cast<float*>(out));
    default:
      return body(static_cast<const std::uint64_t*>(in), static_cast<std::uint64_t*>(out));
  }
}

}  // namespace fastconv

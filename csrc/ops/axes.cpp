#include "ops/axes.h"

#include <algorithm>

#include "ops/check.h"

namespace fastconv {

std::vector<std::int64_t> normalized(std::vector<std::int64_t> axes, const TensorDesc& x,
                                     std::string_view op) {
  for (std::int64_t& axis : axes) {
    if (axis < -x.rank() || axis >= x.rank())
      throw std::invalid_argument(std::string(op) + ": axis " + std::to_string(axis) +
                                  " of a tensor of rank " + std::to_string(x.rank()));
    if (axis < 0) axis += x.rank();
  }
  return axes;
}

Loops::Loops(const TensorDesc& x, const std::vector<std::int64_t>& axes) {
  std::int64_t stride = 1;
  for (std::int64_t d = x.rank() - 1; d >= 0; --d) {
    const bool reduced = std::ranges::count(axes, d) > 0, batch = d == 0 && x.batched;
    const std::int64_t size = batch ? 1 : x.shape[static_cast<std::size_t>(d)];
    if (size == 1 && !batch) continue;
    if (!loops.empty() && loops.back().reduced == reduced) {
      loops.back().size *= size;
      loops.back().batch = batch;
    } else {
      loops.push_back({size, batch, reduced, stride});
    }
    stride *= size;
  }
  std::ranges::reverse(loops);
}

std::int64_t Loops::product(std::int64_t rows, bool reduced) const {
  std::int64_t count = 1;
  for (const Loop& loop : loops)
    if (loop.reduced == reduced) count *= loop.count(rows);
  return count;
}

Walk::Walk(const Loops& all, std::size_t used, bool reduced) {
  for (std::size_t i = used; i-- > 0;)
    if (all.loops[i].reduced == reduced) loops_.push_back(all.loops[i]);
}

std::int64_t Walk::count(std::int64_t rows) const {
  std::int64_t product = 1;
  for (const Loop& loop : loops_) product *= loop.count(rows);
  return product;
}

void expect_elements(const OpSpec& spec, std::int64_t elements, bool batched) {
  const TensorDesc& out = spec.outputs[0];
  require(out.batched == batched && out.max_size() == elements, spec,
          "the output has " + std::to_string(out.max_size()) + " elements, expected " +
              std::to_string(elements));
}

}  // namespace fastconv

// The axes of a tensor as loops: what a reduction keeps, and what it takes together.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "ops/op.h"

namespace fastconv {

// Axes counted from the front. Throws std::invalid_argument if one is out of range.
std::vector<std::int64_t> normalized(std::vector<std::int64_t> axes, const TensorDesc& x,
                                     std::string_view op);

// Neighbouring axes that are both kept or both reduced are one loop.
struct Loop {
  std::int64_t size;  // without the batch
  bool batch, reduced;
  std::int64_t stride = 0;

  std::int64_t count(std::int64_t rows) const { return batch ? size * rows : size; }
};

struct Loops {
  Loops() = default;
  Loops(const TensorDesc& x, const std::vector<std::int64_t>& axes);

  // Elements of the reduced loops together, or of the others.
  std::int64_t product(std::int64_t rows, bool reduced) const;

  std::vector<Loop> loops;  // outermost first
};

// Where the i-th element of all kept, or of all reduced, among the first `used` loops lies.
class Walk {
 public:
  Walk() = default;
  Walk(const Loops& all, std::size_t used, bool reduced);

  std::int64_t offset(std::int64_t index) const {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      if (i + 1 == loops_.size()) return sum + index * loops_[i].stride;
      sum += index % loops_[i].size * loops_[i].stride;
      index /= loops_[i].size;
    }
    return sum;
  }
  std::int64_t count(std::int64_t rows) const;
  bool uniform() const { return loops_.size() <= 1; }
  // The innermost loop: its size if it is not the only one, and its steps.
  std::int64_t inner() const { return loops_[0].size; }
  std::int64_t stride() const { return loops_.empty() ? 0 : loops_[0].stride; }

 private:
  std::vector<Loop> loops_;  // innermost first
};

// Throws std::invalid_argument unless output 0 has so many elements at the largest batch.
void expect_elements(const OpSpec& spec, std::int64_t elements, bool batched);

// Made<T>(spec, args...) for the dtype of the input.
template <template <class> class Made, class... Args>
std::unique_ptr<Op> for_dtype(const OpSpec& spec, Args... args) {
  switch (spec.inputs[0].dtype) {
    case DType::f64:
      return std::make_unique<Made<double>>(spec, args...);
    case DType::i32:
      return std::make_unique<Made<std::int32_t>>(spec, args...);
    case DType::i64:
      return std::make_unique<Made<std::int64_t>>(spec, args...);
    case DType::u8:
    case DType::b8:
      return std::make_unique<Made<std::uint8_t>>(spec, args...);
    case DType::f32:
    case DType::bf16:  // in pointwise steps alone
      break;
  }
  return std::make_unique<Made<float>>(spec, args...);
}

}  // namespace fastconv

// Inputs of a tape: how they broadcast, and how they are loaded where no pointer will do.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/tape.h"

namespace fastconv {
namespace {

constexpr int kMaxRank = 12;

// As it is stored: the upper half of a float.
struct Bfloat16 {
  std::uint16_t bits;
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

template <class T>
void copy_run(float* out, const T* in, std::int64_t stride, std::int64_t count) {
  if (stride == 0)
    std::fill_n(out, count, static_cast<float>(*in));
  else
    for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i * stride]);
}

// Elements [index, index + count) of a strided operand, run by run of its innermost dimension.
template <class T>
void load_strided(float* out, const T* in, const TapeOperand& operand, std::int64_t index,
                  std::int64_t count) {
  const auto rank = static_cast<int>(operand.sizes.size());
  std::int64_t at[kMaxRank], offset = 0;
  for (int d = rank - 1; d > 0; --d) {
    at[d] = index % operand.sizes[d];
    index /= operand.sizes[d];
    offset += at[d] * operand.strides[d];
  }
  at[0] = index;
  offset += index * operand.strides[0];
  const int last = rank - 1;
  while (count > 0) {
    const std::int64_t run = last > 0 ? std::min(operand.sizes[last] - at[last], count) : count;
    copy_run(out, in + offset, operand.strides[last], run);
    out += run;
    count -= run;
    offset += run * operand.strides[last];
    at[last] += run;
    for (int d = last; d > 0 && at[d] == operand.sizes[d]; --d) {
      offset += operand.strides[d - 1] - operand.sizes[d] * operand.strides[d];
      at[d] = 0;
      ++at[d - 1];
    }
  }
}

}  // namespace

TapeOperand TapeOperand::of(const TensorDesc& input, const TensorDesc& output,
                            std::string_view op) {
  const auto fail = [&] {
    throw std::invalid_argument(std::string(op) + ": shape " + text_of(input) +
                                " does not broadcast to " + text_of(output));
  };
  if (input.rank() > output.rank() || output.rank() > kMaxRank) fail();
  if (input.batched && !(output.batched && input.rank() == output.rank())) fail();

  TapeOperand made;
  made.dtype = input.dtype;
  // From the innermost dimension: strides, and neighbours joined where one stride serves both.
  std::int64_t stride = 1;
  const std::int64_t offset = output.rank() - input.rank();
  for (std::int64_t d = output.rank() - 1; d >= 0; --d) {
    const std::int64_t size = output.shape[d], own = d < offset ? 1 : input.shape[d - offset];
    const bool batch = d == 0 && output.batched;
    const bool repeated = own == 1 && !(batch && d >= offset && input.batched);
    if (!repeated && own != size) fail();
    if (size == 1 && !batch) continue;
    const std::int64_t s = repeated ? 0 : stride;
    if (!made.sizes.empty() && s == made.strides.back() * made.sizes.back())
      made.sizes.back() *= size;
    else
      made.sizes.push_back(size), made.strides.push_back(s);
    stride *= own;
  }
  std::ranges::reverse(made.sizes);
  std::ranges::reverse(made.strides);

  const auto& s = made.strides;
  made.kind = Kind::strided;
  if (s.empty() || (s.size() == 1 && s[0] == 0)) made.kind = Kind::scalar;
  if (s.size() == 1 && s[0] == 1) made.kind = Kind::full;
  if (s.size() == 2) {
    made.period = made.sizes[1];
    if (s[0] == 0 && s[1] == 1) made.kind = Kind::row;
    if (s[0] == 1 && s[1] == 0) made.kind = Kind::column;
  }
  if (s.empty()) made.sizes = {1}, made.strides = {0};
  return made;
}

void TapeOperand::load(float* out, const void* in, std::int64_t index, std::int64_t count) const {
  const auto strided = [&]<class T>(const T* p) { load_strided(out, p, *this, index, count); };
  const bool full = kind == Kind::full;
  switch (dtype) {
    case DType::f32:
      return strided(static_cast<const float*>(in));
    case DType::i32: {
      const auto* p = static_cast<const std::int32_t*>(in);
      return full ? kernels().pointwise.from_i32(out, p + index, count) : strided(p);
    }
    case DType::i64:
      return strided(static_cast<const std::int64_t*>(in));
    case DType::f64:
      return strided(static_cast<const double*>(in));
    case DType::bf16:
      if (!full) return strided(static_cast<const Bfloat16*>(in));
      return kernels().pointwise.from_bf16(out, static_cast<const std::uint16_t*>(in) + index,
                                           count);
    case DType::u8:
    case DType::b8: {
      const auto* p = static_cast<const std::uint8_t*>(in);
      return full ? kernels().pointwise.from_u8(out, p + index, count) : strided(p);
    }
  }
}

}  // namespace fastconv

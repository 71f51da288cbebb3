// Ops that move elements and compute nothing.
#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/convert.h"
#include "ops/check.h"
#include "ops/registry.h"
#include "ops/strided_copy.h"

namespace fastconv {
namespace {

using Dim = StridedCopy::Dim;

void expect_output(const OpSpec& spec, const std::vector<std::int64_t>& shape, bool batched) {
  const TensorDesc& out = spec.outputs[0];
  if (out.shape != shape || out.batched != batched)
    fail(spec, "the output has shape " + text_of(out.shape) + ", expected " + text_of(shape));
}

void expect_one_dtype(const OpSpec& spec, const TensorDesc& x) {
  if (x.dtype != spec.outputs[0].dtype)
    fail(spec, std::string(name_of(x.dtype)) + " in, " +
                   std::string(name_of(spec.outputs[0].dtype)) + " out");
}

std::vector<std::int64_t> attr_of_rank(const OpSpec& spec, std::string_view key,
                                       std::int64_t rank) {
  std::vector<std::int64_t> values = spec.attrs.integers(key);
  if (static_cast<std::int64_t>(values.size()) != rank)
    fail(spec, std::string(key) + " has " + std::to_string(values.size()) + " entries, expected " +
                   std::to_string(rank));
  return values;
}

std::int64_t axis_of(const OpSpec& spec, std::int64_t axis, std::int64_t rank) {
  if (axis < -rank || axis >= rank)
    fail(spec, "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

// A contiguous copy, for values that only change their shape or their place.
class Copy final : public Op {
 public:
  explicit Copy(const OpSpec& spec) : output_(spec.outputs[0]) {
    const TensorDesc& input = spec.inputs[0];
    expect_one_dtype(spec, input);
    if (input.max_size() != output_.max_size() || input.batched != output_.batched)
      fail(spec, "shape " + text_of(input.shape) + " does not fill " + text_of(output_.shape));
  }
  void run(const RunContext& ctx) const override {
    constexpr std::int64_t kTaskBytes = 1 << 18;
    const auto bytes = output_.size(ctx.batch) * static_cast<std::int64_t>(size_of(output_.dtype));
    const auto* from = ctx.input<std::byte>(0);
    auto* to = ctx.output<std::byte>(0);
    if (from == to) return;
    ctx.threads.parallel_for((bytes + kTaskBytes - 1) / kTaskBytes,
                             static_cast<double>(bytes) * 0.05, [&](std::int64_t task, std::byte*) {
                               const std::int64_t begin = task * kTaskBytes;
                               std::memcpy(to + begin, from + begin,
                                           std::min(kTaskBytes, bytes - begin));
                             });
  }
  std::vector<std::pair<int, int>> inplace() const override { return {{0, 0}}; }

 private:
  TensorDesc output_;
};

// One or more strided copies into the output, each from an input of its own.
class Move final : public Op {
 public:
  explicit Move(std::vector<StridedCopy> copies) : copies_(std::move(copies)) {}

  void run(const RunContext& ctx) const override {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copies_[i].run(ctx.in[i], ctx.out[0], ctx.batch, ctx.threads);
  }

 private:
  std::vector<StridedCopy> copies_;
};

// A copy of the input, and one number around it and between its elements.
class Pad final : public Op {
 public:
  Pad(DType dtype, StridedCopy inside, std::vector<StridedCopy> outside, double value)
      : inside_(std::move(inside)), outside_(std::move(outside)) {
    const auto put = [&]<class T>(T number) { std::memcpy(value_.data(), &number, sizeof number); };
    switch (dtype) {
      case DType::f32:
        put(static_cast<float>(value));
        break;
      case DType::f64:
        put(value);
        break;
      case DType::i32:
        put(to_int(value));
        break;
      case DType::i64:
        put(static_cast<std::int64_t>(value));
        break;
      default:
        put(static_cast<std::uint8_t>(to_int(value)));
    }
  }

  void run(const RunContext& ctx) const override {
    for (const StridedCopy& part : outside_)
      part.run(value_.data(), ctx.out[0], ctx.batch, ctx.threads);
    inside_.run(ctx.in[0], ctx.out[0], ctx.batch, ctx.threads);
  }

 private:
  StridedCopy inside_;
  std::vector<StridedCopy> outside_;  // from one number
  alignas(8) std::array<std::byte, 8> value_{};
};

std::unique_ptr<Op> move(const OpSpec& spec, const std::vector<Dim>& dims,
                         std::int64_t in_offset = 0) {
  std::vector<StridedCopy> copies;
  copies.emplace_back(spec.outputs[0].dtype, dims, in_offset, 0);
  return std::make_unique<Move>(std::move(copies));
}

std::unique_ptr<Op> make_transpose(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  const TensorDesc& x = spec.inputs[0];
  expect_one_dtype(spec, x);
  const auto perm = attr_of_rank(spec, "perm", x.rank());
  const auto in = strides_of(x), out = strides_of(spec.outputs[0]);
  std::vector<std::int64_t> shape, seen(perm.size(), 0);
  std::vector<Dim> dims;
  for (std::size_t d = 0; d < perm.size(); ++d) {
    const auto p = static_cast<std::size_t>(axis_of(spec, perm[d], x.rank()));
    if (seen[p]++) fail(spec, "perm is not a permutation");
    if (x.batched && (p == 0) != (d == 0)) fail(spec, "the batch must stay the first axis");
    shape.push_back(x.shape[p]);
    dims.push_back({x.shape[p], in[p], out.empty() ? 0 : out[std::min(d, out.size() - 1)],
                    x.batched && p == 0});
  }
  expect_output(spec, shape, x.batched);
  return move(spec, dims);
}

std::unique_ptr<Op> make_slice(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  const TensorDesc& x = spec.inputs[0];
  expect_one_dtype(spec, x);
  const auto starts = attr_of_rank(spec, "starts", x.rank());
  const auto stops = attr_of_rank(spec, "stops", x.rank());
  const auto steps = attr_of_rank(spec, "steps", x.rank());
  std::vector<std::int64_t> shape;
  for (std::size_t d = 0; d < starts.size(); ++d) {
    if (d == 0 && x.batched) {
      if (starts[0] != 0 || steps[0] != 1 || stops[0] != -1) fail(spec, "the batch cannot be cut");
      shape.push_back(x.shape[0]);
      continue;
    }
    if (steps[d] < 1 || starts[d] < 0 || starts[d] > stops[d] || stops[d] > x.shape[d])
      fail(spec, std::to_string(starts[d]) + ":" + std::to_string(stops[d]) + ":" +
                     std::to_string(steps[d]) + " of axis " + std::to_string(d) + " of shape " +
                     text_of(x.shape));
    shape.push_back((stops[d] - starts[d] + steps[d] - 1) / steps[d]);
  }
  expect_output(spec, shape, x.batched);
  const auto in = strides_of(x), out = strides_of(spec.outputs[0]);
  std::vector<Dim> dims;
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    dims.push_back({shape[d], in[d] * steps[d], out[d], d == 0 && x.batched});
    offset += starts[d] * in[d];
  }
  return move(spec, dims, offset);
}

std::unique_ptr<Op> make_flip(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  const TensorDesc& x = spec.inputs[0];
  expect_one_dtype(spec, x);
  expect_output(spec, x.shape, x.batched);
  std::vector<bool> flipped(x.shape.size(), false);
  for (const std::int64_t axis : spec.attrs.integers("axes"))
    flipped[static_cast<std::size_t>(axis_of(spec, axis, x.rank()))] = true;
  if (x.batched && flipped[0]) fail(spec, "the batch cannot be flipped");
  const auto strides = strides_of(x);
  std::vector<Dim> dims;
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < strides.size(); ++d) {
    const std::int64_t stride = flipped[d] ? -strides[d] : strides[d];
    if (flipped[d]) offset += (x.shape[d] - 1) * strides[d];
    dims.push_back({x.shape[d], stride, strides[d], d == 0 && x.batched});
  }
  return move(spec, dims, offset);
}

std::unique_ptr<Op> make_broadcast_to(const OpSpec& spec) {
  if (spec.inputs.empty() || spec.inputs.size() > 2 || spec.outputs.size() != 1)
    fail(spec, "expected 1 or 2 inputs and 1 output");
  const TensorDesc &x = spec.inputs[0], &y = spec.outputs[0];
  expect_one_dtype(spec, x);
  const std::int64_t missing = y.rank() - x.rank();
  if (missing < 0 || (x.batched && (missing > 0 || !y.batched)))
    fail(spec, text_of(x.shape) + " does not broadcast to " + text_of(y.shape));
  const auto in = strides_of(x), out = strides_of(y);
  std::vector<Dim> dims;
  for (std::int64_t d = 0; d < y.rank(); ++d) {
    const bool batch = d == 0 && y.batched;
    const std::int64_t size = y.shape[d], own = d < missing ? 1 : x.shape[d - missing];
    const bool repeated = own == 1 && !(batch && missing == 0 && x.batched);
    if (!repeated && own != size)
      fail(spec, text_of(x.shape) + " does not broadcast to " + text_of(y.shape));
    dims.push_back({size, repeated ? 0 : in[d - missing], out[d], batch});
  }
  return move(spec, dims);
}

std::unique_ptr<Op> make_concatenate(const OpSpec& spec) {
  if (spec.inputs.empty() || spec.outputs.size() != 1)
    fail(spec, "expected at least 1 input, and 1 output");
  const TensorDesc& y = spec.outputs[0];
  const auto axis = static_cast<std::size_t>(axis_of(spec, spec.attrs.integer("axis"), y.rank()));
  if (axis == 0 && y.batched) fail(spec, "batches cannot be joined");
  const auto out = strides_of(y);
  std::vector<std::int64_t> shape = y.shape;
  shape[axis] = 0;
  std::vector<StridedCopy> copies;
  for (const TensorDesc& x : spec.inputs) {
    expect_one_dtype(spec, x);
    bool fits = x.rank() == y.rank() && x.batched == y.batched;
    for (std::size_t d = 0; fits && d < shape.size(); ++d)
      fits = d == axis || x.shape[d] == y.shape[d];
    if (!fits) fail(spec, "shape " + text_of(x.shape) + " does not join into " + text_of(y.shape));
    const auto in = strides_of(x);
    std::vector<Dim> dims;
    for (std::size_t d = 0; d < shape.size(); ++d)
      dims.push_back({x.shape[d], in[d], out[d], d == 0 && x.batched});
    copies.emplace_back(y.dtype, dims, 0, shape[axis] * out[axis]);
    shape[axis] += x.shape[axis];
  }
  expect_output(spec, shape, y.batched);
  return std::make_unique<Move>(std::move(copies));
}

// What lies before and after the input along each axis: within it along the axes before that one,
// all along those behind.
std::vector<StridedCopy> borders(const OpSpec& spec, const std::vector<std::int64_t>& shape,
                                 const std::vector<std::int64_t>& pads) {
  const TensorDesc& x = spec.inputs[0];
  const auto out = strides_of(spec.outputs[0]);
  std::vector<StridedCopy> parts;
  std::int64_t offset = 0;  // of the input along the axes before
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t before = pads[2 * axis], after = pads[2 * axis + 1];
    for (const auto& [start, width] :
         {std::pair{std::int64_t{0}, before}, std::pair{before + x.shape[axis], after}}) {
      if (width == 0) continue;
      std::vector<Dim> dims;
      for (std::size_t d = 0; d < shape.size(); ++d)
        dims.push_back({d < axis    ? x.shape[d]
                        : d == axis ? width
                                    : shape[d],
                        0, out[d], d == 0 && x.batched});
      parts.emplace_back(x.dtype, dims, 0, offset + start * out[axis]);
    }
    offset += before * out[axis];
  }
  return parts;
}

std::unique_ptr<Op> make_pad(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  const TensorDesc& x = spec.inputs[0];
  expect_one_dtype(spec, x);
  const auto pads = attr_of_rank(spec, "pads", 2 * x.rank());
  const auto interior = attr_of_rank(spec, "interior", x.rank());
  std::vector<std::int64_t> shape;
  for (std::size_t d = 0; d < interior.size(); ++d) {
    const std::int64_t before = pads[2 * d], after = pads[2 * d + 1];
    if (before < 0 || after < 0 || interior[d] < 0) fail(spec, "widths must not be negative");
    const bool batch = d == 0 && x.batched;
    if (batch && (before || after || interior[d])) fail(spec, "the batch cannot be padded");
    const std::int64_t size = x.shape[d];
    shape.push_back(before + size + after + std::max<std::int64_t>(size - 1, 0) * interior[d]);
  }
  expect_output(spec, shape, x.batched);
  const auto in = strides_of(x), out = strides_of(spec.outputs[0]);
  std::vector<Dim> dims;
  std::int64_t offset = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    dims.push_back({x.shape[d], in[d], out[d] * (interior[d] + 1), d == 0 && x.batched});
    offset += pads[2 * d] * out[d];
  }
  std::vector<StridedCopy> outside;
  if (std::ranges::any_of(interior, [](std::int64_t gap) { return gap > 0; })) {
    std::vector<Dim> all;
    for (std::size_t d = 0; d < shape.size(); ++d)
      all.push_back({shape[d], 0, out[d], d == 0 && x.batched});
    outside.emplace_back(x.dtype, all, 0, 0);
  } else {
    outside = borders(spec, shape, pads);
  }
  return std::make_unique<Pad>(x.dtype, StridedCopy(x.dtype, dims, 0, offset), std::move(outside),
                               spec.attrs.real("value", 0.0));
}

std::unique_ptr<Op> make_copy(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  return std::make_unique<Copy>(spec);
}

}  // namespace

void register_shape(Registry& r) {
  r.add("copy", make_copy);
  r.add("reshape", make_copy);
  r.add("transpose", make_transpose);
  r.add("slice", make_slice);
  r.add("flip", make_flip);
  r.add("broadcast_to", make_broadcast_to);
  r.add("concatenate", make_concatenate);
  r.add("pad", make_pad);
}

}  // namespace fastconv

// Ops that look up by index: take, its transpose scatter_add, one_hot.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// Whole numbers of any dtype.
class Indices {
 public:
  Indices() = default;
  Indices(const OpSpec& spec, const TensorDesc& t) : desc(t) {
    if (t.dtype == DType::f32 || t.dtype == DType::f64 || t.dtype == DType::b8)
      fail(spec, "indices must be integers, got " + std::string(name_of(t.dtype)));
  }
  std::int64_t exact(const void* p, std::int64_t i) const {
    switch (desc.dtype) {
      case DType::u8:
        return static_cast<const std::uint8_t*>(p)[i];
      case DType::i64:
        return static_cast<const std::int64_t*>(p)[i];
      default:
        return static_cast<const std::int32_t*>(p)[i];
    }
  }
  // The i-th index into n elements, counted from the end if negative; -1 if out of range.
  std::int64_t at(const void* p, std::int64_t i, std::int64_t n) const {
    const std::int64_t index = exact(p, i), position = index < 0 ? index + n : index;
    return position >= 0 && position < n ? position : -1;
  }

  TensorDesc desc;
};

// A tensor as (outer, n, inner) about the axis that is indexed, `picked` the other side of it as
// (outer, indices, inner). With batch_dims 1 each row of the first axis has indices of its own.
struct Lookup {
  TensorDesc whole, picked;
  Indices indices;
  std::int64_t axis, n, inner = 1;
  bool own;  // indices for each row

  Lookup(const OpSpec& spec, const TensorDesc& whole, const TensorDesc& picked,
         const TensorDesc& index_desc)
      : whole(whole), picked(picked), indices(spec, index_desc) {
    axis = spec.attrs.integer("axis");
    if (axis < -whole.rank() || axis >= whole.rank())
      fail(spec,
           "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(whole.rank()));
    if (axis < 0) axis += whole.rank();
    const std::int64_t batch_dims = spec.attrs.integer("batch_dims", 0);
    own = batch_dims == 1;
    if (batch_dims < 0 || batch_dims > 1 || (own && axis != 1))
      fail(spec, "batch_dims must be 0, or 1 with axis 1");
    if (own && (index_desc.rank() < 1 || index_desc.shape[0] != whole.shape[0] ||
                index_desc.batched != whole.batched))
      fail(spec, "each row needs indices of its own");
    const bool whole_batched = whole.batched && axis > 0;
    const bool index_batched = index_desc.batched && (axis == 0 || own);
    if ((whole.batched && !whole_batched) || (index_desc.batched && !index_batched))
      fail(spec, "the batch must stay the first axis");
    std::vector<std::int64_t> shape(whole.shape.begin(), whole.shape.begin() + axis);
    shape.insert(shape.end(), index_desc.shape.begin() + (own ? 1 : 0), index_desc.shape.end());
    shape.insert(shape.end(), whole.shape.begin() + axis + 1, whole.shape.end());
    if (picked.shape != shape || picked.batched != (whole_batched || index_batched) ||
        picked.dtype != whole.dtype)
      fail(spec, "the shapes do not agree");
    n = whole.shape[static_cast<std::size_t>(axis)];
    for (std::int64_t d = axis + 1; d < whole.rank(); ++d)
      inner *= whole.shape[static_cast<std::size_t>(d)];
  }
  std::int64_t outer(std::int64_t batch) const {
    std::int64_t count = 1;
    for (std::int64_t d = 0; d < axis; ++d) count *= whole.dim(d, batch);
    return count;
  }
  // Indices for one part of `outer`.
  std::int64_t count(std::int64_t batch) const {
    const std::int64_t all = indices.desc.size(batch);
    return own ? all / std::max<std::int64_t>(indices.desc.dim(0, batch), 1) : all;
  }
};

// An index out of range gives NaN, or 0 of a dtype that has none.
class Take final : public Op {
 public:
  explicit Take(const OpSpec& spec) : l_(spec, spec.inputs[0], spec.outputs[0], spec.inputs[1]) {}

  void run(const RunContext& ctx) const override {
    switch (size_of(l_.whole.dtype)) {
      case 1:
        return copy<std::uint8_t>(ctx);
      case 4:
        return l_.whole.dtype == DType::f32 ? copy<float>(ctx) : copy<std::int32_t>(ctx);
      default:
        return l_.whole.dtype == DType::f64 ? copy<double>(ctx) : copy<std::int64_t>(ctx);
    }
  }

 private:
  template <class T>
  void copy(const RunContext& ctx) const {
    const std::int64_t count = l_.count(ctx.batch), inner = l_.inner;
    const std::int64_t rows = l_.outer(ctx.batch) * count;
    const std::int64_t group = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(inner, 1));
    const T nothing = std::is_floating_point_v<T> ? std::numeric_limits<T>::quiet_NaN() : T{};
    const T* x = ctx.input<T>(0);
    T* y = ctx.output<T>(0);
    ctx.threads.parallel_for(
        (rows + group - 1) / group, static_cast<double>(rows * (inner + 10)) * 0.2,
        [&](std::int64_t task, std::byte*) {
          for (std::int64_t r = task * group; r < std::min(rows, (task + 1) * group); ++r) {
            const std::int64_t i = l_.indices.at(ctx.in[1], l_.own ? r : r % count, l_.n);
            if (i < 0)
              std::fill_n(y + r * inner, inner, nothing);
            else
              std::copy_n(x + (r / count * l_.n + i) * inner, inner, y + r * inner);
          }
        });
  }

  Lookup l_;
};

// Each task owns a range of the result's rows and takes the updates for them in order, so that
// sums do not depend on the threads. An index out of range is left out.
class ScatterAdd final : public Op {
 public:
  explicit ScatterAdd(const OpSpec& spec)
      : l_(spec, spec.outputs[0], spec.inputs[0], spec.inputs[1]) {
    if (l_.whole.dtype != DType::f32 && l_.whole.dtype != DType::i32)
      fail(spec, "updates must be float32 or int32, got " + std::string(name_of(l_.whole.dtype)));
  }

  void run(const RunContext& ctx) const override {
    if (l_.whole.dtype == DType::f32)
      add(ctx, kernels().gemm.add);
    else
      add<std::int32_t>(ctx, [](std::int32_t* out, const std::int32_t* in, std::int64_t n) {
        for (std::int64_t i = 0; i < n; ++i) out[i] += in[i];
      });
  }
  double flops(std::int64_t batch) const override {
    return static_cast<double>(l_.picked.size(batch));
  }

 private:
  template <class T>
  void add(const RunContext& ctx, void (*add_row)(T*, const T*, std::ptrdiff_t)) const {
    const std::int64_t count = l_.count(ctx.batch), inner = l_.inner, n = l_.n;
    const std::int64_t outer = l_.outer(ctx.batch);
    const std::int64_t ranges = outer * inner * n < 65536 ? 1 : std::clamp<std::int64_t>(n, 1, 16);
    const T* updates = ctx.input<T>(0);
    T* out = ctx.output<T>(0);
    const double work =
        static_cast<double>(outer) * static_cast<double>((count + n) * inner + count) * 0.2;
    ctx.threads.parallel_for(outer * ranges, work, [&](std::int64_t task, std::byte*) {
      const std::int64_t o = task / ranges, range = task % ranges;
      const std::int64_t begin = n * range / ranges, end = n * (range + 1) / ranges;
      T* rows = out + o * n * inner;
      std::fill_n(rows + begin * inner, (end - begin) * inner, T{});
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int64_t row = l_.indices.at(ctx.in[1], l_.own ? o * count + i : i, n);
        if (row >= begin && row < end)
          add_row(rows + row * inner, updates + (o * count + i) * inner, inner);
      }
    });
  }

  Lookup l_;
};

// An index outside [0, depth) gives a row of zeros.
class OneHot final : public Op {
 public:
  explicit OneHot(const OpSpec& spec) : indices_(spec, spec.inputs[0]) {
    depth_ = spec.attrs.integer("depth");
    const TensorDesc& y = spec.outputs[0];
    std::vector<std::int64_t> shape = indices_.desc.shape;
    shape.push_back(depth_);
    if (depth_ < 1 || y.shape != shape || y.batched != indices_.desc.batched ||
        y.dtype != DType::f32)
      fail(spec, "the output must be float32, the indices' shape with " + std::to_string(depth_) +
                     " more");
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t rows = indices_.desc.size(ctx.batch);
    const std::int64_t group = std::max<std::int64_t>(1, 16384 / depth_);
    float* y = ctx.output(0);
    ctx.threads.parallel_for((rows + group - 1) / group, static_cast<double>(rows * depth_) * 0.1,
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t begin = task * group,
                                                  end = std::min(rows, begin + group);
                               std::fill_n(y + begin * depth_, (end - begin) * depth_, 0.0f);
                               for (std::int64_t r = begin; r < end; ++r) {
                                 const std::int64_t i = indices_.exact(ctx.in[0], r);
                                 if (i >= 0 && i < depth_) y[r * depth_ + i] = 1.0f;
                               }
                             });
  }

 private:
  Indices indices_;
  std::int64_t depth_;
};

template <class Made, std::size_t Inputs>
std::unique_ptr<Op> make(const OpSpec& spec) {
  require_counts(spec, Inputs, 1);
  return std::make_unique<Made>(spec);
}

}  // namespace

void register_indexing(Registry& r) {
  r.add("take", make<Take, 2>);
  r.add("scatter_add", make<ScatterAdd, 2>);
  r.add("one_hot", make<OneHot, 1>);
}

}  // namespace fastconv

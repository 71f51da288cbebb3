// Softmax over the last axis, and cross-entropy from logits.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

void expect_float(const OpSpec& spec, const TensorDesc& t) {
  if (t.dtype != DType::f32)
    fail(spec, "tensors must be float32, got " + std::string(name_of(t.dtype)));
}

// `t` is of the shape of `rows`, or of its shape without the last axis.
void expect_like(const OpSpec& spec, const TensorDesc& t, const TensorDesc& rows,
                 bool without_last) {
  std::vector<std::int64_t> expected = rows.shape;
  if (without_last) expected.pop_back();
  const bool batched = rows.batched && !expected.empty();
  if (t.shape != expected || t.batched != batched) fail(spec, "the shapes do not agree");
}

// Rows of the last axis, shared out some at a time.
class RowOp : public Op {
 public:
  RowOp(const OpSpec& spec, const TensorDesc& rows, double nanoseconds)
      : rows_(rows), nanoseconds_(nanoseconds) {
    if (rows.rank() < 1) fail(spec, "a tensor of rank 0 has no last axis");
    length_ = rows.shape.back();
    if (length_ == 0) fail(spec, "the last axis is empty");
    if (rows.rank() == 1 && rows.batched) fail(spec, "the last axis is the batch");
    for (const TensorDesc& t : spec.outputs) expect_float(spec, t);
  }
  double flops(std::int64_t batch) const override {
    return 5 * static_cast<double>(rows_.size(batch));
  }

 protected:
  template <class F>
  void each_row(const RunContext& ctx, const F& body) const {
    constexpr std::int64_t kTaskElements = 8192;
    const std::int64_t size = rows_.size(ctx.batch), count = size / length_;
    const std::int64_t group = std::max<std::int64_t>(1, kTaskElements / length_);
    ctx.threads.parallel_for((count + group - 1) / group, static_cast<double>(size) * nanoseconds_,
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t end = std::min(count, (task + 1) * group);
                               for (std::int64_t r = task * group; r < end; ++r) body(r);
                             });
  }

  TensorDesc rows_;
  double nanoseconds_;
  std::int64_t length_ = 0;
};

class Softmax final : public RowOp {
 public:
  Softmax(const OpSpec& spec, bool log) : RowOp(spec, spec.inputs[0], 0.5), log_(log) {
    expect_float(spec, spec.inputs[0]);
    expect_like(spec, spec.outputs[0], rows_, false);
  }
  void run(const RunContext& ctx) const override {
    const auto kernel = log_ ? kernels().softmax.log_softmax : kernels().softmax.softmax;
    each_row(ctx, [&](std::int64_t r) {
      kernel(ctx.output(0) + r * length_, ctx.input(0) + r * length_, length_);
    });
  }
  std::vector<std::pair<int, int>> inplace() const override { return {{0, 0}}; }

 private:
  bool log_;
};

// (dy, y) -> dx
class SoftmaxGrad final : public RowOp {
 public:
  SoftmaxGrad(const OpSpec& spec, bool log) : RowOp(spec, spec.inputs[0], 0.3), log_(log) {
    for (const TensorDesc& t : spec.inputs) {
      expect_float(spec, t);
      expect_like(spec, t, rows_, false);
    }
    expect_like(spec, spec.outputs[0], rows_, false);
  }
  void run(const RunContext& ctx) const override {
    const auto kernel = log_ ? kernels().softmax.log_softmax_grad : kernels().softmax.softmax_grad;
    each_row(ctx, [&](std::int64_t r) {
      const std::int64_t at = r * length_;
      kernel(ctx.output(0) + at, ctx.input(0) + at, ctx.input(1) + at, length_);
    });
  }
  std::vector<std::pair<int, int>> inplace() const override { return {{0, 0}, {0, 1}}; }

 private:
  bool log_;
};

// (logits, targets) -> loss, probabilities
class CrossEntropy final : public RowOp {
 public:
  CrossEntropy(const OpSpec& spec, bool sparse)
      : RowOp(spec, spec.inputs[0], 0.7), sparse_(sparse) {
    expect_float(spec, spec.inputs[0]);
    expect_like(spec, spec.inputs[1], rows_, sparse);
    if (!sparse) expect_float(spec, spec.inputs[1]);
    if (sparse && spec.inputs[1].dtype != DType::i32)
      fail(spec, "labels must be int32, got " + std::string(name_of(spec.inputs[1].dtype)));
    expect_like(spec, spec.outputs[0], rows_, true);
    expect_like(spec, spec.outputs[1], rows_, false);
  }
  void run(const RunContext& ctx) const override {
    const SoftmaxKernels& k = kernels().softmax;
    const float* logits = ctx.input(0);
    float *loss = ctx.output(0), *probabilities = ctx.output(1);
    each_row(ctx, [&](std::int64_t r) {
      const std::int64_t at = r * length_;
      loss[r] = sparse_
                    ? k.sparse_cross_entropy(probabilities + at, logits + at,
                                             ctx.input<std::int32_t>(1)[r], length_)
                    : k.cross_entropy(probabilities + at, logits + at, ctx.input(1) + at, length_);
    });
  }
  std::vector<std::pair<int, int>> inplace() const override {
    if (!sparse_) return {};  // the logits are read again once the probabilities are there
    return {{1, 0}};
  }

 private:
  bool sparse_;
};

// (dloss, probabilities, labels) -> dlogits
class SparseCrossEntropyGrad final : public RowOp {
 public:
  explicit SparseCrossEntropyGrad(const OpSpec& spec) : RowOp(spec, spec.inputs[1], 0.2) {
    expect_float(spec, spec.inputs[0]);
    expect_float(spec, spec.inputs[1]);
    expect_like(spec, spec.inputs[0], rows_, true);
    expect_like(spec, spec.inputs[2], rows_, true);
    expect_like(spec, spec.outputs[0], rows_, false);
    if (spec.inputs[2].dtype != DType::i32)
      fail(spec, "labels must be int32, got " + std::string(name_of(spec.inputs[2].dtype)));
  }
  void run(const RunContext& ctx) const override {
    each_row(ctx, [&](std::int64_t r) {
      const std::int64_t at = r * length_;
      kernels().softmax.sparse_cross_entropy_grad(ctx.output(0) + at, ctx.input(1) + at,
                                                  ctx.input<std::int32_t>(2)[r], ctx.input(0)[r],
                                                  length_);
    });
  }
  std::vector<std::pair<int, int>> inplace() const override { return {{0, 1}}; }
};

template <bool Log>
std::unique_ptr<Op> make_softmax(const OpSpec& spec) {
  require_counts(spec, 1, 1);
  return std::make_unique<Softmax>(spec, Log);
}
template <bool Log>
std::unique_ptr<Op> make_softmax_grad(const OpSpec& spec) {
  require_counts(spec, 2, 1);
  return std::make_unique<SoftmaxGrad>(spec, Log);
}
template <bool Sparse>
std::unique_ptr<Op> make_cross_entropy(const OpSpec& spec) {
  require_counts(spec, 2, 2);
  return std::make_unique<CrossEntropy>(spec, Sparse);
}

}  // namespace

void register_softmax(Registry& r) {
  r.add("softmax", make_softmax<false>);
  r.add("log_softmax", make_softmax<true>);
  r.add("softmax_grad", make_softmax_grad<false>);
  r.add("log_softmax_grad", make_softmax_grad<true>);
  r.add("softmax_cross_entropy", make_cross_entropy<false>);
  r.add("sparse_softmax_cross_entropy", make_cross_entropy<true>);
  r.add("sparse_softmax_cross_entropy_grad", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_counts(spec, 3, 1);
    return std::make_unique<SparseCrossEntropyGrad>(spec);
  });
}

}  // namespace fastconv

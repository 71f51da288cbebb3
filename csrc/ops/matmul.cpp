// Products of matrices and of stacks of matrices.
#include <algorithm>

#include "ops/check.h"
#include "ops/fused.h"
#include "ops/gemm.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// c (..., m, n) = op(a) op(b); the dimensions before the last two broadcast as in NumPy.
class Matmul final : public Op {
 public:
  explicit Matmul(const OpSpec& spec)
      : a_(spec.inputs[0]),
        b_(spec.inputs[1]),
        c_(spec.outputs[0]),
        transpose_a_(spec.attrs.integer("transpose_a", 0) != 0),
        transpose_b_(spec.attrs.integer("transpose_b", 0) != 0) {
    require(a_.rank() >= 2 && b_.rank() >= 2, spec,
            "matrices need at least 2 dimensions, got " + text_of(a_) + " and " + text_of(b_));
    require(c_.rank() == std::max(a_.rank(), b_.rank()) && leading_fits(a_) && leading_fits(b_) &&
                rows(a_, transpose_a_) == c_.shape.end()[-2] &&
                columns(b_, transpose_b_) == c_.shape.back() &&
                columns(a_, transpose_a_) == rows(b_, transpose_b_),
            spec,
            "the product of " + text_of(a_) + (transpose_a_ ? "^T" : "") + " and " + text_of(b_) +
                (transpose_b_ ? "^T" : "") + " is not " + text_of(c_));
    require(!(b_.batched && b_.rank() == 2 && transpose_b_), spec,
            "the batch cannot be the last dimension of the result");
    flat_ = b_.rank() == 2 && !b_.batched && !transpose_a_;
    gemm_ = Gemm(c_.shape.back(), transpose_a_, transpose_b_);
    epilogue_ = FusedEpilogue(spec, 2, c_);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t stacked = stack(ctx.batch), products = flat_ ? 1 : stacked;
    const std::int64_t m = c_.dim(-2, ctx.batch) * (flat_ ? stacked : 1);
    const std::int64_t n = c_.dim(-1, ctx.batch);
    const std::int64_t k = a_.dim(transpose_a_ ? -2 : -1, ctx.batch);
    const Gemm::Cut cut = gemm_.cut(m, k);
    const double tape = epilogue_.tape.empty() ? 0 : epilogue_.tape.cost();
    const double work = static_cast<double>(products) *
                        (gemm_.nanoseconds(m, k) + tape * static_cast<double>(m * n));
    const float* mask = epilogue_.mask_of(ctx);
    ctx.threads.parallel_for(
        products * cut.tasks(), work, [&](std::int64_t task, std::byte* workspace) {
          const std::int64_t product = task / cut.tasks(), i = task % cut.tasks();
          const GemmOperands g{.a = ctx.input(0) + matrix(a_, product, ctx.batch),
                               .a_stride = a_.dim(-1, ctx.batch),
                               .b = ctx.input(1) + matrix(b_, product, ctx.batch),
                               .b_stride = b_.dim(-1, ctx.batch),
                               .c = ctx.output(0) + product * m * n,
                               .c_stride = n,
                               .relu = epilogue_.relu,
                               .mask = mask == nullptr ? nullptr : mask + product * m * n,
                               .packed_b = reinterpret_cast<const float*>(ctx.packed)};
          gemm_.run(g, m, k, cut, i, workspace);
          const Gemm::Block b = gemm_.block(m, cut, i);
          epilogue_.run(ctx, ctx.output(0), n, product * m + b.rows.begin, b.rows.size(),
                        b.columns.begin, b.columns.size());
        });
  }
  std::size_t thread_scratch_bytes() const override {
    return gemm_.workspace_bytes(columns(a_, transpose_a_));
  }
  std::size_t packed_bytes() const override {
    return b_.rank() == 2 && !b_.batched ? gemm_.packed_bytes(rows(b_, transpose_b_)) : 0;
  }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    gemm_.pack(ctx.input(1), b_.shape.back(), rows(b_, transpose_b_), ctx.threads,
               reinterpret_cast<float*>(packed));
  }
  double flops(std::int64_t batch) const override {
    return static_cast<double>(stack(batch)) *
           gemm_.flops(c_.dim(-2, batch), a_.dim(transpose_a_ ? -2 : -1, batch));
  }

 private:
  static std::int64_t rows(const TensorDesc& t, bool transpose) {
    return t.shape.end()[transpose ? -1 : -2];
  }
  static std::int64_t columns(const TensorDesc& t, bool transpose) {
    return t.shape.end()[transpose ? -2 : -1];
  }
  bool leading_fits(const TensorDesc& t) const {
    const auto missing = static_cast<std::size_t>(c_.rank() - t.rank());
    for (std::size_t i = 0; i + 2 < t.shape.size(); ++i)
      if (t.shape[i] != 1 && t.shape[i] != c_.shape[i + missing]) return false;
    return true;
  }
  std::int64_t stack(std::int64_t batch) const {
    std::int64_t products = 1;
    for (std::int64_t i = 0; i + 2 < c_.rank(); ++i) products *= c_.dim(i, batch);
    return products;
  }
  // Where the matrix of product `product` starts in t.
  std::int64_t matrix(const TensorDesc& t, std::int64_t product, std::int64_t batch) const {
    std::int64_t offset = 0, stride = t.dim(-1, batch) * t.dim(-2, batch);
    const std::int64_t missing = c_.rank() - t.rank();
    for (std::int64_t i = c_.rank() - 3; i >= missing; --i) {
      const std::int64_t size = c_.dim(i, batch), index = product % size;
      product /= size;
      const std::int64_t own = t.dim(i - missing, batch);
      if (own == 1) continue;
      offset += index * stride;
      stride *= own;
    }
    return offset;
  }

  TensorDesc a_, b_, c_;
  bool transpose_a_, transpose_b_;
  bool flat_ = false;  // one matrix for all products: one product of all rows
  Gemm gemm_;
  FusedEpilogue epilogue_;
};

}  // namespace

void register_matmul(Registry& r) {
  r.add("matmul", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, 2, 1);
    return std::make_unique<Matmul>(spec);
  });
}

}  // namespace fastconv

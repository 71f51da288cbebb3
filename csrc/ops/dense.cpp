// Dense layers: y = x w + bias, and the gradients of x, w and bias.
#include <algorithm>
#include <memory>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/fused.h"
#include "ops/gemm.h"
#include "ops/inner_product.h"
#include "ops/partial_gradients.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// All dimensions but the last, in a run of `batch` rows.
std::int64_t rows_of(const TensorDesc& t, std::int64_t batch) {
  std::int64_t rows = 1;
  for (std::int64_t i = 0; i + 1 < t.rank(); ++i) rows *= t.dim(i, batch);
  return rows;
}

std::vector<std::int64_t> with_last(std::vector<std::int64_t> shape, std::int64_t last) {
  shape.back() = last;
  return shape;
}

// y (..., N) = x (..., K) w (K, N), and as the gradient of x: dx (..., K) = dy (..., N) w^T.
class Dense final : public Op {
 public:
  Dense(const OpSpec& spec, bool transpose) : x_(spec.inputs[0]) {
    const TensorDesc &w = spec.inputs[1], &y = spec.outputs[0];
    const bool bias = spec.attrs.integer("bias", 0) != 0;
    const std::size_t own = bias ? 3 : 2;
    require(x_.rank() >= 2, spec,
            "the input must have at least 2 dimensions, got shape " + text_of(x_));
    require(w.rank() == 2 && !w.batched, spec, "weights must be (K, N), got " + text_of(w));
    k_ = w.shape[transpose ? 1 : 0];
    n_ = w.shape[transpose ? 0 : 1];
    require(
        x_.shape.back() == k_, spec,
        "the input's last dimension must be " + std::to_string(k_) + ", got shape " + text_of(x_));
    require(y.shape == with_last(x_.shape, n_) && y.batched == x_.batched, spec,
            "the result of " + text_of(x_) + " and " + text_of(w) + " is not " + text_of(y));
    if (bias)
      require(has_shape(spec.inputs[2], {n_}), spec,
              "bias must be (" + std::to_string(n_) + ",), got " + text_of(spec.inputs[2]));
    bias_ = bias;
    w_stride_ = w.shape[1];
    epilogue_ = FusedEpilogue(spec, static_cast<int>(own), y);
    if (spec.fixed_weights && !transpose && !in_bf16(spec) && epilogue_.mask < 0 &&
        InnerProduct::wins(k_, n_))
      product_ = std::make_unique<InnerProduct>(n_);
    else
      product_ = std::make_unique<Gemm>(n_, false, transpose, in_bf16(spec));
    packs_first_ = !spec.fixed_weights && rows_of(x_, x_.shape[0]) > Gemm::kRows;
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t m = rows_of(x_, ctx.batch);
    const std::byte* packed = ctx.packed;
    if (packed == nullptr && m > Gemm::kRows) {  // every block of rows reads all of w
      pack(ctx, ctx.scratch);
      packed = ctx.scratch;
    }
    const GemmOperands g{.a = ctx.input(0),
                         .a_stride = k_,
                         .b = ctx.input(1),
                         .b_stride = w_stride_,
                         .c = ctx.output(0),
                         .c_stride = n_,
                         .bias = bias_ ? ctx.input(2) : nullptr,
                         .relu = epilogue_.relu,
                         .mask = epilogue_.mask_of(ctx),
                         .packed_b = reinterpret_cast<const float*>(packed)};
    const Product::Cut cut = product_->cut(m, k_);
    const double tape = epilogue_.tape.empty() ? 0 : epilogue_.tape.cost();
    const double work = product_->nanoseconds(m, k_) + tape * static_cast<double>(m * n_);
    ctx.threads.parallel_for(cut.tasks(), work, [&](std::int64_t task, std::byte* workspace) {
      product_->run(g, m, k_, cut, task, workspace);
      const Product::Block b = product_->block(m, cut, task);
      epilogue_.run(ctx, g.c, n_, b.rows.begin, b.rows.size(), b.columns.begin, b.columns.size());
    });
  }
  std::size_t scratch_bytes() const override { return packs_first_ ? packed_bytes() : 0; }
  std::size_t thread_scratch_bytes() const override { return product_->workspace_bytes(k_); }
  std::size_t packed_bytes() const override { return product_->packed_bytes(k_); }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    product_->pack(ctx.input(1), w_stride_, k_, ctx.threads, reinterpret_cast<float*>(packed));
  }
  double flops(std::int64_t batch) const override {
    return product_->flops(rows_of(x_, batch), k_);
  }
  std::string algorithm() const override { return product_->algorithm(); }

 private:
  TensorDesc x_;
  std::int64_t n_, k_, w_stride_;
  bool bias_, packs_first_;
  std::unique_ptr<const Product> product_;
  FusedEpilogue epilogue_;
};

// dw (K, N) = x^T dy over all rows, and db (N) = the sums of dy's columns. Many rows and few
// weights are cut into chunks of rows, each with sums of its own, added up in order.
class DenseWeightGrad final : public Op {
 public:
  explicit DenseWeightGrad(const OpSpec& spec) : x_(spec.inputs[0]) {
    const TensorDesc &dy = spec.inputs[1], &dw = spec.outputs[0];
    const bool bias = spec.attrs.integer("bias", 0) != 0;
    require(x_.rank() >= 2 && dy.rank() == x_.rank() &&
                with_last(x_.shape, 1) == with_last(dy.shape, 1) && dy.batched == x_.batched,
            spec,
            "x and dy must agree in all dimensions but the last, got " + text_of(x_) + " and " +
                text_of(dy));
    k_ = x_.shape.back();
    n_ = dy.shape.back();
    require(k_ > 0, spec, "x has no features");
    require(has_shape(dw, {k_, n_}), spec,
            "the result of " + text_of(x_) + " and " + text_of(dy) + " is not " + text_of(dw));
    if (bias)
      require(has_shape(spec.outputs[1], {n_}), spec,
              "the bias gradient must be (" + std::to_string(n_) + ",), got " +
                  text_of(spec.outputs[1]));
    gemm_ = Gemm(n_, true, false, in_bf16(spec));
    max_rows_ = rows_of(x_, x_.shape[0]);
    sums_ = PartialGradients(k_ * n_, bias ? n_ : 0);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t rows = rows_of(x_, ctx.batch), chunks = chunks_of(rows);
    const Product::Cut cut = gemm_.cut(k_, ceil_div(rows, chunks));
    const std::int64_t cuts = cut.tasks();
    ctx.threads.parallel_for(chunks * cuts, gemm_.nanoseconds(k_, rows),
                             [&](std::int64_t task, std::byte* workspace) {
                               const std::int64_t chunk = task / cuts;
                               const Part r = part(rows, chunks, chunk);
                               const GemmOperands g{.a = ctx.input(0) + r.begin * k_,
                                                    .a_stride = k_,
                                                    .b = ctx.input(1) + r.begin * n_,
                                                    .b_stride = n_,
                                                    .c = sums_.weights(ctx, chunk),
                                                    .c_stride = n_,
                                                    .b_sums = sums_.bias(ctx, chunk)};
                               gemm_.run(g, k_, r.size(), cut, task % cuts, workspace);
                             });
    sums_.add_up(ctx, chunks);
  }
  std::size_t scratch_bytes() const override { return sums_.scratch_bytes(chunks_of(max_rows_)); }
  std::size_t thread_scratch_bytes() const override { return gemm_.workspace_bytes(max_rows_); }
  double flops(std::int64_t batch) const override { return gemm_.flops(k_, rows_of(x_, batch)); }
  std::string algorithm() const override { return gemm_.algorithm(); }

 private:
  // More rows never make fewer chunks, so the scratch of the largest batch holds those of all.
  std::int64_t chunks_of(std::int64_t rows) const {
    if (k_ * n_ > 1 << 16) return 1;
    return std::clamp<std::int64_t>(rows / 1024, 1, 16);
  }

  TensorDesc x_;
  std::int64_t n_, k_, max_rows_;
  Gemm gemm_;
  PartialGradients sums_;
};

}  // namespace

void register_dense(Registry& r) {
  r.add("dense", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, spec.attrs.integer("bias", 0) != 0 ? 3 : 2, 1);
    return std::make_unique<Dense>(spec, false);
  });
  r.add("dense_input_grad", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, 2, 1);
    return std::make_unique<Dense>(spec, true);
  });
  r.add("dense_weight_grad", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    require_floats(spec, 2, spec.attrs.integer("bias", 0) != 0 ? 2 : 1);
    return std::make_unique<DenseWeightGrad>(spec);
  });
}

}  // namespace fastconv

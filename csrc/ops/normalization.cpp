// batch_norm with the statistics of the batch, and its gradient: two passes over the data each, or
// one over what has been summed up as it was made (attribute `given`; see moments.h).
#include "kernels/normalization.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/check.h"
#include "ops/op.h"
#include "ops/registry.h"
#include "ops/row_sums.h"
#include "ops/tape.h"
#include "runtime/arena.h"

namespace fastconv {
namespace {

constexpr std::int64_t kEpilogueElements = 4096;  // a block that stays in the first-level cache

class Normalization : public Op {
 public:
  std::size_t scratch_bytes() const override {
    const auto channels = static_cast<std::size_t>(channels_);
    return sums_bytes() + 3 * channels * sizeof(float);
  }
  std::size_t thread_scratch_bytes() const override { return sums_.workspace_bytes(); }

 protected:
  Normalization(const OpSpec& spec, const TensorDesc& x)
      : channels_(x.rank() > 0 ? x.shape.back() : 0),
        given_(spec.attrs.integer("given", 0) != 0),
        epsilon_(spec.attrs.real("epsilon")) {
    require(x.rank() >= 2 && channels_ > 0, spec,
            "inputs must have shape (batch, ..., channels), got " + text_of(x));
    require(epsilon_ > 0, spec, "epsilon must be positive, got " + std::to_string(epsilon_));
    max_batch_ = x.shape[0];
    batched_ = x.batched;
    for (std::size_t i = 1; i + 1 < x.shape.size(); ++i) rows_per_image_ *= x.shape[i];
    sums_ = RowSums(channels_);
    chunk_rows_ = sums_.stretch_rows();
  }

  void require_rows(const OpSpec& spec, const TensorDesc& row, const char* what) const {
    require(has_shape(row, {channels_}), spec,
            std::string(what) + " must have shape (" + std::to_string(channels_) + ",), got " +
                text_of(row));
  }

  std::int64_t rows(std::int64_t batch) const {
    return (batched_ ? batch : max_batch_) * rows_per_image_;
  }
  std::int64_t chunks_of(std::int64_t rows) const { return (rows + chunk_rows_ - 1) / chunk_rows_; }
  double elements(std::int64_t batch) const { return static_cast<double>(rows(batch) * channels_); }

  std::size_t sums_bytes() const {
    return given_ ? 0 : aligned(sums_.bytes(chunks_of(rows(max_batch_))));
  }
  // Row i of three rows of one float for each channel.
  float* row_of(const RunContext& ctx, std::int64_t i) const {
    return reinterpret_cast<float*>(ctx.scratch + sums_bytes()) + i * channels_;
  }

  // Calls body(chunk, first row, end of rows, workspace of a thread).
  template <class F>
  void for_chunks(const RunContext& ctx, double element_ns, const F& body) const {
    const std::int64_t all = rows(ctx.batch);
    ctx.threads.parallel_for(chunks_of(all), elements(ctx.batch) * element_ns,
                             [&](std::int64_t chunk, std::byte* workspace) {
                               const std::int64_t begin = chunk * chunk_rows_;
                               body(chunk, begin, std::min(all, begin + chunk_rows_), workspace);
                             });
  }

  std::int64_t channels_, rows_per_image_ = 1, chunk_rows_, max_batch_;
  bool batched_, given_;
  double epsilon_;
  RowSums sums_;
};

// (x, gamma, beta) to (y, mean, variance); given: (x, gamma, beta, mean, variance) to y.
class BatchNorm final : public Normalization {
 public:
  explicit BatchNorm(const OpSpec& spec) : Normalization(spec, spec.inputs[0]) {
    own_ = given_ ? 5 : 3;
    tape_ = Epilogue(spec, own_, spec.outputs[0]);
    require_rows(spec, spec.inputs[1], "gamma");
    require_rows(spec, spec.inputs[2], "beta");
    require(spec.outputs[0].shape == spec.inputs[0].shape &&
                spec.outputs[0].batched == spec.inputs[0].batched,
            spec,
            "the output must have the shape " + text_of(spec.inputs[0]) + ", got " +
                text_of(spec.outputs[0]));
    require_rows(spec, given_ ? spec.inputs[3] : spec.outputs[1], "the mean");
    require_rows(spec, given_ ? spec.inputs[4] : spec.outputs[2], "the variance");
    const auto other = static_cast<std::size_t>(own_);
    alone_ = spec.inputs.size() == other;
    // The usual epilogues run in registers: a ReLU, a residual sum, or both.
    const std::string code = spec.attrs.text("epilogue", "");
    if (tape_.starts_with_relu()) {
      relu_ = true;
      tape_ = tape_.rest();
    } else if (spec.inputs.size() == other + 1 &&
               spec.inputs[other].shape == spec.inputs[0].shape &&
               spec.inputs[other].batched == batched_ && spec.inputs[other].dtype == DType::f32 &&
               (code == "add %0 %1" || code == "add %0 %1; relu %2")) {
      residual_ = true;
      relu_ = code != "add %0 %1";
      tape_ = Epilogue();
    }
  }
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    if (spec.attrs.integer("given", 0) != 0)
      require_floats(spec, 5, 1);
    else
      require_floats(spec, 3, 3);
    return std::make_unique<BatchNorm>(spec);
  }

  void run(const RunContext& ctx) const override {
    const NormalizationKernels& k = kernels().normalization;
    const float* x = ctx.input(0);
    const float* beta = ctx.input(2);
    float* y = ctx.output(0);
    float* scale = row_of(ctx, 0);
    const float* other = residual_ ? ctx.input(static_cast<std::size_t>(own_)) : nullptr;

    if (!given_) {
      for_chunks(
          ctx, 0.08,
          [&](std::int64_t chunk, std::int64_t begin, std::int64_t end, std::byte* workspace) {
            sums_.add(x + begin * channels_, end - begin, ctx.scratch, chunk, workspace);
          });
      sums_.moments(ctx.threads, ctx.scratch, chunks_of(rows(ctx.batch)), ctx.output(1),
                    ctx.output(2));
    }
    const float* mean = given_ ? ctx.input(3) : ctx.output(1);
    const float* variance = given_ ? ctx.input(4) : ctx.output(2);
    for (std::int64_t c = 0; c < channels_; ++c)
      scale[c] = static_cast<float>(static_cast<double>(ctx.input(1)[c]) /
                                    std::sqrt(static_cast<double>(variance[c]) + epsilon_));

    const std::int64_t block =
        tape_.empty() ? chunk_rows_ : std::max<std::int64_t>(1, kEpilogueElements / channels_);
    for_chunks(ctx, 0.1 + tape_.cost(),
               [&](std::int64_t, std::int64_t begin, std::int64_t end, std::byte*) {
                 for (std::int64_t r = begin; r < end; r += block) {
                   const std::int64_t at = r * channels_, count = std::min(block, end - r);
                   k.normalize(x + at, count, channels_, mean, scale, beta,
                               residual_ ? other + at : nullptr, relu_, y + at);
                   if (!tape_.empty()) tape_.run(ctx, y + at, at, count * channels_);
                 }
               });
  }
  double flops(std::int64_t batch) const override {
    return elements(batch) * ((given_ ? 4 : 7) + tape_.flops());
  }
  std::vector<std::pair<int, int>> inplace() const override {
    if (residual_) return {{0, 0}, {0, own_}};
    if (!alone_) return {};
    return {{0, 0}};
  }

 private:
  Epilogue tape_;
  bool relu_ = false, residual_ = false, alone_;
  int own_;
};

// (dy, x, gamma, mean, variance) to (dx, dgamma, dbeta), with a mask and masked dy perhaps.
class BatchNormGrad final : public Normalization {
 public:
  explicit BatchNormGrad(const OpSpec& spec)
      : Normalization(spec, spec.inputs[1]),
        mask_(spec.inputs.size() == 6),
        masked_(spec.outputs.size() == 4) {
    const auto require_like = [&](const TensorDesc& tensor, const char* what) {
      require(tensor.shape == spec.inputs[1].shape && tensor.batched == batched_, spec,
              std::string(what) + " must have the shape " + text_of(spec.inputs[1]) + ", got " +
                  text_of(tensor));
    };
    require_like(spec.inputs[0], "dy");
    if (mask_) require_like(spec.inputs[5], "y");
    require_rows(spec, spec.inputs[2], "gamma");
    require_rows(spec, spec.inputs[3], "the mean");
    require_rows(spec, spec.inputs[4], "the variance");
    require_like(spec.outputs[0], "dx");
    require_rows(spec, spec.outputs[1], "dgamma");
    require_rows(spec, spec.outputs[2], "dbeta");
    if (masked_) require_like(spec.outputs[3], "the masked dy");
  }
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    const std::string mask = spec.attrs.text("mask", "");
    const bool masked = spec.attrs.integer("masked_dy", 0) != 0;
    require(mask.empty() || mask == "relu", spec, "mask must be 'relu', got '" + mask + "'");
    require(!masked || !mask.empty(), spec, "masked_dy needs a mask");
    require_floats(spec, mask.empty() ? 5 : 6, masked ? 4 : 3);
    return std::make_unique<BatchNormGrad>(spec);
  }

  void run(const RunContext& ctx) const override {
    const NormalizationKernels& k = kernels().normalization;
    const float* dy = ctx.input(0);
    const float* x = ctx.input(1);
    const float* mean = ctx.input(3);
    const float* y = mask_ ? ctx.input(5) : nullptr;
    float* masked = masked_ ? ctx.output(3) : nullptr;
    float* dx = ctx.output(0);
    float* a = row_of(ctx, 0);
    float* b = row_of(ctx, 1);
    float* c = row_of(ctx, 2);

    float* dgamma = ctx.output(1);
    float* dbeta = ctx.output(2);

    for_chunks(ctx, 0.12,
               [&](std::int64_t chunk, std::int64_t begin, std::int64_t end, std::byte* workspace) {
                 const std::int64_t at = begin * channels_;
                 sums_.add({dy + at, x + at, mask_ ? y + at : nullptr, mean,
                            masked_ ? masked + at : nullptr},
                           end - begin, ctx.scratch, chunk, workspace);
               });
    sums_.gradients(ctx.threads, ctx.scratch, chunks_of(rows(ctx.batch)), ctx.input(4), epsilon_,
                    dgamma, dbeta);
    // dx = a (b (x - mean) + (dy - c)): of a single row, exactly 0.
    const double n = std::max(1.0, static_cast<double>(rows(ctx.batch)));
    for (std::int64_t i = 0; i < channels_; ++i) {
      const double inverse = 1 / std::sqrt(static_cast<double>(ctx.input(4)[i]) + epsilon_);
      a[i] = static_cast<float>(static_cast<double>(ctx.input(2)[i]) * inverse);
      b[i] = static_cast<float>(-inverse * static_cast<double>(dgamma[i]) / n);
      c[i] = static_cast<float>(static_cast<double>(dbeta[i]) / n);
    }

    // What the first pass wrote is masked already.
    const float* upstream = masked_ ? masked : dy;
    const float* mask = masked_ ? nullptr : y;
    for_chunks(ctx, 0.15, [&](std::int64_t, std::int64_t begin, std::int64_t end, std::byte*) {
      const std::int64_t at = begin * channels_;
      k.grad(upstream + at, x + at, mask ? mask + at : nullptr, end - begin, channels_, mean, a, b,
             c, dx + at);
    });
  }
  double flops(std::int64_t batch) const override { return elements(batch) * 9; }
  std::vector<std::pair<int, int>> inplace() const override {
    if (masked_) return {{3, 0}, {0, 1}};
    return {{0, 0}, {0, 1}};
  }

 private:
  bool mask_, masked_;
};

}  // namespace

void register_normalization(Registry& r) {
  r.add("batch_norm", BatchNorm::make);
  r.add("batch_norm_grad", BatchNormGrad::make);
}

}  // namespace fastconv

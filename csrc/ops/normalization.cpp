// batch_norm with the statistics of the batch, and its gradient: two passes over the data each.
//
// Rows are all axes but the last. They are cut into chunks of a size that depends on the channels
// alone. A chunk's sums are floats over blocks of rows and doubles over the blocks, of values
// shifted to near zero (Chan, Golub and LeVeque, "Algorithms for computing the sample variance",
// 1983); the chunks are added up in order.
#include "kernels/normalization.h"

#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/fused.h"
#include "ops/op.h"
#include "ops/registry.h"
#include "ops/tape.h"

namespace fastconv {
namespace {

constexpr std::int64_t kChunkElements = 32768;
constexpr std::int64_t kEpilogueElements = 4096;  // a block that stays in the first-level cache
constexpr std::int64_t kMergeChannels = 64;       // a task of adding chunks up

class Normalization : public Op {
 public:
  std::size_t scratch_bytes() const override {
    const auto channels = static_cast<std::size_t>(channels_);
    const auto chunks = static_cast<std::size_t>(chunks_of(rows(max_batch_)));
    return chunks * channels * 3 * sizeof(double) + 3 * channels * sizeof(float);
  }
  std::size_t thread_scratch_bytes() const override {
    return static_cast<std::size_t>(channels_) * 3 * sizeof(float);
  }

 protected:
  Normalization(const OpSpec& spec, const TensorDesc& x)
      : channels_(x.rank() > 0 ? x.shape.back() : 0), epsilon_(spec.attrs.real("epsilon")) {
    require(x.rank() >= 2 && channels_ > 0, spec,
            "inputs must have shape (batch, ..., channels), got " + text_of(x));
    require(epsilon_ > 0, spec, "epsilon must be positive, got " + std::to_string(epsilon_));
    max_batch_ = x.shape[0];
    batched_ = x.batched;
    for (std::size_t i = 1; i + 1 < x.shape.size(); ++i) rows_per_image_ *= x.shape[i];
    // Whole groups of rows, so that a chunk is cut like any other stretch of rows.
    chunk_rows_ = std::max<std::int64_t>(64, kChunkElements / channels_ / 8 * 8);
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

  // Sums for each channel, of every chunk: of the first and the second power of x - shift, or of
  // dy and dy (x - mean).
  struct Sums {
    double* first;
    double* second;
    double* shift;
  };
  Sums sums_of(const RunContext& ctx, std::int64_t chunk) const {
    auto* sums = reinterpret_cast<double*>(ctx.scratch) + chunk * 3 * channels_;
    return {sums, sums + channels_, sums + 2 * channels_};
  }
  // Row i of three rows of one float for each channel, after the sums.
  float* row_of(const RunContext& ctx, std::int64_t chunks, std::int64_t i) const {
    return reinterpret_cast<float*>(sums_of(ctx, chunks).first) + i * channels_;
  }

  // Calls body(chunk, first row, end of rows, workspace of a thread).
  template <class F>
  void for_chunks(const RunContext& ctx, double element_ns, const F& body) const {
    const std::int64_t all = rows(ctx.batch);
    ctx.threads.parallel_for(chunks_of(all), elements(ctx.batch) * element_ns,
                             [&](std::int64_t chunk, std::byte* workspace) {
                               const std::int64_t begin = chunk * chunk_rows_;
                               body(chunk, begin, std::min(all, begin + chunk_rows_),
                                    reinterpret_cast<float*>(workspace));
                             });
  }
  // Calls body(first, rows) for the blocks of a stretch of rows.
  template <class F>
  static void for_blocks(std::int64_t begin, std::int64_t end, std::int64_t block, const F& body) {
    for (std::int64_t r = begin; r < end; r += block) body(r, std::min(block, end - r));
  }
  // Calls body(channel) for every channel.
  template <class F>
  void for_channels(const RunContext& ctx, std::int64_t chunks, const F& body) const {
    const std::int64_t tasks = (channels_ + kMergeChannels - 1) / kMergeChannels;
    const double work = 2.0 * static_cast<double>(chunks * channels_);
    ctx.threads.parallel_for(tasks, work, [&](std::int64_t task, std::byte*) {
      const std::int64_t end = std::min(channels_, (task + 1) * kMergeChannels);
      for (std::int64_t c = task * kMergeChannels; c < end; ++c) body(c);
    });
  }

  std::int64_t channels_, rows_per_image_ = 1, chunk_rows_, max_batch_;
  bool batched_;
  double epsilon_;
};

class BatchNorm final : public Normalization {
 public:
  explicit BatchNorm(const OpSpec& spec)
      : Normalization(spec, spec.inputs[0]), tape_(spec, 3, spec.outputs[0]) {
    require_rows(spec, spec.inputs[1], "gamma");
    require_rows(spec, spec.inputs[2], "beta");
    require(spec.outputs[0].shape == spec.inputs[0].shape &&
                spec.outputs[0].batched == spec.inputs[0].batched,
            spec,
            "the output must have the shape " + text_of(spec.inputs[0]) + ", got " +
                text_of(spec.outputs[0]));
    require_rows(spec, spec.outputs[1], "the mean");
    require_rows(spec, spec.outputs[2], "the variance");
    alone_ = spec.inputs.size() == 3;
    // The usual epilogues run in registers: a ReLU, a residual sum, or both.
    const std::string code = spec.attrs.text("epilogue", "");
    if (tape_.starts_with_relu()) {
      relu_ = true;
      tape_ = tape_.rest();
    } else if (spec.inputs.size() == 4 && spec.inputs[3].shape == spec.inputs[0].shape &&
               spec.inputs[3].batched == batched_ && spec.inputs[3].dtype == DType::f32 &&
               (code == "add %0 %1" || code == "add %0 %1; relu %2")) {
      residual_ = true;
      relu_ = code != "add %0 %1";
      tape_ = Epilogue();
    }
  }
  static std::unique_ptr<Op> make(const OpSpec& spec) {
    require_floats(spec, 3, 3);
    return std::make_unique<BatchNorm>(spec);
  }

  void run(const RunContext& ctx) const override {
    const NormalizationKernels& k = kernels().normalization;
    const float* x = ctx.input(0);
    const float* beta = ctx.input(2);
    float* y = ctx.output(0);
    float* mean = ctx.output(1);
    const std::int64_t chunks = chunks_of(rows(ctx.batch));
    float* scale = row_of(ctx, chunks, 0);
    const float* other = residual_ ? ctx.input(3) : nullptr;

    for_chunks(ctx, 0.08,
               [&](std::int64_t chunk, std::int64_t begin, std::int64_t end, float* workspace) {
                 sum_chunk(x + begin * channels_, end - begin, sums_of(ctx, chunk), workspace);
               });
    for_channels(ctx, chunks, [&](std::int64_t c) { finish(ctx, chunks, c, scale); });

    const std::int64_t block =
        tape_.empty() ? chunk_rows_ : std::max<std::int64_t>(1, kEpilogueElements / channels_);
    for_chunks(ctx, 0.1 + tape_.cost(),
               [&](std::int64_t, std::int64_t begin, std::int64_t end, float*) {
                 for_blocks(begin, end, block, [&](std::int64_t r, std::int64_t count) {
                   const std::int64_t at = r * channels_;
                   k.normalize(x + at, count, channels_, mean, scale, beta,
                               residual_ ? other + at : nullptr, relu_, y + at);
                   if (!tape_.empty()) tape_.run(ctx, y + at, at, count * channels_);
                 });
               });
  }
  double flops(std::int64_t batch) const override { return elements(batch) * (7 + tape_.flops()); }
  std::vector<std::pair<int, int>> inplace() const override {
    if (residual_) return {{0, 0}, {0, 3}};
    if (!alone_) return {};
    return {{0, 0}};
  }

 private:
  // A chunk's values are shifted by its first row at first, and then by the mean of some more rows,
  // in case that row is far from the others.
  void sum_chunk(const float* x, std::int64_t rows, const Sums& sums, float* workspace) const {
    const NormalizationKernels& k = kernels().normalization;
    float* shift = workspace + 2 * channels_;
    std::copy_n(x, channels_, shift);
    std::fill_n(sums.first, 2 * channels_, 0.0);
    std::int64_t done = 0;
    for (const std::int64_t upto : {std::int64_t{8}, k.block_rows}) {
      const std::int64_t count = std::min(rows, upto) - done;
      if (count == 0) break;
      k.moments(x + done * channels_, count, channels_, shift, workspace, sums.first, sums.second);
      done += count;
      centre(static_cast<double>(done), sums, shift);
    }
    for_blocks(done, rows, k.block_rows, [&](std::int64_t r, std::int64_t count) {
      k.moments(x + r * channels_, count, channels_, shift, workspace, sums.first, sums.second);
    });
    std::copy_n(shift, channels_, sums.shift);
  }
  // Moves the shift of sums over n rows to their mean.
  void centre(double n, const Sums& sums, float* shift) const {
    for (std::int64_t c = 0; c < channels_; ++c) {
      const float old = shift[c];
      shift[c] = static_cast<float>(static_cast<double>(old) + sums.first[c] / n);
      const double moved = static_cast<double>(shift[c]) - static_cast<double>(old);
      sums.second[c] -= (2 * sums.first[c] - n * moved) * moved;
      sums.first[c] -= n * moved;
    }
  }

  // The mean, the variance and the scale of channel c.
  void finish(const RunContext& ctx, std::int64_t chunks, std::int64_t c, float* scale) const {
    const std::int64_t all = rows(ctx.batch);
    double sum = 0, square = 0;  // of x - origin
    const double origin = chunks > 0 ? sums_of(ctx, 0).shift[c] : 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const Sums sums = sums_of(ctx, chunk);
      const auto count = static_cast<double>(std::min(chunk_rows_, all - chunk * chunk_rows_));
      const double shift = sums.shift[c] - origin;
      sum += sums.first[c] + count * shift;
      square += sums.second[c] + (2 * sums.first[c] + count * shift) * shift;
    }
    const double n = std::max(1.0, static_cast<double>(all));
    const double mean = sum / n;
    const double variance = square / n - mean * mean;
    // Not std::max: a NaN must stay.
    const double positive = variance < 0 ? 0 : variance;
    ctx.output(1)[c] = static_cast<float>(origin + mean);
    ctx.output(2)[c] = static_cast<float>(positive);
    scale[c] =
        static_cast<float>(static_cast<double>(ctx.input(1)[c]) / std::sqrt(positive + epsilon_));
  }

  Epilogue tape_;
  bool relu_ = false, residual_ = false, alone_;
};

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
    const std::int64_t chunks = chunks_of(rows(ctx.batch));
    float* a = row_of(ctx, chunks, 0);
    float* b = row_of(ctx, chunks, 1);
    float* c = row_of(ctx, chunks, 2);

    for_chunks(ctx, 0.12,
               [&](std::int64_t chunk, std::int64_t begin, std::int64_t end, float* workspace) {
                 const Sums sums = sums_of(ctx, chunk);
                 std::fill_n(sums.first, 2 * channels_, 0.0);
                 for_blocks(begin, end, k.block_rows, [&](std::int64_t r, std::int64_t count) {
                   const std::int64_t at = r * channels_;
                   k.grad_sums(dy + at, x + at, mask_ ? y + at : nullptr, count, channels_, mean,
                               workspace, masked_ ? masked + at : nullptr, sums.first, sums.second);
                 });
               });
    for_channels(ctx, chunks, [&](std::int64_t i) { finish(ctx, chunks, i, a, b, c); });

    // What the first pass wrote is masked already.
    const float* upstream = masked_ ? masked : dy;
    const float* mask = masked_ ? nullptr : y;
    for_chunks(ctx, 0.15, [&](std::int64_t, std::int64_t begin, std::int64_t end, float*) {
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
  // dgamma, dbeta, and dx = a dy + b (x - mean) + c, all of channel i.
  void finish(const RunContext& ctx, std::int64_t chunks, std::int64_t i, float* a, float* b,
              float* c) const {
    double sum = 0, product = 0;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      const Sums sums = sums_of(ctx, chunk);
      sum += sums.first[i];
      product += sums.second[i];
    }
    const double n = std::max(1.0, static_cast<double>(rows(ctx.batch)));
    const double variance = static_cast<double>(ctx.input(4)[i]) + epsilon_;
    const double inverse = 1 / std::sqrt(variance);
    const double scale = static_cast<double>(ctx.input(2)[i]) * inverse;
    ctx.output(1)[i] = static_cast<float>(product * inverse);
    ctx.output(2)[i] = static_cast<float>(sum);
    a[i] = static_cast<float>(scale);
    b[i] = static_cast<float>(-scale * product / (variance * n));
    c[i] = static_cast<float>(-scale * sum / n);
  }

  bool mask_, masked_;
};

}  // namespace

void register_normalization(Registry& r) {
  r.add("batch_norm", BatchNorm::make);
  r.add("batch_norm_grad", BatchNormGrad::make);
}

}  // namespace fastconv

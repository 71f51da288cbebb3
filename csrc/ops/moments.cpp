#include "ops/moments.h"

#include <algorithm>
#include <string>

#include "ops/check.h"
#include "ops/row_sums.h"
#include "runtime/arena.h"

namespace fastconv {
namespace {

constexpr std::int64_t kLeastRows = 32;  // in a stretch that is worth sums of its own
// A result of so many floats is still in the last-level cache when the op is done: a second pass
// over it costs no more than adding up the sums of many small stretches.
constexpr std::int64_t kCachedFloats = 2 << 20;

class Moments final : public Op {
 public:
  Moments(const OpSpec& spec, const OpSpec& inner, OpFactory make) : op_(make(inner)) {
    const TensorDesc& y = spec.outputs[0];
    const std::int64_t channels = y.shape.empty() ? 0 : y.shape.back();
    require(y.rank() >= 2 && channels > 0, spec,
            "moments need a result of shape (batch, ..., channels), got " + text_of(y));
    for (const std::size_t i : {1, 2}) {
      const TensorDesc& row = spec.outputs[i];
      require(row.dtype == DType::f32 && !row.batched &&
                  row.shape == std::vector<std::int64_t>{channels},
              spec,
              "moments must be rows of (" + std::to_string(channels) + ",), got " + text_of(row));
    }
    result_ = y;
    channels_ = channels;
    sums_ = RowSums(channels);
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t rows = rows_in(ctx.batch);
    const std::int64_t own = op_->stretches(ctx.batch);
    const bool as_made = own > 0 && rows >= own * kLeastRows && rows * channels_ > kCachedFloats;
    std::byte* sums = ctx.scratch + aligned(op_->scratch_bytes());
    const Summing summing(*this, ctx, sums);
    RunContext inner = ctx;
    inner.out = ctx.out.first(1);
    if (as_made) {
      inner.finished = &summing;
      sums_.clear(sums, own);
    }
    op_->run(inner);
    if (!as_made) {
      const std::int64_t count = sums_.stretch_rows();
      ctx.threads.parallel_for(cut(rows), static_cast<double>(rows * channels_) * 0.1,
                               [&](std::int64_t stretch, std::byte* workspace) {
                                 const std::int64_t first = stretch * count;
                                 summing.rows(stretch, first, std::min(count, rows - first),
                                              workspace);
                               });
    }
    sums_.moments(ctx.threads, sums, as_made ? own : cut(rows), ctx.output(1), ctx.output(2));
  }

  std::size_t scratch_bytes() const override {
    const std::int64_t batch = result_.shape[0];
    const std::int64_t most = std::max(op_->stretches(batch), cut(rows_in(batch)));
    return aligned(op_->scratch_bytes()) + sums_.bytes(most);
  }
  std::size_t thread_scratch_bytes() const override {
    return aligned(op_->thread_scratch_bytes()) + sums_.workspace_bytes();
  }
  std::size_t packed_bytes() const override { return op_->packed_bytes(); }
  void pack(const RunContext& ctx, std::byte* packed) const override { op_->pack(ctx, packed); }
  double flops(std::int64_t batch) const override { return op_->flops(batch); }
  std::string algorithm() const override { return op_->algorithm(); }

 private:
  class Summing final : public RowObserver {
   public:
    Summing(const Moments& op, const RunContext& ctx, std::byte* sums)
        : op_(op), ctx_(ctx), sums_(sums) {}
    void rows(std::int64_t stretch, std::int64_t first, std::int64_t count,
              std::byte* workspace) const override {
      op_.sums_.add(ctx_.output(0) + first * op_.channels_, count, sums_, stretch,
                    workspace + aligned(op_.op_->thread_scratch_bytes()));
    }

   private:
    const Moments& op_;
    const RunContext& ctx_;
    std::byte* sums_;
  };

  std::int64_t rows_in(std::int64_t batch) const { return result_.size(batch) / channels_; }
  std::int64_t cut(std::int64_t rows) const {
    return (rows + sums_.stretch_rows() - 1) / sums_.stretch_rows();
  }

  std::unique_ptr<Op> op_;
  TensorDesc result_;
  std::int64_t channels_ = 0;
  RowSums sums_;
};

}  // namespace

std::unique_ptr<Op> with_moments(const OpSpec& spec, OpFactory make) {
  require(spec.outputs.size() == 3, spec,
          "moments=1 needs 3 outputs, got " + std::to_string(spec.outputs.size()));
  OpSpec inner = spec;
  inner.attrs.erase("moments");
  inner.outputs.resize(1);
  return std::make_unique<Moments>(spec, inner, make);
}

}  // namespace fastconv

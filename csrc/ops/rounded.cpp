#include "ops/rounded.h"

#include <algorithm>
#include <array>
#include <vector>

#include "dispatch/dispatch.h"
#include "runtime/arena.h"

namespace fastconv {
namespace {

constexpr std::int64_t kPiece = 1 << 14;  // elements that a task rounds

class OnRounded final : public Op {
 public:
  explicit OnRounded(const OpSpec& spec) : factors_{spec.inputs[0], spec.inputs[1]} {
    OpSpec plain = spec;
    plain.attrs.erase("precision");
    op_ = make_op(plain);
    inputs_ = spec.inputs.size();
    for (std::size_t i = 0; i < 2; ++i)
      bytes_[i] = aligned(static_cast<std::size_t>(factors_[i].max_size()) * sizeof(float));
    own_ = bytes_[0] + bytes_[1] + aligned(inputs_ * sizeof(void*));
  }

  void run(const RunContext& ctx) const override {
    auto* in = reinterpret_cast<void**>(ctx.scratch + bytes_[0] + bytes_[1]);
    std::copy_n(ctx.in.data(), inputs_, in);
    for (std::size_t i = 0; i < 2; ++i) {
      auto* copy = reinterpret_cast<float*>(ctx.scratch + (i == 0 ? 0 : bytes_[0]));
      if (i == 0 || ctx.packed == nullptr) round(ctx, i, copy);
      in[i] = copy;
    }
    op_->run(ctx.within({in, inputs_}, ctx.scratch + own_));
  }
  std::size_t packed_bytes() const override { return op_->packed_bytes(); }
  void pack(const RunContext& ctx, std::byte* packed) const override {
    auto* copy = reinterpret_cast<float*>(ctx.scratch + bytes_[0]);
    round(ctx, 1, copy);
    std::vector<void*> in(ctx.in.begin(), ctx.in.end());
    in[1] = copy;
    op_->pack(ctx.within(in, ctx.scratch + own_), packed);
  }
  std::size_t scratch_bytes() const override { return own_ + op_->scratch_bytes(); }
  std::size_t thread_scratch_bytes() const override { return op_->thread_scratch_bytes(); }
  double flops(std::int64_t batch) const override { return op_->flops(batch); }
  std::string algorithm() const override { return op_->algorithm(); }

 private:
  void round(const RunContext& ctx, std::size_t i, float* copy) const {
    const std::int64_t size = factors_[i].size(ctx.batch);
    const float* from = ctx.input(i);
    const auto code = static_cast<std::size_t>(PointwiseCode::bfloat16);
    ctx.threads.parallel_for((size + kPiece - 1) / kPiece, static_cast<double>(size) * 0.15,
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t first = task * kPiece;
                               kernels().pointwise.fn[code][0](copy + first, from + first, nullptr,
                                                               nullptr,
                                                               std::min(kPiece, size - first));
                             });
  }

  std::array<TensorDesc, 2> factors_;
  std::unique_ptr<Op> op_;
  std::array<std::size_t, 2> bytes_{};
  std::size_t inputs_ = 0, own_ = 0;
};

}  // namespace

std::unique_ptr<Op> on_rounded(const OpSpec& spec) { return std::make_unique<OnRounded>(spec); }

}  // namespace fastconv

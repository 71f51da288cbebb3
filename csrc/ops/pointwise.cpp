// Pointwise work over whole tensors.
#include <algorithm>

#include "ops/registry.h"
#include "ops/tape.h"

namespace fastconv {
namespace {

constexpr std::int64_t kTaskElements = 16384;

class Pointwise final : public Op {
 public:
  explicit Pointwise(const OpSpec& spec) : output_(spec.outputs[0]) {
    std::vector<TapeOperand> operands;
    for (const TensorDesc& input : spec.inputs)
      operands.push_back(TapeOperand::of(input, output_, spec.name));
    std::vector<TapeResult> results;
    const std::vector<std::int64_t> registers = spec.attrs.integers("results");
    if (registers.size() != spec.outputs.size())
      throw std::invalid_argument("pointwise: " + std::to_string(registers.size()) +
                                  " results for " + std::to_string(spec.outputs.size()) +
                                  " outputs");
    for (std::size_t o = 0; o < registers.size(); ++o) {
      const TensorDesc& output = spec.outputs[o];
      if (output.shape != output_.shape || output.batched != output_.batched)
        throw std::invalid_argument("pointwise: outputs must have one shape");
      results.push_back({static_cast<int>(registers[o]), output.dtype});
    }
    const int inputs = static_cast<int>(spec.inputs.size());
    tape_ = Tape(TapeCode::parse(spec.attrs.text("code"), inputs, spec.name), operands, results,
                 spec.name);
    for (int o = 0; o < static_cast<int>(results.size()); ++o)
      for (int k = 0; k < inputs; ++k)
        if (tape_.can_overwrite(o, k)) inplace_.emplace_back(o, k);
    task_ = std::max<std::int64_t>(1, kTaskElements / tape_.block()) * tape_.block();
  }

  void run(const RunContext& ctx) const override {
    const std::int64_t size = output_.size(ctx.batch);
    const std::int64_t tasks = (size + task_ - 1) / task_;
    ctx.threads.parallel_for(
        tasks, static_cast<double>(size) * tape_.cost(), [&](std::int64_t task, std::byte*) {
          const std::int64_t begin = task * task_;
          tape_.run(ctx.in.data(), ctx.out.data(),
                    {begin, std::min(task_, size - begin), 0, ctx.seed, ctx.step});
        });
  }

  double flops(std::int64_t batch) const override {
    return tape_.flops() * static_cast<double>(output_.size(batch));
  }
  std::vector<std::pair<int, int>> inplace() const override { return inplace_; }

 private:
  TensorDesc output_;
  Tape tape_;
  std::int64_t task_;
  std::vector<std::pair<int, int>> inplace_;
};

}  // namespace

void register_pointwise(Registry& r) {
  r.add("pointwise", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    if (spec.outputs.empty()) throw std::invalid_argument("pointwise: no outputs");
    return std::make_unique<Pointwise>(spec);
  });
}

}  // namespace fastconv

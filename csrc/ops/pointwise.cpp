// Pointwise work over whole tensors, and copies.
#include <algorithm>
#include <cstring>

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

class Copy final : public Op {
 public:
  explicit Copy(const OpSpec& spec) : output_(spec.outputs[0]) {
    const TensorDesc& input = spec.inputs[0];
    if (input.dtype != output_.dtype || input.max_size() != output_.max_size())
      throw std::invalid_argument("copy: " + std::to_string(input.max_size()) + " elements of " +
                                  std::string(name_of(input.dtype)) + " do not fill " +
                                  std::to_string(output_.max_size()) + " of " +
                                  std::string(name_of(output_.dtype)));
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

void expect(const OpSpec& spec, std::size_t inputs) {
  if (spec.inputs.size() != inputs || spec.outputs.size() != 1)
    throw std::invalid_argument(spec.name + ": expected " + std::to_string(inputs) +
                                " input and 1 output, got " + std::to_string(spec.inputs.size()) +
                                " and " + std::to_string(spec.outputs.size()));
}

}  // namespace

void register_pointwise(Registry& r) {
  r.add("pointwise", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    if (spec.outputs.empty()) throw std::invalid_argument("pointwise: no outputs");
    return std::make_unique<Pointwise>(spec);
  });
  r.add("copy", [](const OpSpec& spec) -> std::unique_ptr<Op> {
    expect(spec, 1);
    return std::make_unique<Copy>(spec);
  });
}

}  // namespace fastconv

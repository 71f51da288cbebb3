// Random tensors.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/registry.h"

namespace fastconv {
namespace {

// An input, if any, only lends the batch.
class Random final : public Op {
 public:
  Random(const OpSpec& spec, bool normal)
      : output_(spec.outputs[0]),
        stream_(static_cast<std::uint32_t>(spec.attrs.integer("stream"))),
        normal_(normal) {
    if (output_.dtype != DType::f32)
      throw std::invalid_argument(spec.name + ": the output must be float32, got " +
                                  std::string(name_of(output_.dtype)));
  }

  void run(const RunContext& ctx) const override {
    constexpr std::int64_t kTask = 8192;
    const std::int64_t size = output_.size(ctx.batch);
    const auto kernel = normal_ ? kernels().random.normal : kernels().random.uniform;
    ctx.threads.parallel_for((size + kTask - 1) / kTask,
                             static_cast<double>(size) * (normal_ ? 1.5 : 0.4),
                             [&](std::int64_t task, std::byte*) {
                               const std::int64_t begin = task * kTask;
                               kernel(ctx.output(0) + begin, begin, std::min(kTask, size - begin),
                                      {ctx.seed, ctx.step, stream_});
                             });
  }

 private:
  TensorDesc output_;
  std::uint32_t stream_;
  bool normal_;
};

template <bool Normal>
std::unique_ptr<Op> make_random(const OpSpec& spec) {
  if (spec.inputs.size() > 1 || spec.outputs.size() != 1)
    throw std::invalid_argument(spec.name + ": expected at most 1 input and 1 output, got " +
                                std::to_string(spec.inputs.size()) + " and " +
                                std::to_string(spec.outputs.size()));
  return std::make_unique<Random>(spec, Normal);
}

}  // namespace

void register_random(Registry& r) {
  r.add("random_uniform", make_random<false>);
  r.add("random_normal", make_random<true>);
}

}  // namespace fastconv

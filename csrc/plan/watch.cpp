#include "plan/watch.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "plan/plan.h"
#include "runtime/finite.h"

namespace fastconv {
namespace {

constexpr std::int64_t kChunk = 1 << 15;

// The place of the first number that is not finite; -1 without one.
std::int64_t first_in(const float* x, std::int64_t count, const Threads& threads) {
  const std::int64_t chunks = (count + kChunk - 1) / kChunk;
  std::atomic<std::int64_t> first{chunks};
  threads.parallel_for(chunks, static_cast<double>(count) * 0.2,
                       [&](std::int64_t chunk, std::byte*) {
                         if (chunk >= first.load(std::memory_order_relaxed)) return;
                         const std::int64_t start = chunk * kChunk;
                         if (all_finite(x + start, std::min(kChunk, count - start))) return;
                         std::int64_t known = first.load();
                         while (chunk < known && !first.compare_exchange_weak(known, chunk)) {
                         }
                       });
  if (first.load() == chunks) return -1;
  std::int64_t i = first.load() * kChunk;
  while (std::isfinite(x[i])) ++i;
  return i;
}

std::string place_text(std::int64_t place, const TensorDesc& desc) {
  std::string text;
  for (std::size_t i = desc.shape.size(); i-- > 0;) {
    const std::int64_t d = std::max<std::int64_t>(desc.shape[i], 1);
    if (!text.empty()) text.insert(0, ", ");
    text.insert(0, std::to_string(place % d));
    place /= d;
  }
  return "[" + text + "]";
}

}  // namespace

void Watch::look(const Plan& plan, std::size_t step, const RunContext& context) {
  if (!finding_.empty()) return;
  const PlanStep& known = plan.steps()[step];
  const auto find = [&](int id, const void* data) -> std::int64_t {
    const TensorDesc& desc = plan.tensors()[static_cast<std::size_t>(id)].desc;
    if (desc.dtype != DType::f32) return -1;
    return first_in(static_cast<const float*>(data), desc.size(context.batch), context.threads);
  };
  for (std::size_t o = 0; o < known.outputs.size(); ++o) {
    const std::int64_t place = find(known.outputs[o], context.out[o]);
    if (place < 0) continue;
    const float value = static_cast<const float*>(context.out[o])[place];
    const PlanTensor& tensor = plan.tensors()[static_cast<std::size_t>(known.outputs[o])];
    finding_ = "step " + std::to_string(step) + " of the plan, " + known.op.name +
               (known.label.empty() ? "" : " of " + known.label) + ", made " +
               (std::isnan(value) ? "NaN" : "infinity") + " at " + place_text(place, tensor.desc) +
               " in batch " + std::to_string(context.step + 1);
    for (std::size_t i = 0; i < known.inputs.size(); ++i) {
      const PlanTensor& input = plan.tensors()[static_cast<std::size_t>(known.inputs[i])];
      const bool written = std::ranges::count(context.out, context.in[i]) > 0;  // by this very step
      if (input.kind == Kind::variable && !written && find(known.inputs[i], context.in[i]) >= 0) {
        finding_ += "; the weights that it reads were not finite before";
        break;
      }
    }
    if (raise_) throw NotFinite(finding_);
    return;
  }
}

}  // namespace fastconv

// libFuzzer: any bytes as a plan, made and run. A plan may be refused by an exception that Python
// would see; anything else is a defect.
#include <algorithm>
#include <cstdlib>

#include "dispatch/dispatch.h"
#include "encoded_plan.h"

namespace {

using namespace fastconv;

constexpr std::size_t kMostBytes = 1 << 22;
constexpr double kMostWork = 2e7;  // FLOPs

// Bytes from the end of the input, over and over: small floats, and every pattern for the rest.
Block filled(const TensorDesc& desc, std::size_t bytes, std::span<const std::uint8_t> seed) {
  Block block(new std::uint8_t[bytes]);
  std::size_t i = bytes;
  if (desc.dtype == DType::f32)
    for (i = 0; i < bytes / 4; ++i) {
      const float value =
          seed.empty() ? 1.0f : (static_cast<float>(seed[i % seed.size()]) - 128) / 32;
      std::memcpy(block.get() + 4 * i, &value, 4);
    }
  else
    for (i = 0; i < bytes; ++i) {
      const std::uint8_t value = seed.empty() ? 1 : seed[(i + i / seed.size()) % seed.size()];
      block[i] = desc.dtype == DType::b8 ? value % 2 : value;
    }
  return block;
}

void run(EncodedPlan& encoded, std::span<const std::uint8_t> seed) {
  std::size_t total = 0;
  std::vector<Block> held;
  for (PlanTensor& tensor : encoded.tensors) {
    if (tensor.kind != Kind::variable && tensor.kind != Kind::constant) continue;
    std::size_t size = size_of(tensor.desc.dtype);
    for (const std::int64_t d : tensor.desc.shape) {
      if (d < 0 || __builtin_mul_overflow(size, static_cast<std::size_t>(d), &size))
        size = kMostBytes;
      if (size >= kMostBytes) throw std::length_error("large");
    }
    total += size;
    if (total > kMostBytes) throw std::length_error("large");
    held.push_back(filled(tensor.desc, size, seed));
    tensor.data = held.back().get();
  }
  const Plan plan(encoded.tensors, encoded.steps, encoded.inputs, encoded.outputs,
                  encoded.max_batch, encoded.frozen);
  double work = 0;
  for (const auto& op : plan.ops()) work += op->flops(encoded.max_batch);
  const std::int64_t batch = std::clamp<std::int64_t>(encoded.batch, 0, plan.max_batch());
  if (plan.arena_bytes() > kMostBytes || !(work < kMostWork)) return;
  Feed feed;
  feed.batch = batch;
  feed.seed = seed.size();
  for (const int id : plan.inputs()) {
    const PlanTensor& tensor = plan.tensors()[static_cast<std::size_t>(id)];
    if (encoded.bytes(tensor, batch) > kMostBytes) return;
    held.push_back(filled(tensor.desc, encoded.bytes(tensor, batch), seed));
    feed.inputs.push_back(held.back().get());
  }
  for (const int id : plan.outputs()) {
    const PlanTensor& tensor = plan.tensors()[static_cast<std::size_t>(id)];
    if (encoded.bytes(tensor, batch) > kMostBytes) return;
    held.emplace_back(new std::uint8_t[encoded.bytes(tensor, batch)]);
    feed.outputs.push_back(held.back().get());
  }
  const Plan::Lease lease(plan);
  const Threads threads = plan.threads(*lease);
  plan.run(*lease, feed, threads);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* isa = std::getenv("FASTCONV_ISA");
  choose_isa(isa == nullptr ? "" : isa);
  set_num_threads(1);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in({data, size});
  try {
    EncodedPlan encoded = EncodedPlan::read(in);
    run(encoded, in.take(in.left()));
  } catch (const std::logic_error&) {  // invalid_argument, out_of_range, length_error
    return 0;
  } catch (const std::bad_alloc&) {
    return 0;
  }
  return 0;
}

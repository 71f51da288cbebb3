#include "plan/epoch.h"

#include <algorithm>
#include <chrono>

namespace fastconv {

std::int64_t run_epoch(const Plan& plan, const Epoch& epoch, double* nanoseconds) {
  using Clock = std::chrono::steady_clock;
  const Plan::Lease lease(plan);
  Threads threads = plan.threads(*lease);
  Feed feed;
  feed.inputs.assign(plan.inputs().size(), nullptr);
  feed.outputs.assign(plan.outputs().size(), nullptr);
  feed.seed = epoch.seed;
  feed.version = epoch.version;
  feed.watch = epoch.watch;

  auto last_tick = Clock::now();
  std::int64_t done = 0;
  bool stopped = false;
  const auto step = [&](std::int64_t first) {
    feed.batch = std::min(epoch.batch, epoch.count - first);
    feed.step = epoch.first_step + static_cast<std::uint64_t>(done);
    for (const RowFeed& row : epoch.rows) {
      const RowSource& source = row.source;
      if (row.direct && epoch.order == nullptr) {
        feed.inputs[row.input] =
            static_cast<const std::byte*>(source.base) + first * source.row_stride_bytes;
        continue;
      }
      const TensorDesc& desc =
          plan.tensors()[static_cast<std::size_t>(plan.inputs()[row.input])].desc;
      gather_rows(source, epoch.order, first, feed.batch, desc.dtype,
                  plan.staging(*lease, row.input), threads);
    }
    for (const StepFeed& value : epoch.values)
      feed.inputs[value.input] = value.values + static_cast<std::size_t>(done) * value.bytes;
    for (const OutputRows& out : epoch.outputs)
      feed.outputs[out.output] = out.base + static_cast<std::size_t>(first) * out.row_bytes;
    if (!plan.run(*lease, feed, threads, nanoseconds)) {
      stopped = true;
      return;
    }
    ++done;
    if (!epoch.tick) return;
    const auto now = Clock::now();
    if (std::chrono::duration<double>(now - last_tick).count() < epoch.interval) return;
    stopped = !epoch.tick(done);
    last_tick = Clock::now();
  };
  // The first step shows whether the others need a team.
  std::int64_t first = 0;
  plan.together(*lease, threads, [&] {
    if (first < epoch.count) step(first);
    first += epoch.batch;
  });
  plan.together(*lease, threads, [&] {
    for (; first < epoch.count && !stopped; first += epoch.batch) step(first);
  });
  return done;
}

}  // namespace fastconv

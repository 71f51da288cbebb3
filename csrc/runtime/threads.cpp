#include "runtime/threads.h"

#include <omp.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <stdexcept>
#include <string>

namespace fastconv {
namespace {

constexpr int kMaxTeam = 256;
constexpr double kSerialBelow = 12'000;  // nanoseconds of work that a team is not worth waking for
constexpr double kShare = 5'000;         // ... and the least that is worth one thread

std::atomic<int> chosen{0};
std::atomic<bool> team_exists{false};  // this process has run a parallel region
std::atomic<bool> orphaned{false};     // ... and this is a forked child of such a process

// libgomp's team does not survive fork; a child that inherits one would wait for it for ever. The
// same bits come from one thread.
void in_child() {
  if (team_exists.load()) orphaned.store(true);
}

// A thread's share of the tasks. Shares are contiguous, so that a thread meets the same images in
// step after step; who has finished takes from the others.
struct alignas(64) Share {
  std::atomic<std::int64_t> next;
  std::int64_t end;
};

}  // namespace

int num_threads() {
  const int count = chosen.load();
  return count > 0 ? count : std::clamp(omp_get_max_threads(), 1, kMaxTeam);
}

void set_num_threads(int count) {
  if (count < 1 || count > kMaxTeam)
    throw std::invalid_argument("the number of threads must be from 1 to " +
                                std::to_string(kMaxTeam) + ", got " + std::to_string(count));
  chosen.store(count);
}

void Threads::run(std::int64_t tasks, double work, const void* f, Body body) const {
  const auto worth = static_cast<std::int64_t>(work / kShare);
  const int team = static_cast<int>(std::min<std::int64_t>({count_, tasks, worth, kMaxTeam}));
  if (team <= 1 || work < kSerialBelow || orphaned.load(std::memory_order_relaxed)) {
    for (std::int64_t task = 0; task < tasks; ++task) body(f, task, workspace_);
    return;
  }
  static std::once_flag registered;
  std::call_once(registered, [] { pthread_atfork(nullptr, nullptr, in_child); });
  team_exists.store(true, std::memory_order_relaxed);

  Share shares[kMaxTeam];
  for (int i = 0; i < team; ++i) {
    shares[i].next.store(tasks * i / team, std::memory_order_relaxed);
    shares[i].end = tasks * (i + 1) / team;
  }
#pragma omp parallel num_threads(team)
  {
    const int self = omp_get_thread_num();
    std::byte* workspace = workspace_ + static_cast<std::size_t>(self) * stride_;
    for (int k = 0; k < team; ++k) {
      Share& share = shares[(self + k) % team];
      for (;;) {
        const std::int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end) break;
        body(f, task, workspace);
      }
    }
  }
}

}  // namespace fastconv

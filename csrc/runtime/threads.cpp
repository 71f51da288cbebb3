#include "runtime/threads.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "runtime/cpus.h"

namespace fastconv {
namespace {

constexpr int kMaxTeam = 256;
constexpr double kSerialBelow = 8'000;  // nanoseconds of work that are not worth a second thread
constexpr double kShare = 4'000;        // ... and the least that is worth one thread
constexpr int kSpins = 4'000;           // tens of microseconds of waiting before going to sleep

std::atomic<int> chosen{0};

// Helpers are threads of an OpenMP region that lasts, which puts them where OMP_PLACES says. But
// OpenMP does not survive fork, and ThreadSanitizer does not know it: there, helpers are plain
// threads.
#ifdef __SANITIZE_THREAD__
std::atomic<bool> own_threads{true};
#else
std::atomic<bool> own_threads{false};
#endif

// For tests of threads: loops are shared however short they are.
bool shares_every_loop() noexcept {
  const char* wanted = std::getenv("FASTCONV_SHARE");
  return wanted != nullptr && std::string_view(wanted) == "all";
}

int default_threads() {
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  const bool valid = wanted != nullptr && std::strtol(wanted, nullptr, 10) > 0;
  const int count = valid ? omp_get_max_threads() : usable_cpus();
  return std::clamp(count, 1, kMaxTeam);
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A thread's share of the tasks. Shares are contiguous, so that a thread meets the same images in
// step after step; who has finished takes from the others.
struct alignas(64) Share {
  std::atomic<std::int64_t> next;
  std::int64_t end;
};

struct Loop {
  const void* f;
  void (*body)(const void* f, std::int64_t task, std::byte* workspace);
  std::int64_t tasks;
  std::byte* workspace;
  std::size_t stride;
  int team;
};

}  // namespace

// One thread leads; the others help with whatever loop is open, and sleep where there is none for
// a while. A helper that the system has put aside holds nobody up unless it is in the middle of a
// task: the leader waits for those who are inside a loop, not for those who never came.
class Team {
 public:
  explicit Team(int count)
      : count_(count), spins_(count <= omp_get_num_procs() ? kSpins : kSpins / 100) {}

  int count() const { return count_; }
  bool of_this_process() const { return process_ == getpid(); }

  void lead(const Loop& loop) {
    for (int i = 0; i < loop.team; ++i) {
      shares_[i].next.store(loop.tasks * i / loop.team, std::memory_order_relaxed);
      shares_[i].end = loop.tasks * (i + 1) / loop.team;
    }
    loop_.store(&loop);
    team_.store(loop.team, std::memory_order_relaxed);
    generation_.fetch_add(1);
    if (asleep_.load() > 0) generation_.notify_all();
    run(loop, 0);
    loop_.store(nullptr);  // a helper counts itself in before it looks for a loop
    for (int i = 0; inside_.load() != 0; ++i)
      i < spins_ ? pause() : static_cast<void>(sched_yield());
  }

  void dismiss() {
    dismissed_.store(true);
    dismissed_.notify_all();
    generation_.fetch_add(1);
    generation_.notify_all();
  }

  // Until the team is dismissed.
  void help(int self) {
    for (;;) {
      const std::uint32_t seen = generation_.load();
      if (dismissed_.load()) return;
      if (self < team_.load(std::memory_order_relaxed)) {  // others do not touch what leaders watch
        inside_.fetch_add(1);
        if (const Loop* loop = loop_.load()) run(*loop, self);
        inside_.fetch_sub(1);
      }
      for (int i = 0; i < spins_ && generation_.load(std::memory_order_relaxed) == seen; ++i)
        pause();
      if (generation_.load() != seen) continue;
      asleep_.fetch_add(1);
      generation_.wait(seen);
      asleep_.fetch_sub(1);
    }
  }

  // The region's first thread stands where the leader does: it sleeps.
  void open_region() {
#pragma omp parallel num_threads(count_)
    {
      const int self = omp_get_thread_num();
      if (self > 0)
        help(self);
      else
        dismissed_.wait(false);
    }
  }

 private:
  void run(const Loop& loop, int self) {
    if (self >= loop.team) return;
    std::byte* workspace = loop.workspace + static_cast<std::size_t>(self) * loop.stride;
    for (int k = 0; k < loop.team; ++k) {
      Share& share = shares_[(self + k) % loop.team];
      for (;;) {
        const std::int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end) break;
        loop.body(loop.f, task, workspace);
      }
    }
  }

  const int count_, spins_;
  const pid_t process_ = getpid();
  Share shares_[kMaxTeam];
  alignas(64) std::atomic<const Loop*> loop_{nullptr};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> team_{0};  // of the last loop: threads that may take part
  alignas(64) std::atomic<int> inside_{0};
  std::atomic<int> asleep_{0};
  std::atomic<bool> dismissed_{false};
};

namespace {

// What a thread of a team does.
struct Helper {
  std::shared_ptr<Team> team;
  int self;
  void operator()() const { team->help(self); }
};
struct Region {
  std::shared_ptr<Team> team;
  void operator()() const { team->open_region(); }
};

// Whether the system starts so many threads. OpenMP's runtime ends the process where it does not.
bool can_start(int count) {
  std::atomic<bool> told{false};
  bool all = true;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(count));
  try {
    while (static_cast<int>(threads.size()) < count)
      threads.emplace_back([&told] { told.wait(false); });
  } catch (const std::system_error&) {
    all = false;
  } catch (const std::bad_alloc&) {
    all = false;
  }
  told.store(true);
  told.notify_all();
  for (std::thread& thread : threads) thread.join();
  return all;
}

// A team of `count`, the leader among them. Helpers that cannot be had are missing.
std::shared_ptr<Team> gather(int count) {
  auto team = std::make_shared<Team>(count);
  try {
    if (own_threads.load() || !can_start(count)) {
      for (int self = 1; self < count; ++self) std::thread(Helper{team, self}).detach();
    } else {
      std::thread(Region{team}).detach();
    }
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
  return team;
}

// Teams that nobody leads at the moment. Those of a process that this one was forked from have no
// helpers here, and helpers may have been asleep in them: they are left as they are.
struct Bench {
  std::mutex mutex;
  std::vector<std::shared_ptr<Team>> teams;

  std::shared_ptr<Team> take(int count) {
    std::vector<std::shared_ptr<Team>> others;  // of an earlier number of threads
    {
      const std::lock_guard lock(mutex);
      const auto found = std::find_if(teams.begin(), teams.end(),
                                      [&](const auto& team) { return team->count() == count; });
      if (found != teams.end()) {
        std::shared_ptr<Team> team = std::move(*found);
        teams.erase(found);
        return team;
      }
      others.swap(teams);
    }
    for (const auto& team : others) team->dismiss();
    return gather(count);
  }
  void give_back(std::shared_ptr<Team> team) {
    if (!team->of_this_process()) {
      new std::shared_ptr<Team>(std::move(team));
      return;
    }
    const std::lock_guard lock(mutex);
    teams.push_back(std::move(team));
  }
};
// Never destroyed: helpers and daemon threads may be there to the end.
alignas(Bench) std::byte bench_storage[sizeof(Bench)];
Bench& bench = *new (bench_storage) Bench;

void after_fork() {
  own_threads.store(true);
  new std::vector<std::shared_ptr<Team>>(std::move(bench.teams));
  bench.teams.clear();
  bench.mutex.unlock();
}

int threads_at_import() noexcept {
  pthread_atfork([] { bench.mutex.lock(); }, [] { bench.mutex.unlock(); }, after_fork);
  try {
    return default_threads();
  } catch (...) {  // no memory to read what the system says
    return 1;
  }
}
const int at_import = threads_at_import();
const bool share_all = shares_every_loop();

}  // namespace

int num_threads() {
  const int count = chosen.load();
  return count > 0 ? count : at_import;
}

void set_num_threads(int count) {
  if (count < 1 || count > kMaxTeam)
    throw std::invalid_argument("the number of threads must be from 1 to " +
                                std::to_string(kMaxTeam) + ", got " + std::to_string(count));
  chosen.store(count);
}

void Threads::run(std::int64_t tasks, double work, const void* f, Body body) const {
  const bool serial = work < kSerialBelow && !share_all;
  const auto worth = share_all ? tasks : static_cast<std::int64_t>(work / kShare);
  const int team = static_cast<int>(std::min<std::int64_t>({count_, tasks, worth, kMaxTeam}));
  if (team <= 1 || serial) {
    for (std::int64_t task = 0; task < tasks; ++task) body(f, task, workspace_);
    return;
  }
  wanted_ = true;
  const Loop loop{f, body, tasks, workspace_, stride_, team};
  if (team_ != nullptr) {
    team_->lead(loop);
  } else {
    Threads own = *this;
    own.together([&] { own.team_->lead(loop); });
  }
}

void Threads::stand_by(const void* f, void (*body)(const void* f)) {
  if (team_ != nullptr || count_ <= 1) {
    body(f);
    return;
  }
  std::shared_ptr<Team> team = bench.take(count_);
  team_ = team.get();
  const auto leave = [&] {
    team_ = nullptr;
    bench.give_back(std::move(team));
  };
  try {
    body(f);
  } catch (...) {
    leave();
    throw;
  }
  leave();
}

}  // namespace fastconv

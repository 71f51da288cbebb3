// A team of threads, with a workspace for each. threads.cpp holds the only use of OpenMP.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastconv {

// The number of threads that parallel_for uses: OMP_NUM_THREADS or the CPUs that this process may
// use at import, then whatever set_num_threads said last.
int num_threads();
void set_num_threads(int count);  // throws std::invalid_argument below 1, above 256

class Team;  // threads that stand by through many loops

class Threads {
 public:
  // `workspace` holds `count` slices of `stride` bytes, 64-byte aligned.
  Threads(int count, std::byte* workspace, std::size_t stride)
      : count_(count), workspace_(workspace), stride_(stride) {}

  int count() const { return count_; }

  // Calls body(task, workspace) once for every task in [0, tasks), in any order on any thread.
  // `work` is an estimate in nanoseconds of the whole on one thread: below some microseconds
  // everything runs on the calling thread alone. body must not throw.
  template <class F>
  void parallel_for(std::int64_t tasks, double work, const F& body) const {
    run(tasks, work, &body, [](const void* f, std::int64_t task, std::byte* workspace) {
      (*static_cast<const F*>(f))(task, workspace);
    });
  }

  // Runs body() on this thread while the others stand by, so that the loops in it need no parallel
  // region of their own.
  template <class F>
  void together(const F& body) {
    stand_by(&body, [](const void* f) { (*static_cast<const F*>(f))(); });
  }

  // Whether any loop so far was worth more than one thread.
  bool wanted() const { return wanted_; }

 private:
  using Body = void (*)(const void* f, std::int64_t task, std::byte* workspace);
  void run(std::int64_t tasks, double work, const void* f, Body body) const;
  void stand_by(const void* f, void (*body)(const void* f));

  int count_;
  std::byte* workspace_;
  std::size_t stride_;
  Team* team_ = nullptr;
  mutable bool wanted_ = false;
};

}  // namespace fastconv

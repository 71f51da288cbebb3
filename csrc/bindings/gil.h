// Work without the GIL.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

namespace fastconv {

// Gives the GIL up for its lifetime. When the interpreter ends, Python before 3.14 unwinds the
// stack of a daemon thread that asks for the GIL, which no OpenMP region and no destructor
// survives: such a thread stops in here and waits for the end of the process.
class WithoutGil {
 public:
  WithoutGil() : state_(PyEval_SaveThread()) {}
  ~WithoutGil() {
    guard([&] { PyEval_RestoreThread(state_); });
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

  // The result of f(), called with the GIL on the thread that gave it up. f must not throw.
  template <class F>
  bool with_gil(const F& f) {
    bool result = false;
    guard([&] {
      PyEval_RestoreThread(state_);
      result = f();
      state_ = PyEval_SaveThread();
    });
    return result;
  }

 private:
  friend void run_with_gil(const auto& f);

  template <class F>
  static void guard(const F& f) noexcept {
    try {
      f();
    } catch (...) {
      for (;;) pause();
    }
  }

  PyThreadState* state_;
};

// f(), called with the GIL on whichever thread this is. f must not throw.
void run_with_gil(const auto& f) {
  WithoutGil::guard([&] {
    const PyGILState_STATE state = PyGILState_Ensure();
    f();
    PyGILState_Release(state);
  });
}

}  // namespace fastconv

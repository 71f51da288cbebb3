// The topics of the Python module; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

namespace fastconv {

void init_host_function(pybind11::module_& m);  // before any plan is made
void init_machine(pybind11::module_& m);        // ISA, threads, measured peaks
void init_plan(pybind11::module_& m);

// What a step that called Python raised, on this thread and while this object lives.
class HostError {
 public:
  HostError();
  ~HostError();
  HostError(const HostError&) = delete;
  HostError& operator=(const HostError&) = delete;
  void keep();   // the exception that is set now, unless there is one already
  void raise();  // throws what was kept, if anything; with the GIL

 private:
  HostError* before_;
  std::optional<pybind11::error_already_set> error_;
};

}  // namespace fastconv

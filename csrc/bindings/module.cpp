#include <cstdlib>

#include "bindings/bindings.h"
#include "dispatch/dispatch.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "fastconv's C++ core: plans, their operations and the machine they run on.";
  const char* wanted = std::getenv("FASTCONV_ISA");
  try {
    fastconv::choose_isa(wanted == nullptr ? "" : wanted);
  } catch (const std::runtime_error& error) {
    throw pybind11::import_error(error.what());
  }
  fastconv::init_host_function(m);
  fastconv::init_machine(m);
  fastconv::init_plan(m);
}

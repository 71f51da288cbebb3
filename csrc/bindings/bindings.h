// The topics of the Python module; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace fastconv {

void init_machine(pybind11::module_& m);  // ISA, threads, measured peaks
void init_plan(pybind11::module_& m);

}  // namespace fastconv

#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bindings/bindings.h"
#include "bindings/gil.h"
#include "dispatch/dispatch.h"
#include "ops/convolution.h"
#include "ops/op.h"
#include "runtime/arena.h"
#include "runtime/cpus.h"
#include "runtime/threads.h"

namespace py = pybind11;

namespace fastconv {
namespace {

using Clock = std::chrono::steady_clock;

// The best of several tries, in units of work per nanosecond, on `count` threads at once.
template <class F>
double best_rate(int count, int tries, double work_per_task, const F& task) {
  const Threads threads(count, nullptr, 0);
  double best = 0;
  for (int i = 0; i < tries; ++i) {
    const auto start = Clock::now();
    threads.parallel_for(count, 1e9, task);
    const double elapsed = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    best = std::max(best, work_per_task * count / elapsed);
  }
  return best;
}

py::dict measure_peaks(int count) {
  if (count < 1) throw std::invalid_argument("count must be at least 1");
  const KernelTable& k = kernels();
  constexpr std::int64_t kRounds = 400'000, kFloats = 8 << 20;
  double gflops = 0, gbytes = 0;
  {
    const WithoutGil without_gil;
    std::vector<float> sink(static_cast<std::size_t>(count) * 16);
    const double work = static_cast<double>(k.peak.multiply_add(1, sink.data())) * kRounds;
    gflops = best_rate(count, 5, work, [&](std::int64_t task, std::byte*) {
      k.peak.multiply_add(kRounds, &sink[static_cast<std::size_t>(task) * 16]);
    });
    const Arena data(static_cast<std::size_t>(count) * kFloats * sizeof(float));
    float* floats = reinterpret_cast<float*>(data.data());
    std::fill_n(floats, static_cast<std::size_t>(count) * kFloats, 1.0f);
    gbytes = best_rate(count, 5, kFloats * sizeof(float), [&](std::int64_t task, std::byte*) {
      sink[static_cast<std::size_t>(task) * 16] += k.peak.read(floats + task * kFloats, kFloats);
    });
  }
  py::dict result;
  result["gflops"] = gflops;
  result["gbytes_per_second"] = gbytes;
  return result;
}

}  // namespace

void init_machine(py::module_& m) {
  m.def("isa", [] { return std::string(kernels().isa); }, "The ISA whose kernels run.");
  m.def("vector_width", [] { return kernels().width; }, "Floats in a vector of that ISA.");
  m.def("available_isas", &available_isas, "The ISAs this machine can run, least first.");
  m.def("cpu_quota", &cpu_quota, py::arg("groups") = "/proc/self/cgroup",
        py::arg("mount") = "/sys/fs/cgroup",
        "CPUs' worth of time that control groups allow, rounded up; 0: no limit.");
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("count"));
  m.def("set_conv_algorithm", &set_conv_algorithm, py::arg("name"));
  m.def("conv_algorithm", &conv_algorithm);
  m.def("set_conv_precision", &set_conv_precision, py::arg("name"));
  m.def("conv_precision", &conv_precision);
  m.def("op_names", &op_names, "The operations that a plan can be made of.");
  m.def("measure_peaks", &measure_peaks, py::arg("threads"),
        "Measured GFLOP/s of float32 multiply-adds and GB/s of reading memory, on `threads` "
        "threads.");
}

}  // namespace fastconv

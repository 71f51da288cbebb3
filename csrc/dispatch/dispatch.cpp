#include "dispatch/dispatch.h"

#include <stdexcept>

namespace fastconv {

#if defined(__x86_64__)
namespace sse42 {
void fill(KernelTable&);
}
namespace avx2 {
void fill(KernelTable&);
}
namespace avx512 {
void fill(KernelTable&);
}
// Kernels in bfloat16 that use AVX512_BF16.
namespace avx512bf16 {
void fill_bf16(KernelTable&);
}
namespace zen4 {
void fill_inner_product(KernelTable&);
}
#else
namespace neon {
void fill(KernelTable&);
}
#endif

namespace {

struct Isa {
  const char* name;
  bool (*supported)();
  void (*fill)(KernelTable&);
};

#if defined(__x86_64__)
// __builtin_cpu_supports also asks whether the operating system saves the registers.
bool has_sse42() {
  return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
         __builtin_cpu_supports("popcnt");
}
bool has_avx2() {
  return has_sse42() && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
void fill_avx512bf16(KernelTable& t) {
  avx512::fill(t);
  avx512bf16::fill_bf16(t);
  t.isa = "avx512bf16";
}
// AMD's cores with AVX-512 (Zen 4, Zen 5) have adders beside the units of multiply-adds, Intel's
// add in the units of multiply-adds.
bool has_zen4() { return has_avx512bf16() && __builtin_cpu_is("amd"); }
void fill_zen4(KernelTable& t) {
  fill_avx512bf16(t);
  zen4::fill_inner_product(t);
  t.isa = "zen4";
}
constexpr Isa kIsas[] = {{"sse42", has_sse42, sse42::fill},
                         {"avx2", has_avx2, avx2::fill},
                         {"avx512", has_avx512, avx512::fill},
                         {"avx512bf16", has_avx512bf16, fill_avx512bf16},
                         {"zen4", has_zen4, fill_zen4}};
#else
bool has_neon() { return true; }
constexpr Isa kIsas[] = {{"neon", has_neon, neon::fill}};
#endif

KernelTable chosen;

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

const std::vector<std::string>& available_isas() {
  static const std::vector<std::string> names = [] {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    std::vector<std::string> found;
    for (const Isa& isa : kIsas)
      if (isa.supported()) found.emplace_back(isa.name);
    return found;
  }();
  return names;
}

void choose_isa(std::string_view wanted) {
  const auto& names = available_isas();
  if (names.empty())
    throw std::runtime_error(
        "this CPU is too old for fastconv: it needs SSE4.2 and POPCNT (x86-64-v2, 2009 or later)");
  const std::string_view name = wanted.empty() ? std::string_view(names.back()) : wanted;
  for (const auto& available : names)
    if (available == name)
      for (const Isa& isa : kIsas)
        if (name == isa.name) {
          isa.fill(chosen);
          return;
        }
  throw std::runtime_error("FASTCONV_ISA=" + std::string(name) +
                           " is not available here; this machine can run: " + joined(names));
}

const KernelTable& kernels() { return chosen; }

}  // namespace fastconv

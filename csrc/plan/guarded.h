// Under AddressSanitizer, a step of a plan may touch its own operands alone: the arena is one block
// of memory, in which the sanitizer would see nothing otherwise.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FASTCONV_GUARDED
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FASTCONV_GUARDED
#endif

#ifdef FASTCONV_GUARDED
#include <sanitizer/asan_interface.h>

#include <cstddef>

#include "runtime/arena.h"

namespace fastconv {

class GuardedArena {
 public:
  explicit GuardedArena(const Arena& arena) : arena_(arena) {
    __asan_poison_memory_region(arena.data(), arena.bytes());
  }
  ~GuardedArena() { __asan_unpoison_memory_region(arena_.data(), arena_.bytes()); }
  GuardedArena(const GuardedArena&) = delete;
  GuardedArena& operator=(const GuardedArena&) = delete;

  void open(void* data, std::size_t bytes) const {
    auto* first = static_cast<std::byte*>(data);
    if (first >= arena_.data() && first < arena_.data() + arena_.bytes())
      __asan_unpoison_memory_region(data, bytes);
  }

 private:
  const Arena& arena_;
};

}  // namespace fastconv
#endif

// Numbers of other types as int32: floats are truncated, what is beyond int32 becomes its limit,
// and NaN the lower one.
#pragma once

#include <cstdint>

namespace fastconv {

[[gnu::always_inline]] inline std::int32_t to_int(float x) {
  constexpr float kLimit = 0x1p31f;
  return x >= kLimit ? INT32_MAX : x >= -kLimit ? static_cast<std::int32_t>(x) : INT32_MIN;
}
[[gnu::always_inline]] inline std::int32_t to_int(double x) {
  return x >= 0x1p31 ? INT32_MAX : x >= -0x1p31 ? static_cast<std::int32_t>(x) : INT32_MIN;
}

}  // namespace fastconv

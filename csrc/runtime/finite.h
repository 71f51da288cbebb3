// Whether numbers are finite.
#pragma once

#include <bit>
#include <cstdint>

namespace fastconv {

inline bool all_finite(const float* x, std::int64_t count) {
  constexpr std::uint32_t kExponent = 0x7f800000u;  // all of its bits: infinity or NaN
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i)
    found |=
        static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(x[i]) & kExponent) == kExponent);
  return found == 0;
}

}  // namespace fastconv

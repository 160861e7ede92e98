//===- Pattern.h - Test numbers -------------------------------------------===//

#ifndef BIGMAC_CTS_PATTERN_H
#define BIGMAC_CTS_PATTERN_H

#include <cstdint>
#include <vector>

namespace bigmac::rt::cts {

/// Numbers in (-1, 1), the same everywhere.
inline std::vector<float> pattern(uint64_t count, uint32_t seed) {
  std::vector<float> values(count);
  uint32_t state = seed * 2654435761u + 1;
  for (float &value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state)) / 2147483648.0f;
  }
  return values;
}

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_PATTERN_H

//===- BFloat16.h - The upper half of a float -----------------------------===//

#ifndef BIGMAC_RT_BFLOAT16_H
#define BIGMAC_RT_BFLOAT16_H

#include <bit>
#include <cstdint>

namespace bigmac::rt {

inline float fromBFloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

/// To the nearest, ties to even; NaN stays NaN. Without branches, so that loops of it vectorise.
inline uint16_t toBFloat16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  uint32_t quiet = bits >> 16 | 0x40;
  return static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
}

} // namespace bigmac::rt

#endif // BIGMAC_RT_BFLOAT16_H

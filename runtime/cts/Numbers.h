//===- Numbers.h - Values of the types that library calls take ------------===//

#ifndef BIGMAC_CTS_NUMBERS_H
#define BIGMAC_CTS_NUMBERS_H

#include "bigmac-rt/plan.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace bigmac::rt::cts {

inline uint64_t bytesOf(uint32_t type) { return type == BM_F32 ? 4 : 2; }

/// Half a unit in the last place of 1: the largest relative error of rounding.
inline double roundingOf(uint32_t type) {
  return type == BM_F32 ? 0x1p-24 : type == BM_F16 ? 0x1p-11 : 0x1p-8;
}

inline void store(uint32_t type, void *at, float value) {
  if (type == BM_F32) {
    std::memcpy(at, &value, sizeof(value));
    return;
  }
  uint16_t bits;
  if (type == BM_F16) {
    bits = std::bit_cast<uint16_t>(static_cast<_Float16>(value));
  } else {
    auto whole = std::bit_cast<uint32_t>(value);
    bits = static_cast<uint16_t>((whole + 0x7FFF + (whole >> 16 & 1)) >> 16);
  }
  std::memcpy(at, &bits, sizeof(bits));
}

inline float load(uint32_t type, const void *at) {
  float value;
  if (type == BM_F32) {
    std::memcpy(&value, at, sizeof(value));
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return type == BM_F16 ? static_cast<float>(std::bit_cast<_Float16>(bits))
                        : std::bit_cast<float>(uint32_t(bits) << 16);
}

/// Elements of one type; at() and set() convert.
class Values {
public:
  Values(uint32_t type, uint64_t count) : type(type), data(count * bytesOf(type)) {}
  static Values random(uint32_t type, uint64_t count, uint32_t seed) {
    Values values(type, count);
    std::mt19937 generator(seed);
    for (uint64_t i = 0; i < count; ++i)
      values.set(i, static_cast<float>(generator()) * 0x1p-31f - 1);
    return values;
  }
  uint64_t size() const { return data.size() / bytesOf(type); }
  double at(uint64_t i) const { return load(type, data.data() + i * bytesOf(type)); }
  void set(uint64_t i, float value) { store(type, data.data() + i * bytesOf(type), value); }
  bool operator==(const Values &) const = default;

  uint32_t type;
  std::vector<unsigned char> data;
};

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_NUMBERS_H

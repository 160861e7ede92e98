#include "bigmac-rt/Hash.h"

#include <cstring>

namespace bigmac::rt {

namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

uint64_t rotl(uint64_t x, int n) { return (x << n) | (x >> (64 - n)); }

template <typename T> T load(const unsigned char *p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

uint64_t step(uint64_t lane, uint64_t input) { return rotl(lane + input * kPrime2, 31) * kPrime1; }

uint64_t merge(uint64_t acc, uint64_t lane) { return (acc ^ step(0, lane)) * kPrime1 + kPrime4; }

} // namespace

uint64_t hash64(const void *data, size_t size, uint64_t seed) {
  const auto *p = static_cast<const unsigned char *>(data);
  const unsigned char *end = p + size;
  uint64_t acc;
  if (size >= 32) {
    uint64_t a = seed + kPrime1 + kPrime2, b = seed + kPrime2, c = seed, d = seed - kPrime1;
    for (; end - p >= 32; p += 32) {
      a = step(a, load<uint64_t>(p));
      b = step(b, load<uint64_t>(p + 8));
      c = step(c, load<uint64_t>(p + 16));
      d = step(d, load<uint64_t>(p + 24));
    }
    acc = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
    acc = merge(merge(merge(merge(acc, a), b), c), d);
  } else {
    acc = seed + kPrime5;
  }
  acc += size;
  for (; end - p >= 8; p += 8)
    acc = rotl(acc ^ step(0, load<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  if (end - p >= 4) {
    acc = rotl(acc ^ (load<uint32_t>(p) * kPrime1), 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (; p != end; ++p)
    acc = rotl(acc ^ (*p * kPrime5), 11) * kPrime1;
  acc = (acc ^ (acc >> 33)) * kPrime2;
  acc = (acc ^ (acc >> 29)) * kPrime3;
  return acc ^ (acc >> 32);
}

} // namespace bigmac::rt

#include "Shuffle.h"

#include <bit>

namespace bigmac::rt {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t(0xD2511F53u) * c[0], b = uint64_t(0xCD9E8D57u) * c[2];
    c = {uint32_t(b >> 32) ^ c[1] ^ k[0], uint32_t(b), uint32_t(a >> 32) ^ c[3] ^ k[1],
         uint32_t(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

Permutation::Permutation(uint64_t count, uint64_t seed, uint64_t epoch)
    : count(count), seed(seed), epoch(epoch),
      halfBits(count > 1 ? (std::bit_width(count - 1) + 1) / 2 : 1) {}

uint64_t Permutation::operator()(uint64_t index) const {
  uint64_t mask = (uint64_t(1) << halfBits) - 1;
  // The network permutes at most 4 * count numbers, so this takes four turns on average at worst.
  do {
    uint64_t left = index >> halfBits, right = index & mask;
    for (uint32_t round = 0; round < 6; ++round) {
      auto mix = philox({uint32_t(right), round, uint32_t(epoch), uint32_t(epoch >> 32)},
                        {uint32_t(seed), uint32_t(seed >> 32)});
      uint64_t next = left ^ (mix[0] & mask);
      left = right;
      right = next;
    }
    index = left << halfBits | right;
  } while (index >= count);
  return index;
}

uint64_t SampleOrder::sample(uint64_t step, uint64_t index) const {
  uint64_t epoch = step / stepsPerEpoch();
  uint64_t at = step % stepsPerEpoch() * perStep + index;
  return shuffle ? Permutation(samples, seed, epoch)(at) : at;
}

} // namespace bigmac::rt

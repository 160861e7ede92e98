//===- Shuffle.h - The order of samples -----------------------------------===//

#ifndef BIGMAC_RT_SHUFFLE_H
#define BIGMAC_RT_SHUFFLE_H

#include <array>
#include <cstdint>

namespace bigmac::rt {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a pure
/// function of counter and key.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// A permutation of 0 .. count-1 that is computed, not stored: a Feistel network over the next even
/// number of bits whose round function is Philox, walked until it lands below count. So every rank
/// finds any sample of any epoch without state.
class Permutation {
public:
  /// count >= 1.
  Permutation(uint64_t count, uint64_t seed, uint64_t epoch);
  uint64_t operator()(uint64_t index) const;

private:
  uint64_t count, seed, epoch;
  uint32_t halfBits;
};

/// Which sample of the data is used where.
struct SampleOrder {
  uint64_t samples; // in the data
  uint64_t perStep; // replicas * microbatches * samples per microbatch
  bool shuffle = false;
  uint64_t seed = 0;

  uint64_t stepsPerEpoch() const { return samples / perStep; }
  /// The `index`-th sample of step `step` (from 0), index = (replica * microbatches + microbatch) *
  /// samples per microbatch + i. An incomplete last step of an epoch is dropped.
  uint64_t sample(uint64_t step, uint64_t index) const;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_SHUFFLE_H

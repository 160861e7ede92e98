#include "PairwiseComm.h"

#include <algorithm>

namespace bigmac::rt {

/// Elements of one message at most: its bytes fit an int.
static constexpr uint64_t kMostElements = 1 << 28;

void PairwiseComm::reduceScatter(Device &device, const ShardedRegion &region) {
  uint32_t count = region.group.size();
  if (count == 1)
    return;
  device.synchronize();
  // In pieces of a shard, as scratch allows: the others' pieces of my shard come into scratch.
  uint64_t most = region.scratchElements / (count - 1) / BM_SHARD_ALIGN * BM_SHARD_ALIGN;
  most = std::min(most, kMostElements);
  sources.resize(count);
  for (uint64_t begin = 0; begin < region.shardElements; begin += most) {
    uint64_t n = std::min(most, region.shardElements - begin);
    auto piece = [&](uint32_t shard) { return region.data + shard * region.shardElements + begin; };
    float *incoming = region.scratch;
    for (uint32_t j = 0; j < count; ++j) {
      if (j == region.self) {
        sources[j] = piece(j);
        continue;
      }
      post(false, incoming, n * sizeof(float), region.group[j], "gradients");
      sources[j] = incoming;
      incoming += most;
    }
    // Spread, so that not all send to the same rank first.
    for (uint32_t step = 1; step < count; ++step) {
      uint32_t j = (region.self + step) % count;
      post(true, piece(j), n * sizeof(float), region.group[j], "gradients");
    }
    finishPosted();
    device.sum(piece(region.self), sources, n);
    device.synchronize(); // the next piece comes into the same scratch
  }
}

void PairwiseComm::allGather(Device &device, const ShardedRegion &region) {
  uint32_t count = region.group.size();
  if (count == 1)
    return;
  device.synchronize();
  for (uint64_t begin = 0; begin < region.shardElements; begin += kMostElements) {
    uint64_t bytes = std::min(kMostElements, region.shardElements - begin) * sizeof(float);
    for (bool sends : {false, true})
      for (uint32_t step = 1; step < count; ++step) {
        uint32_t j = (region.self + step) % count;
        float *shard = region.data + (sends ? region.self : j) * region.shardElements + begin;
        post(sends, shard, bytes, region.group[j], "parameters");
      }
    finishPosted();
  }
}

} // namespace bigmac::rt

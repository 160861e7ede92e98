#include "PairwiseComm.h"

#include <algorithm>

namespace bigmac::rt {

/// Of one message: fits an int.
static constexpr uint64_t kMostBytes = 1 << 30;

void PairwiseComm::reduceScatter(Device &device, const ShardedRegion &region) {
  uint32_t count = region.group.size();
  if (count == 1)
    return;
  device.synchronize();
  // In pieces of a shard, as scratch allows: the others' pieces of my shard come into scratch.
  uint64_t width = region.elementBytes();
  uint64_t unit = BM_SHARD_ALIGN * width;
  uint64_t most = std::min(region.scratchBytes / (count - 1), kMostBytes) / unit * unit;
  sources.resize(count);
  for (uint64_t begin = 0; begin < region.shardBytes(); begin += most) {
    uint64_t n = std::min(most, region.shardBytes() - begin);
    auto piece = [&](uint32_t shard) { return region.shard(shard) + begin; };
    auto *incoming = static_cast<unsigned char *>(region.scratch);
    for (uint32_t j = 0; j < count; ++j) {
      if (j == region.self) {
        sources[j] = piece(j);
        continue;
      }
      post(false, incoming, n, region.group[j], "gradients");
      sources[j] = incoming;
      incoming += most;
    }
    // Spread, so that not all send to the same rank first.
    for (uint32_t step = 1; step < count; ++step) {
      uint32_t j = (region.self + step) % count;
      post(true, piece(j), n, region.group[j], "gradients");
    }
    finishPosted();
    device.sum(piece(region.self), sources, n / width, region.type);
    device.synchronize(); // the next piece comes into the same scratch
  }
}

void PairwiseComm::allGather(Device &device, const ShardedRegion &region) {
  uint32_t count = region.group.size();
  if (count == 1)
    return;
  device.synchronize();
  for (uint64_t begin = 0; begin < region.shardBytes(); begin += kMostBytes) {
    uint64_t bytes = std::min(kMostBytes, region.shardBytes() - begin);
    for (bool sends : {false, true})
      for (uint32_t step = 1; step < count; ++step) {
        uint32_t j = (region.self + step) % count;
        post(sends, region.shard(sends ? region.self : j) + begin, bytes, region.group[j],
             "parameters");
      }
    finishPosted();
  }
}

} // namespace bigmac::rt

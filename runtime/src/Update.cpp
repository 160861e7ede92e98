#include "Update.h"

#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanWriter.h"

#include <numeric>

namespace bigmac::rt {

Update::Update(const PlanView &plan, const Holdings &holdings, Device &device, Comm &comm)
    : holdings(holdings), device(device), comm(comm),
      scratchOffset(plan.ranks()[holdings.pipelineRank].scratch_offset),
      scratchBytes(plan.ranks()[holdings.pipelineRank].scratch_bytes),
      squares(static_cast<double *>(device.hostMemory(holdings.trained.size() * sizeof(double)))) {
  for (const HeldClass &held : holdings.trained)
    comm.prepareGroup(held.group);
}

ShardedRegion Update::region(const HeldClass &held, uint64_t offset, bm_dtype type) {
  return {held.group,
          held.self,
          device.address(offset),
          held.shardElements,
          device.address(scratchOffset),
          scratchBytes,
          type};
}

void Update::sumGradients() {
  comm.setOperation("gradient sums");
  for (const HeldClass &held : holdings.trained)
    comm.reduceScatter(device, region(held, held.at.grad_offset, held.gradType));
}

double Update::sumSquares() {
  for (size_t i = 0; i < holdings.trained.size(); ++i) {
    const HeldClass &held = holdings.trained[i];
    uint64_t shard = held.self * held.shardElements * elementBytes(held.gradType);
    device.sumSquares(&squares[i], held.at.grad_offset + shard, held.shardElements, held.gradType);
  }
  device.synchronize();
  return std::accumulate(squares, squares + holdings.trained.size(), 0.0);
}

void Update::step(const AdamW &how) {
  for (const Segment &s : holdings.segments) {
    if (!s.trained)
      continue;
    AdamW mine = how;
    if (!s.decays)
      mine.weightDecay = 0;
    device.adamW(mine, s.at);
  }
}

void Update::gatherParameters() {
  comm.setOperation("gathering parameters");
  for (const HeldClass &held : holdings.trained)
    comm.allGather(device, region(held, held.at.param_offset, held.type));
}

uint64_t Update::weightsHash() {
  comm.setOperation("hashing weights");
  std::string mine;
  std::vector<unsigned char> bytes;
  for (const Segment &s : holdings.segments) {
    bytes.resize(s.at.elements * elementBytes(s.at.paramType));
    device.download(bytes.data(), s.at.param, bytes.size());
    device.synchronize();
    uint64_t hash = hash64(bytes.data(), bytes.size());
    mine.append(reinterpret_cast<const char *>(&hash), sizeof(hash));
  }
  std::string all;
  for (const std::string &text : comm.gather(mine))
    all += text;
  return hash64(all.data(), all.size());
}

} // namespace bigmac::rt

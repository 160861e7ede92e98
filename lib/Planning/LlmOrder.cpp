//===- LlmOrder.cpp - Orders of the LLM's forwards and backwards ----------===//

#include "LlmOrder.h"

#include <algorithm>

namespace bigmac::planning {

uint64_t interleavedWarmup(const Workload &workload, uint32_t rank, uint32_t extra) {
  RankRange llm = workload.ranksOf(Component::Llm);
  uint64_t behind = llm.last() - rank;
  if (workload.chunks == 1)
    return behind + extra;
  return 2 * behind + uint64_t(workload.chunks - 1) * llm.count + extra;
}

std::vector<Action> interleavedOrder(const Workload &workload, uint32_t rank, uint64_t warmup) {
  const uint64_t ranks = workload.ranksOf(Component::Llm).count, chunks = workload.chunks;
  const uint64_t padded = uint64_t(workload.unitsOf(Component::Llm)) * ranks * chunks;
  std::vector<Action> order;
  order.reserve(2 * uint64_t(workload.microbatches) * chunks);

  auto microbatchOf = [&](uint64_t k) { return k / (ranks * chunks) * ranks + k % ranks; };
  // Microbatches that only pad the last group are never visited: there may be many more of them
  // than real ones. `k` itself where it is real.
  auto real = [&](uint64_t k) {
    return k < padded && microbatchOf(k) >= workload.microbatches ? (k / ranks + 1) * ranks : k;
  };
  auto emit = [&](Phase phase, uint64_t k) {
    uint64_t chunk = k % (ranks * chunks) / ranks;
    if (phase == Phase::Backward)
      chunk = chunks - 1 - chunk;
    uint32_t stage = workload.stageOf(rank, static_cast<uint32_t>(chunk));
    if (phase == Phase::Forward || workload.stageBackward[stage])
      order.push_back(
          Action::llm(phase, static_cast<uint32_t>(chunk), static_cast<uint32_t>(microbatchOf(k))));
  };

  uint64_t forward = real(0);
  for (uint64_t backward = real(0); backward < padded; backward = real(backward + 1)) {
    for (; forward < padded && forward <= warmup + backward; forward = real(forward + 1))
      emit(Phase::Forward, forward);
    emit(Phase::Backward, backward);
  }
  for (; forward < padded; forward = real(forward + 1))
    emit(Phase::Forward, forward);
  return order;
}

std::vector<Action> gpipeOrder(const Workload &workload, uint32_t rank) {
  std::vector<Action> order;
  for (uint32_t m = 0; m < workload.microbatches; ++m)
    order.push_back(Action::llm(Phase::Forward, 0, m));
  if (workload.stageBackward[workload.stageOf(rank, 0)])
    for (uint32_t m = 0; m < workload.microbatches; ++m)
      order.push_back(Action::llm(Phase::Backward, 0, m));
  return order;
}

} // namespace bigmac::planning

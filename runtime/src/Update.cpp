#include "Update.h"

#include "GradientOrder.h"
#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanWriter.h"

#include <algorithm>
#include <numeric>

namespace bigmac::rt {

/// Whether `next` begins where `at` ends, in every array.
static bool adjoins(const AdamWShard &at, const AdamWShard &next) {
  auto follows = [&](uint64_t from, uint64_t to, bm_dtype type) {
    return to == from + at.elements * elementBytes(type);
  };
  return at.paramType == next.paramType && at.gradType == next.gradType &&
         at.momentType == next.momentType && follows(at.param, next.param, at.paramType) &&
         follows(at.grad, next.grad, at.gradType) && follows(at.m, next.m, at.momentType) &&
         follows(at.v, next.v, at.momentType) &&
         (at.master == BM_NONE64 ? next.master == BM_NONE64
                                 : follows(at.master, next.master, BM_F32));
}

std::vector<Stretch> stretchesOf(std::vector<const Segment *> segments) {
  std::sort(segments.begin(), segments.end(),
            [](const Segment *a, const Segment *b) { return a->at.param < b->at.param; });
  std::vector<Stretch> stretches;
  for (const Segment *segment : segments) {
    if (!stretches.empty() && stretches.back().decays == segment->decays &&
        adjoins(stretches.back().at, segment->at))
      stretches.back().at.elements += segment->at.elements;
    else
      stretches.push_back({segment->at, segment->decays});
  }
  return stretches;
}

Update::Update(const PlanView &plan, const Holdings &holdings, Device &device, Comm &comm)
    : holdings(holdings), device(device), comm(comm),
      squares(static_cast<double *>(device.hostMemory(holdings.trained.size() * sizeof(double)))) {
  const bm_rank &rank = plan.ranks()[holdings.pipelineRank];
  std::vector<size_t> complete = gradientsComplete(plan, holdings.pipelineRank);
  size_t before = 0; // sums begin in one order on all ranks
  for (uint32_t index : gradientOrder(plan)) {
    auto held = std::find_if(holdings.trained.begin(), holdings.trained.end(),
                             [&](const HeldClass &c) { return c.index == index; });
    if (held == holdings.trained.end())
      continue;
    auto region = [&](uint64_t offset, bm_dtype type) {
      return comm.prepareRegion({held->group, held->self, device.address(offset),
                                 held->shardElements, device.address(rank.scratch_offset),
                                 rank.scratch_bytes, type});
    };
    before = std::max(before, complete[index]);
    classes.push_back({&*held,
                       region(held->at.grad_offset, held->gradType),
                       region(held->at.param_offset, held->type),
                       before,
                       {}});
    std::vector<const Segment *> segments;
    for (const Segment &segment : holdings.segments)
      if (segment.trained && plan.params()[segment.param].class_index == index)
        segments.push_back(&segment);
    classes.back().stretches = stretchesOf(std::move(segments));
  }
}

std::multimap<size_t, Comm::Region> Update::sumsAfter() const {
  std::multimap<size_t, Comm::Region> after;
  for (const Class &each : classes)
    after.emplace(each.completeAfter, each.gradients);
  return after;
}

double Update::sumGradients() {
  comm.setOperation("gradient sums");
  for (size_t i = 0; i < classes.size(); ++i) {
    const HeldClass &held = *classes[i].held;
    comm.endSum(device, classes[i].gradients);
    uint64_t shard = held.self * held.shardElements * elementBytes(held.gradType);
    device.sumSquares(&squares[i], held.at.grad_offset + shard, held.shardElements, held.gradType);
  }
  device.synchronize();
  return std::accumulate(squares, squares + classes.size(), 0.0);
}

void Update::step(const AdamW &how) {
  comm.setOperation("gathering parameters");
  for (const Class &each : classes) {
    for (const Stretch &stretch : each.stretches) {
      AdamW mine = how;
      if (!stretch.decays)
        mine.weightDecay = 0;
      device.adamW(mine, stretch.at);
    }
    comm.beginGather(device, each.parameters);
  }
  for (const Class &each : classes)
    comm.endGather(device, each.parameters);
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

#include "PeerRegions.h"

#include "bigmac-rt/Error.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace bigmac::rt {

using nlohmann::json;

/// What pieces take, two of each peer: so much for a peer, but no more than that in all.
static constexpr uint64_t kPeerBytes = 16 << 20, kMostBytes = 64 << 20;
/// Before the slots: a line of the cache for each number.
static constexpr uint64_t kWordBytes = 2 << 20, kLine = 128;
static constexpr uint32_t kSlots = 2;
/// Calls of a stream between two looks at how far it is.
static constexpr uint64_t kPaceCalls = 200;

/// A peer's numbers: pieces that have arrived, pieces that may come, shards that may come in a
/// gather, those that have.
enum { kArrived, kFreed, kOffered, kGathered, kWords };

static void check(CUresult code, const char *what) { checkCuda(code, what); }

PeerRegions::PeerRegions(CudaDevice &device, PeerMemory &memory, uint32_t self)
    : device(device), memory(memory), cuda(cudaApi()), self(self) {}

PeerRegions::~PeerRegions() {
  for (auto &[number, moved] : regions)
    for (CUevent event : {moved.begun, moved.sent, moved.done})
      cuda.cuEventDestroy(event);
  sendPace.reset();
  sumPace.reset();
  for (CUstream stream : {sends, sums})
    if (stream)
      cuda.cuStreamDestroy(stream);
}

CUdeviceptr PeerRegions::word(CUdeviceptr of, uint64_t place, int which) const {
  return of + (place * kWords + which) * kLine;
}

CUdeviceptr PeerRegions::slot(CUdeviceptr of, uint64_t place, uint32_t piece) const {
  return of + kWordBytes + (place * kSlots + piece % kSlots) * slotBytes;
}

/// `peersHere`: on this machine, so all that share memory compute the same sizes.
void PeerRegions::allocate(uint64_t peersHere) {
  uint64_t bytes = std::min(kPeerBytes * peersHere, kMostBytes);
  slotBytes = bytes / (kSlots * peersHere) / kLine * kLine;
  if (peersHere * kWords * kLine > kWordBytes / 2 || slotBytes == 0)
    throw RuntimeError("expected at most " + std::to_string(kWordBytes / 2 / (kWords * kLine)) +
                       " other ranks on this machine, found " + std::to_string(peersHere));
  block = memory.allocate(kWordBytes + bytes);
  if (!block)
    return;
  for (CUstream *stream : {&sends, &sums})
    check(cuda.cuStreamCreate(stream, CU_STREAM_NON_BLOCKING), "creating a stream");
  uint64_t stride = std::max<uint64_t>(1, kPaceCalls / (4 * peersHere + 4));
  sendPace = std::make_unique<Pace>(cuda, stride);
  sumPace = std::make_unique<Pace>(cuda, stride);
}

std::string PeerRegions::describe(const std::map<Comm::Region, ShardedRegion> &added) {
  json mine = {{"arena", memory.exported(reinterpret_cast<CUdeviceptr>(device.address(0)))},
               {"block", block ? memory.exported(block) : ""},
               {"regions", json::array()}};
  for (const auto &[number, region] : added)
    mine["regions"].push_back(
        {{"group", region.group},
         {"offset", static_cast<char *>(region.data) - static_cast<char *>(device.address(0))},
         {"bytes", region.shardBytes()},
         {"type", static_cast<uint32_t>(region.type)}});
  return mine.dump();
}

/// Two ranks count what passes between them, whichever region it is of: RuntimeError unless they
/// have prepared the regions that they share in one order.
static void checkShared(const std::vector<json> &ranks) {
  struct Prepared {
    const std::vector<uint32_t> *group;
    uint64_t bytes;
    uint32_t type;
    auto operator<=>(const Prepared &) const = default;
  };
  std::set<std::vector<uint32_t>> groups; // one place for each
  std::vector<std::vector<Prepared>> prepared(ranks.size());
  for (size_t rank = 0; rank < ranks.size(); ++rank)
    for (const json &region : ranks[rank]["regions"])
      prepared[rank].push_back(
          {&*groups.insert(region["group"]).first, region["bytes"], region["type"]});
  auto shared = [&](uint32_t rank, uint32_t other) {
    std::vector<Prepared> list;
    for (const Prepared &each : prepared[rank])
      if (std::find(each.group->begin(), each.group->end(), other) != each.group->end())
        list.push_back(each);
    return list;
  };
  std::set<std::pair<uint32_t, uint32_t>> seen;
  for (const auto &group : groups)
    for (uint32_t a : group)
      for (uint32_t b : group)
        if (a < b && seen.insert({a, b}).second && shared(a, b) != shared(b, a))
          throw RuntimeError("ranks " + std::to_string(a) + " and " + std::to_string(b) +
                             " have not prepared the same regions of gradients and parameters in "
                             "the same order");
}

void PeerRegions::connect(const std::map<Comm::Region, ShardedRegion> &added) {
  // Which ranks may share memory with this one, itself included; and whether one of them needs it.
  const char needs = '+';
  std::string machine = memory.isAllowed() ? memory.machine() : "";
  std::vector<uint32_t> here;
  bool isNeeded = false;
  auto machines = memory.exchange(machine + (added.empty() ? "" : std::string(1, needs)));
  for (uint32_t rank = 0; rank < machines.size(); ++rank) {
    std::string &other = machines[rank];
    bool needsIt = other.ends_with(needs);
    if (needsIt)
      other.pop_back();
    if (machine.empty() || other != machine)
      continue;
    here.push_back(rank);
    isNeeded |= needsIt;
  }
  auto placeOf = [&](uint32_t of, uint32_t among) {
    // Each leaves itself out.
    uint64_t place = std::find(here.begin(), here.end(), of) - here.begin();
    return of > among ? place - 1 : place;
  };
  if (!block && isNeeded && here.size() > 1)
    allocate(here.size() - 1);

  std::vector<json> ranks;
  for (const std::string &text : memory.exchange(describe(added)))
    ranks.push_back(json::parse(text));
  checkShared(ranks);
  // The k-th region of a group is the same on all of its ranks.
  std::map<std::vector<uint32_t>, std::map<uint32_t, std::vector<const json *>>> groups;
  for (uint32_t rank = 0; rank < ranks.size(); ++rank)
    for (const json &region : ranks[rank]["regions"])
      groups[region["group"]][rank].push_back(&region);

  std::set<std::vector<uint32_t>> reached;
  for (const auto &[group, members] : groups) {
    if (!members.contains(self) || group.size() < 2 || group.size() > cuda::kMostSources)
      continue;
    bool all = true;
    for (uint32_t rank : group) {
      if (rank == self || !all)
        continue;
      const json &other = ranks[rank];
      all = std::find(here.begin(), here.end(), rank) != here.end() &&
            memory.opened(other["arena"]) && memory.opened(other["block"]);
      if (!all)
        continue;
      Peer &peer = peers[rank];
      peer.arena = memory.opened(other["arena"]);
      peer.block = memory.opened(other["block"]);
      peer.place = placeOf(rank, self);
      peer.placeThere = placeOf(self, rank);
    }
    if (all)
      reached.insert(group);
  }
  std::map<std::vector<uint32_t>, size_t> agreeing;
  for (const std::string &text : memory.exchange(json(reached).dump()))
    for (std::vector<uint32_t> group : json::parse(text))
      ++agreeing[group];

  std::map<std::vector<uint32_t>, size_t> next;
  for (const auto &[number, region] : added) {
    size_t k = next[region.group]++;
    if (agreeing[region.group] != region.group.size())
      continue;
    Moved &moved = regions[number];
    moved.region = region;
    for (uint32_t step = 1; step < region.group.size(); ++step) {
      auto index = static_cast<uint32_t>((region.self + step) % region.group.size());
      uint32_t rank = region.group[index];
      const json &there = *groups[region.group][rank][k];
      Peer &peer = peers[rank];
      moved.parts.push_back(
          {&peer, index,
           peer.arena + there["offset"].get<uint64_t>() + region.self * region.shardBytes()});
    }
    uint64_t flag = kWordBytes / 2 + (regions.size() - 1) * kLine;
    if (flag + kLine > kWordBytes)
      throw RuntimeError("more than " + std::to_string(kWordBytes / 2 / kLine) +
                         " regions of gradients and parameters on one rank");
    moved.flag = block + flag;
    for (CUevent *event : {&moved.begun, &moved.sent, &moved.done})
      check(cuda.cuEventCreate(event, CU_EVENT_DISABLE_TIMING), "creating an event");
  }
}

void PeerRegions::write(CUstream stream, CUdeviceptr at, uint32_t value) {
  check(cuda.cuStreamWriteValue32(stream, at, value, CU_STREAM_WRITE_VALUE_DEFAULT),
        "telling another rank of a sum or gather");
}

/// What was copied to this GPU before the number was written is there once the wait is over: the
/// other end's stream is in order, and NVLink keeps it.
void PeerRegions::await(CUstream stream, CUdeviceptr at, uint32_t value, unsigned how) {
  check(cuda.cuStreamWaitValue32(stream, at, value, how), "waiting for another rank's part");
}

void PeerRegions::push(Moved &moved, Step step, uint64_t begin) {
  queue.push_back({&moved, step, begin});
  ++moved.waiting;
}

void PeerRegions::offer(Comm::Region number) {
  write(device.computeStream(), regions.at(number).flag, 1);
}

void PeerRegions::startSum(Comm::Region number) {
  Moved &moved = regions.at(number);
  push(moved, Step::BeginSum);
  for (uint64_t begin = 0; begin < moved.region.shardBytes(); begin += slotBytes)
    push(moved, Step::Piece, begin);
  push(moved, Step::EndSum);
  feed();
}

void PeerRegions::startGather(Comm::Region number) {
  Moved &moved = regions.at(number);
  check(cuda.cuEventRecord(moved.begun, device.computeStream()), "a gather");
  push(moved, Step::Gather);
  feed();
}

void PeerRegions::feed() {
  if (device.isRecording())
    return; // it would become part of the graph
  for (; !queue.empty(); queue.pop_front()) {
    for (Pace *pace : {sendPace.get(), sumPace.get()}) {
      CUresult code = pace->ready();
      if (code == CUDA_ERROR_NOT_READY)
        return;
      check(code, "the sums and gathers before");
    }
    check(sendPace->issue(sends), "a sum or gather");
    check(sumPace->issue(sums), "a sum or gather");
    put(queue.front());
    --queue.front().moved->waiting;
  }
}

bool PeerRegions::feed(Comm::Region number) {
  feed();
  return regions.at(number).waiting == 0;
}

void PeerRegions::put(const Work &work) {
  Moved &moved = *work.moved;
  switch (work.step) {
  case Step::BeginSum:
    await(sends, moved.flag, 1, CU_STREAM_WAIT_VALUE_EQ);
    write(sends, moved.flag, 0);
    check(cuda.cuEventRecord(moved.begun, sends), "a sum");
    check(cuda.cuStreamWaitEvent(sums, moved.begun, 0), "a sum");
    break;
  case Step::Piece:
    putPiece(moved, work.begin);
    break;
  case Step::EndSum:
    check(cuda.cuEventRecord(moved.sent, sends), "a sum");
    check(cuda.cuEventRecord(moved.done, sums), "a sum");
    break;
  case Step::Gather:
    putGather(moved);
    break;
  }
}

void PeerRegions::putPiece(const Moved &moved, uint64_t begin) {
  const ShardedRegion &region = moved.region;
  uint64_t bytes = std::min(slotBytes, region.shardBytes() - begin);
  sources.assign(region.group.size(), nullptr);
  sources[region.self] = region.shard(region.self) + begin;
  for (const Part &part : moved.parts) {
    Peer &peer = *part.peer;
    await(sends, word(block, peer.place, kFreed), peer.sent - (kSlots - 1),
          CU_STREAM_WAIT_VALUE_GEQ);
    check(cuda.cuMemcpyDtoDAsync(slot(peer.block, peer.placeThere, peer.sent),
                                 reinterpret_cast<CUdeviceptr>(region.shard(part.index) + begin),
                                 bytes, sends),
          "sending gradients to another GPU");
    write(sends, word(peer.block, peer.placeThere, kArrived), ++peer.sent);
    sources[part.index] = reinterpret_cast<void *>(slot(block, peer.place, peer.received));
    await(sums, word(block, peer.place, kArrived), ++peer.received, CU_STREAM_WAIT_VALUE_GEQ);
  }
  device.sumOn(sums, region.shard(region.self) + begin, sources, bytes / region.elementBytes(),
               region.type);
  for (const Part &part : moved.parts)
    write(sums, word(part.peer->block, part.peer->placeThere, kFreed), part.peer->received);
}

void PeerRegions::putGather(Moved &moved) {
  const ShardedRegion &region = moved.region;
  check(cuda.cuStreamWaitEvent(sends, moved.begun, 0), "a gather");
  // Others may write their shards here from now on ...
  for (const Part &part : moved.parts)
    write(sends, word(part.peer->block, part.peer->placeThere, kOffered), ++part.peer->offered);
  for (const Part &part : moved.parts) {
    Peer &peer = *part.peer;
    await(sends, word(block, peer.place, kOffered), peer.offered, CU_STREAM_WAIT_VALUE_GEQ);
    check(cuda.cuMemcpyDtoDAsync(part.target,
                                 reinterpret_cast<CUdeviceptr>(region.shard(region.self)),
                                 region.shardBytes(), sends),
          "sending parameters to another GPU");
    write(sends, word(peer.block, peer.placeThere, kGathered), peer.offered);
  }
  check(cuda.cuEventRecord(moved.sent, sends), "a gather");
  // ... and have, once this is reached.
  check(cuda.cuStreamWaitEvent(sums, moved.begun, 0), "a gather");
  for (const Part &part : moved.parts)
    await(sums, word(block, part.peer->place, kGathered), ++part.peer->gathered,
          CU_STREAM_WAIT_VALUE_GEQ);
  check(cuda.cuEventRecord(moved.done, sums), "a gather");
}

void PeerRegions::finish(Comm::Region number) {
  const Moved &moved = regions.at(number);
  for (CUevent event : {moved.sent, moved.done})
    check(cuda.cuStreamWaitEvent(device.computeStream(), event, 0), "a sum or gather");
}

} // namespace bigmac::rt

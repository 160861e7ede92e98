#include "PeerRegions.h"

#include "bigmac-rt/Error.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

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

RankRegions PeerRegions::describe(const Regions &added) const {
  RankRegions mine;
  mine.arena = memory.exported(reinterpret_cast<CUdeviceptr>(device.address(0)));
  mine.block = memory.exported(block);
  auto *arena = static_cast<const char *>(device.address(0));
  for (const auto &[number, region] : added)
    mine.regions.push_back({region->group,
                            static_cast<uint64_t>(static_cast<char *>(region->data) - arena),
                            region->shardBytes(), static_cast<uint32_t>(region->type)});
  return mine;
}

/// Opens the memory of the group's other ranks; false where that cannot be.
bool PeerRegions::reach(const std::vector<uint32_t> &group, const std::vector<RankRegions> &ranks) {
  if (group.size() > cuda::kMostSources)
    return false;
  // Each rank leaves itself out among those that write to it.
  const auto &here = memory.ranksHere();
  auto placeOf = [&](uint32_t of, uint32_t at) {
    uint64_t place = std::ranges::find(here, of) - here.begin();
    return of > at ? place - 1 : place;
  };
  for (uint32_t rank : group) {
    if (rank == self)
      continue;
    CUdeviceptr arena = memory.isHere(rank) ? memory.opened(ranks[rank].arena) : 0;
    CUdeviceptr theirs = arena ? memory.opened(ranks[rank].block) : 0;
    if (!theirs)
      return false;
    Peer &peer = peers[rank];
    peer.arena = arena;
    peer.block = theirs;
    peer.place = placeOf(rank, self);
    peer.placeThere = placeOf(self, rank);
  }
  return true;
}

PeerRegions::Moved &PeerRegions::add(Comm::Region number, const ShardedRegion &region) {
  uint64_t flag = kWordBytes / 2 + regions.size() * kLine;
  if (flag + kLine > kWordBytes)
    throw RuntimeError("more than " + std::to_string(kWordBytes / 2 / kLine) +
                       " regions of gradients and parameters on one rank");
  Moved &moved = regions[number];
  moved.region = &region;
  moved.flag = block + flag;
  for (CUevent *event : {&moved.begun, &moved.sent, &moved.done})
    check(cuda.cuEventCreate(event, CU_EVENT_DISABLE_TIMING), "creating an event");
  return moved;
}

void PeerRegions::connect(const Regions &added) {
  auto isShared = [&](const auto &entry) {
    return std::ranges::any_of(entry.second->group,
                               [&](uint32_t rank) { return rank != self && memory.isHere(rank); });
  };
  if (!block && std::ranges::any_of(added, isShared))
    allocate(memory.ranksHere().size() - 1);

  std::vector<RankRegions> ranks;
  for (const std::string &text : memory.exchange(toText(describe(added))))
    ranks.push_back(rankRegionsFromText(text));
  if (std::string error = findUnsharedRegions(ranks); !error.empty())
    throw RuntimeError(error); // all ranks find the same one

  std::set<std::vector<uint32_t>> reached;
  for (const auto &[number, region] : added)
    if (!reached.contains(region->group) && reach(region->group, ranks))
      reached.insert(region->group);
  std::map<std::vector<uint32_t>, size_t> agreeing; // how many reach all others
  for (const std::string &text : memory.exchange(json(reached).dump()))
    for (std::vector<uint32_t> group : json::parse(text))
      ++agreeing[group];

  size_t place = 0;
  for (const auto &[number, region] : added) {
    size_t mine = place++;
    if (agreeing[region->group] != region->group.size())
      continue;
    Moved &moved = add(number, *region);
    for (uint32_t step = 1; step < region->group.size(); ++step) {
      auto index = static_cast<uint32_t>((region->self + step) % region->group.size());
      Peer &peer = peers[region->group[index]];
      uint64_t there = regionAt(ranks, self, mine, region->group[index]).offset;
      moved.parts.push_back(
          {&peer, index, peer.arena + there + region->self * region->shardBytes()});
    }
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
  for (uint64_t begin = 0; begin < moved.region->shardBytes(); begin += slotBytes)
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
  const ShardedRegion &region = *moved.region;
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

void PeerRegions::putGather(const Moved &moved) {
  const ShardedRegion &region = *moved.region;
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

#include "PeerLanes.h"

#include <sstream>

namespace bigmac::rt {

static constexpr uint64_t kSignalBytes = 2 << 20;
/// Ends of lanes do not share a line of the cache.
static constexpr uint64_t kSignalStride = 128;

static void check(CUresult code, const char *what) { checkCuda(code, what); }

PeerLanes::PeerLanes(Comm &host, CudaDevice &device, PeerMemory &memory)
    : host(host), device(device), memory(memory), cuda(cudaApi()) {}

uint64_t PeerLanes::signalOf(const Lane &lane) {
  uint64_t next = signalOffsets.size() * kSignalStride;
  auto [it, isNew] = signalOffsets.try_emplace(lane, next);
  if (isNew && next + kSignalStride > kSignalBytes)
    throw RuntimeError("more than " + std::to_string(kSignalBytes / kSignalStride) +
                       " lanes of transfers on one rank");
  return it->second;
}

RankLanes PeerLanes::describe(const Messages &added) {
  RankLanes mine;
  if (!memory.ranksHere().empty() && !added.empty()) {
    if (!signals)
      signals = memory.allocate(kSignalBytes);
    mine.arena = memory.exported(reinterpret_cast<CUdeviceptr>(device.address(0)));
    mine.signals = memory.exported(signals);
  }
  auto *arena = static_cast<const char *>(device.address(0));
  for (const auto &[lane, messages] : added) {
    LaneEnd &end = mine.ends[lane];
    end.signal = signalOf(lane);
    for (const Message &message : messages)
      end.messages.push_back(
          {static_cast<uint64_t>(static_cast<const char *>(message.data) - arena), message.bytes});
  }
  return mine;
}

void PeerLanes::connect(const Messages &added) {
  std::vector<RankLanes> ranks;
  for (const std::string &text : memory.exchange(toText(describe(added))))
    ranks.push_back(rankLanesFromText(text));
  if (std::string error = findUnpairedLane(ranks); !error.empty())
    throw RuntimeError(error); // all ranks find the same one

  uint32_t self = host.rank();
  std::string reached;
  for (const auto &[lane, messages] : added) {
    uint32_t peer = lane.from == self ? lane.to : lane.from;
    const RankLanes &other = ranks[peer];
    bool opens = memory.isHere(peer) && memory.opened(other.signals) &&
                 (lane.to == self || memory.opened(other.arena));
    if (opens)
      reached += std::to_string(lane.from) + " " + std::to_string(lane.to) + " " +
                 std::to_string(lane.tag) + "\n";
  }
  std::map<Lane, int> ends; // how many reach the other
  for (const std::string &text : memory.exchange(reached)) {
    std::istringstream in(text);
    for (Lane lane{}; in >> lane.from >> lane.to >> lane.tag;)
      ++ends[lane];
  }
  for (const auto &[lane, messages] : added) {
    if (ends[lane] != 2)
      continue;
    const RankLanes &other = ranks[lane.from == self ? lane.to : lane.from];
    const LaneEnd &end = other.ends.at(lane);
    Carried carried{
        signals + signalOf(lane), memory.opened(other.signals) + end.signal, {}, messages, 0};
    if (lane.from == self)
      for (const LaneMessage &message : end.messages)
        carried.targets.push_back(memory.opened(other.arena) + message.offset);
    lanes[lane] = std::move(carried);
  }
}

void PeerLanes::start(const Lane &key, size_t index, CUstream stream) {
  Carried &lane = lanes.at(key);
  if (index != lane.next)
    throw RuntimeError("transfer " + std::to_string(index) + " of lane " + std::to_string(key.tag) +
                       " is started out of turn, before " + std::to_string(lane.next));
  lane.next = (lane.next + 1) % lane.messages.size();
  auto raise = [&] {
    check(cuda.cuStreamWriteValue32(stream, lane.theirs, 1, CU_STREAM_WRITE_VALUE_DEFAULT),
          "telling the other end of a transfer");
  };
  // Taken down before the other end can raise it again: it does so after an answer.
  auto await = [&] {
    check(cuda.cuStreamWaitValue32(stream, lane.own, 1, CU_STREAM_WAIT_VALUE_EQ),
          "waiting for the other end of a transfer");
    check(cuda.cuStreamWriteValue32(stream, lane.own, 0, CU_STREAM_WRITE_VALUE_DEFAULT),
          "waiting for the other end of a transfer");
  };
  if (key.to == host.rank()) {
    raise(); // there is room
    await(); // it has arrived
    return;
  }
  await();
  const Message &message = lane.messages[index];
  check(cuda.cuMemcpyDtoDAsync(lane.targets[index], reinterpret_cast<CUdeviceptr>(message.data),
                               message.bytes, stream),
        "a copy to another GPU");
  raise();
}

} // namespace bigmac::rt

#include "PeerLanes.h"

#include "Machine.h"

#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>

namespace bigmac::rt {

/// One allocation of this size has a block of the driver's to itself, so that its handle opens at
/// its first byte.
static constexpr uint64_t kSignalBytes = 2 << 20;
/// Ends of lanes do not share a line of the cache.
static constexpr uint64_t kSignalStride = 128;

static bool copiesAllowed() {
  const char *text = std::getenv("BIGMAC_CUDA_TRANSFERS");
  std::string value = text ? text : "copy";
  if (value != "copy" && value != "nccl")
    throw RuntimeError("BIGMAC_CUDA_TRANSFERS: expected copy or nccl, found '" + value + "'");
  return value == "copy";
}

static void check(CUresult code, const char *what) { checkCuda(code, what); }

PeerLanes::PeerLanes(Comm &host, CudaDevice &device)
    : host(host), device(device), cuda(cudaApi()), allowed(copiesAllowed()) {}

PeerLanes::~PeerLanes() {
  for (const auto &[handle, memory] : imports)
    if (memory)
      cuda.cuIpcCloseMemHandle(memory);
  if (signalOffsets.empty())
    return;
  // Memory must not be freed while another process has it open.
  try {
    host.barrier();
  } catch (const RuntimeError &) {
    return; // its rank has ended
  }
  if (signals)
    cuda.cuMemFree(signals);
}

std::string PeerLanes::exported(CUdeviceptr memory) const {
  CUipcMemHandle handle;
  if (!memory || cuda.cuIpcGetMemHandle(&handle, memory) != CUDA_SUCCESS)
    return "";
  std::string text;
  for (char byte : handle.reserved)
    for (unsigned digit : {static_cast<unsigned char>(byte) / 16u, byte & 15u})
      text += "0123456789abcdef"[digit];
  return text;
}

CUdeviceptr PeerLanes::opened(const std::string &text) {
  auto [it, isNew] = imports.try_emplace(text, 0);
  CUipcMemHandle handle;
  if (!isNew || text.size() != 2 * sizeof(handle.reserved))
    return it->second;
  for (size_t i = 0; i < sizeof(handle.reserved); ++i)
    handle.reserved[i] = static_cast<char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  if (cuda.cuIpcOpenMemHandle(&it->second, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) !=
      CUDA_SUCCESS)
    it->second = 0;
  return it->second;
}

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
  std::istringstream(machineId()) >> mine.machine;
  if (allowed && !added.empty()) {
    if (!signals) {
      check(cuda.cuMemAlloc(&signals, kSignalBytes), "allocating signals");
      check(cuda.cuMemsetD8Async(signals, 0, kSignalBytes, device.computeStream()),
            "clearing signals");
      check(cuda.cuStreamSynchronize(device.computeStream()), "clearing signals");
    }
    mine.arena = exported(reinterpret_cast<CUdeviceptr>(device.address(0)));
    mine.signals = exported(signals);
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

std::vector<std::string> PeerLanes::exchange(const std::string &mine) {
  std::string all;
  for (const std::string &text : host.gather(mine))
    all += text + '\0';
  all = host.broadcast(all);
  std::vector<std::string> texts;
  for (size_t at = 0; at < all.size(); at += texts.back().size() + 1)
    texts.emplace_back(all.c_str() + at);
  return texts;
}

void PeerLanes::connect(const Messages &added) {
  std::vector<RankLanes> ranks;
  for (const std::string &text : exchange(toText(describe(added))))
    ranks.push_back(rankLanesFromText(text));
  if (std::string error = findUnpairedLane(ranks); !error.empty())
    throw RuntimeError(error); // all ranks find the same one

  uint32_t self = host.rank();
  std::string reached;
  for (const auto &[lane, messages] : added) {
    const RankLanes &other = ranks[lane.from == self ? lane.to : lane.from];
    bool opens = !other.machine.empty() && other.machine == ranks[self].machine &&
                 opened(other.signals) && (lane.to == self || opened(other.arena));
    if (opens)
      reached += std::to_string(lane.from) + " " + std::to_string(lane.to) + " " +
                 std::to_string(lane.tag) + "\n";
  }
  std::map<Lane, int> ends; // how many reach the other
  for (const std::string &text : exchange(reached)) {
    std::istringstream in(text);
    for (Lane lane{}; in >> lane.from >> lane.to >> lane.tag;)
      ++ends[lane];
  }
  for (const auto &[lane, messages] : added) {
    if (ends[lane] != 2)
      continue;
    const RankLanes &other = ranks[lane.from == self ? lane.to : lane.from];
    const LaneEnd &end = other.ends.at(lane);
    Carried carried{signals + signalOf(lane), opened(other.signals) + end.signal, {}, messages, 0};
    if (lane.from == self)
      for (const LaneMessage &message : end.messages)
        carried.targets.push_back(opened(other.arena) + message.offset);
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

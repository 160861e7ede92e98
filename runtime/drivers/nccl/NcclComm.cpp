// Communication between GPUs. A lane (two ranks, a direction, a tag) has a stream of its own, so
// that lanes do not wait for one another; copy engines carry it where both ends reach each other's
// memory (PeerLanes), else an NCCL communicator of its own. So it is with the sums of gradients:
// copy engines move them beside what is computed (PeerRegions), else the ranks of a group are a
// communicator, which sums and gathers on the compute stream at the end. Nothing waits for the
// device, as long as the host is not too far ahead of it. Transfers may become part of a CUDA
// graph; of a sum only the word does that says its gradients are complete. What the compute stream
// waits for it reports to the host, which gives up when nothing moves. Transfers for which the
// driver's queue has no room yet wait in the lane's own.

#include "../cuda/CudaDevice.h"
#include "../cuda/Pace.h"
#include "Deadline.h"
#include "Machine.h"
#include "NcclApi.h"
#include "PeerLanes.h"
#include "PeerRegions.h"
#include "Poll.h"
#include "bigmac-rt/Comm.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

namespace bigmac::rt {

namespace {

/// Multiprocessors that one lane may take: a receive that waits for its message holds them, and a
/// few move activations faster than they are computed.
constexpr int kLaneCtas = 4;
/// Transfers between two looks at how far a lane's stream is; each is up to six calls.
constexpr uint64_t kLanePace = 32;

/// One communicator: {from, to, tag} of a lane, or the ranks of a group.
struct Key {
  bool isLane;
  std::vector<uint32_t> numbers;
  auto operator<=>(const Key &) const = default;

  Lane lane() const { return {numbers[0], numbers[1], numbers[2]}; }
  std::vector<uint32_t> members() const {
    return isLane ? std::vector<uint32_t>(numbers.begin(), numbers.begin() + 2) : numbers;
  }
  std::string text() const {
    std::string line = isLane ? "lane" : "group";
    for (uint32_t number : numbers)
      line += " " + std::to_string(number);
    return line;
  }
  static Key parse(const std::string &line) {
    std::istringstream in(line);
    std::string kind;
    in >> kind;
    Key key{kind == "lane", {}};
    for (uint32_t number; in >> number;)
      key.numbers.push_back(number);
    return key;
  }
};

struct Transfer {
  bool sends;
  uint32_t peer;
  void *data;
  uint64_t bytes;
  Lane lane{};
  size_t index = 0; // in its lane, since the last connect()
  struct Link *link = nullptr;
  CUevent ready = nullptr, done = nullptr;
};

struct Link {
  ncclComm_t comm = nullptr; // null where copy engines carry the lane
  // Lanes only:
  CUstream stream = nullptr;
  std::unique_ptr<Pace> pace;
  std::deque<const Transfer *> started; // and not yet on the stream
};

class NcclComm final : public Comm {
public:
  NcclComm(Comm &host, CudaDevice &device)
      : host(host), device(device), cuda(cudaApi()), nccl(ncclApi()), self(host.rank()),
        memory(std::make_unique<PeerMemory>(host, device)),
        lanes(std::make_unique<PeerLanes>(host, device, *memory)),
        peerRegions(std::make_unique<PeerRegions>(device, *memory, self)) {
    checkDistinct();
    checkCuda(cuda.cuMemAlloc(&scratch, kScratchBytes), "allocating scratch");
    device.setWatcher([this] { watch(); });
  }

  ~NcclComm() override {
    device.setWatcher(nullptr);
    if (std::uncaught_exceptions() > 0)
      abandon();
    if (abandoned) {
      static_cast<void>(peerRegions.release());
      static_cast<void>(lanes.release());
      static_cast<void>(memory.release());
      for (auto &[key, link] : links)
        static_cast<void>(link.pace.release());
      return;
    }
    device.forgetLists(); // a communicator in a graph that is alive does not end
    Deadline deadline(timeout, self, "the other ranks to close NCCL's connections");
    cuda.cuStreamSynchronize(device.computeStream()); // which has waited for all other streams
    for (auto &[key, link] : links) {
      if (link.comm)
        nccl.ncclCommDestroy(link.comm);
      link.pace.reset();
      if (link.stream)
        cuda.cuStreamDestroy(link.stream);
    }
    for (Transfer &transfer : transfers) {
      cuda.cuEventDestroy(transfer.ready);
      cuda.cuEventDestroy(transfer.done);
    }
    peerRegions.reset();
    lanes.reset();
    memory.reset();
    cuda.cuMemFree(scratch);
  }

  std::string name() const override { return "NCCL over " + host.name(); }
  uint32_t rank() const override { return self; }
  uint32_t size() const override { return host.size(); }
  void setTimeout(double seconds) override {
    timeout = seconds;
    host.setTimeout(seconds);
  }
  void setOperation(const char *what) override {
    operation = what;
    host.setOperation(what);
  }

  Request prepareSend(const void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    return prepare({true, peer, const_cast<void *>(data), bytes}, {true, {self, peer, tag}});
  }
  Request prepareRecv(void *data, uint64_t bytes, uint32_t peer, uint32_t tag) override {
    return prepare({false, peer, data, bytes}, {true, {peer, self, tag}});
  }
  Region prepareRegion(const ShardedRegion &region) override {
    regions.push_back(region);
    auto number = static_cast<Region>(regions.size() - 1);
    if (region.group.size() > 1)
      unconnected.emplace(number, &regions.back());
    return number;
  }
  void connect() override;

  void start(Request request) override {
    Transfer &t = transfers[request];
    check(cuda.cuEventRecord(t.ready, device.computeStream()), "a transfer");
    t.link->started.push_back(&t);
    feed(*t.link);
  }
  void wait(Request request) override {
    Transfer &t = transfers[request];
    device.report(
        named((t.sends ? "send to rank " : "receive from rank ") + std::to_string(t.peer)));
    auto onStream = [&] {
      feed(*t.link);
      const auto &started = t.link->started;
      return std::find(started.begin(), started.end(), &t) == started.end() ? CUDA_SUCCESS
                                                                            : CUDA_ERROR_NOT_READY;
    };
    if (onStream() != CUDA_SUCCESS)
      device.poll(onStream);
    check(cuda.cuStreamWaitEvent(device.computeStream(), t.done, 0), "a wait");
    device.report(0);
  }
  void progress() override {
    for (auto &[key, link] : links)
      feed(link);
    peerRegions->feed();
  }
  void checkOthers() override { host.checkOthers(); }

  void beginSum(Device &, Region number) override {
    if (!peerRegions->carries(number))
      return;
    peerRegions->offer(number);
    if (device.isRecording())
      device.atEachStart([this, number] { peerRegions->startSum(number); });
    else
      peerRegions->startSum(number);
  }
  void endSum(Device &, Region number) override {
    end(number, [&](const ShardedRegion &region, ncclComm_t comm) {
      return nccl.ncclReduceScatter(region.data, region.shard(region.self), region.shardElements,
                                    typeOf(region), ncclSum, comm,
                                    toCudart(device.computeStream()));
    });
  }
  void beginGather(Device &, Region number) override {
    if (peerRegions->carries(number))
      peerRegions->startGather(number);
  }
  void endGather(Device &, Region number) override {
    end(number, [&](const ShardedRegion &region, ncclComm_t comm) {
      return nccl.ncclAllGather(region.shard(region.self), region.data, region.shardElements,
                                typeOf(region), comm, toCudart(device.computeStream()));
    });
  }

  void barrier() override { host.barrier(); }
  void allSum(std::span<double> values) override { host.allSum(values); }
  void allMax(std::span<double> values) override { host.allMax(values); }
  std::vector<std::string> gather(std::string_view text) override { return host.gather(text); }
  std::string broadcast(std::string_view text) override { return host.broadcast(text); }
  [[noreturn]] void abort(int status) override { host.abort(status); }

private:
  static constexpr uint64_t kScratchBytes = 1 << 16;

  static cudaStream_t toCudart(CUstream stream) { return stream; }
  static ncclDataType_t typeOf(const ShardedRegion &region) {
    return region.type == BM_F32 ? ncclFloat : ncclBfloat16;
  }
  static void check(CUresult code, const char *what) { checkCuda(code, what); }

  Request prepare(Transfer transfer, const Key &lane) {
    transfer.lane = lane.lane();
    auto &messages = unpaired[transfer.lane];
    transfer.index = messages.size();
    messages.push_back({transfer.data, transfer.bytes});
    transfer.link = &links[lane];
    device.needStreams();
    for (CUevent *event : {&transfer.ready, &transfer.done})
      check(cuda.cuEventCreate(event, CU_EVENT_DISABLE_TIMING), "creating an event");
    transfers.push_back(transfer);
    return static_cast<Request>(transfers.size() - 1);
  }

  /// Puts transfers that were started on the lane's stream, as many as it has room for; a graph has
  /// for any number.
  void feed(Link &link) {
    for (; !link.started.empty(); link.started.pop_front()) {
      const Transfer &t = *link.started.front();
      if (!device.isRecording()) {
        CUresult code = link.pace->ready();
        if (code == CUDA_ERROR_NOT_READY)
          return;
        check(code, "the transfers before");
        check(link.pace->issue(link.stream), "a transfer");
      }
      check(cuda.cuStreamWaitEvent(link.stream, t.ready, 0), "a transfer");
      move(t);
      check(cuda.cuEventRecord(t.done, link.stream), "a transfer");
    }
  }

  void move(const Transfer &t) {
    if (!t.link->comm) {
      lanes->start(t.lane, t.index, t.link->stream);
      return;
    }
    cudaStream_t stream = toCudart(t.link->stream);
    // In a lane the sender is rank 0.
    nccl.check(t.sends ? nccl.ncclSend(t.data, t.bytes, ncclInt8, 1, t.link->comm, stream)
                       : nccl.ncclRecv(t.data, t.bytes, ncclInt8, 0, t.link->comm, stream),
               (t.sends ? "send to rank " : "receive from rank ") + std::to_string(t.peer));
  }

  /// Ends a sum or gather that copy engines move; else lets NCCL do it.
  template <typename Fn> void end(Region number, Fn byNccl) {
    const ShardedRegion &region = regions[number];
    if (region.group.size() == 1)
      return;
    device.report(named("all of ranks " + listed(region.group)));
    if (peerRegions->carries(number)) {
      auto onStreams = [&] {
        return peerRegions->feed(number) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
      };
      if (onStreams() != CUDA_SUCCESS)
        device.poll(onStreams);
      peerRegions->finish(number);
    } else {
      nccl.check(byNccl(region, links.at(Key{false, region.group}).comm), operation);
    }
    device.report(0);
  }

  static std::string listed(const std::vector<uint32_t> &ranks) {
    std::string text;
    for (uint32_t rank : ranks)
      text += (text.empty() ? "" : ", ") + std::to_string(rank);
    return text;
  }

  /// The number under which the device reports that it waits for `whom`, for the operation of now.
  uint32_t named(const std::string &whom) {
    auto [it, isNew] = numbers.try_emplace({whom, operation}, waits.size() + 1);
    if (isNew)
      waits.push_back(it->first);
    return it->second;
  }

  bool isCarried(const Key &key) const { return key.isLane && lanes->carries(key.lane()); }
  void checkDistinct();
  std::string listNewLinks();
  void createLink(const Key &key, Link &link, const std::string &id);
  void tryLink(const Key &key, const Link &link);
  void watch();
  [[noreturn]] void giveUp(const std::string &message);
  void abandon();

  Comm &host;
  CudaDevice &device;
  const CudaApi &cuda;
  const NcclApi &nccl;
  uint32_t self;
  double timeout = 0;
  std::string operation = "start-up";
  CUdeviceptr scratch = 0;

  std::unique_ptr<PeerMemory> memory;
  std::unique_ptr<PeerLanes> lanes;
  std::unique_ptr<PeerRegions> peerRegions;
  std::deque<ShardedRegion> regions;
  PeerRegions::Regions unconnected; // prepared since the last connect()
  PeerLanes::Messages unpaired;     // prepared since the last connect()
  std::map<Key, Link> links;        // those that this rank is in; addresses stay
  std::deque<Transfer> transfers;

  using Wait = std::pair<std::string, std::string>; // whom, what for
  std::map<Wait, uint32_t> numbers;
  std::deque<Wait> waits; // by number - 1; addresses stay
  uint64_t seen = 0, seenAt = 0, watchedAt = 0;
  bool abandoned = false;
};

/// Two ranks on one GPU would wait for each other while one of them has it.
void NcclComm::checkDistinct() {
  auto all = host.gather(machineId() + device.identity());
  std::string message;
  std::map<std::string, size_t> first;
  for (size_t r = 0; r < all.size() && message.empty(); ++r) {
    auto [it, isNew] = first.try_emplace(all[r], r);
    if (!isNew)
      message = "ranks " + std::to_string(it->second) + " and " + std::to_string(r) +
                " have the same GPU; each needs one of its own (see CUDA_VISIBLE_DEVICES)";
  }
  message = host.broadcast(message);
  if (!message.empty())
    throw RuntimeError(message);
}

/// On every rank: a line for each link that is new, in one order, with NCCL's id for it in
/// hexadecimal. RuntimeError if not every rank of a link has prepared it.
std::string NcclComm::listNewLinks() {
  std::string mine;
  for (const auto &[key, link] : links)
    if (!link.comm && !isCarried(key))
      mine += key.text() + "\n";
  std::map<Key, uint32_t> wanted; // by how many
  for (const std::string &text : host.gather(mine)) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
      ++wanted[Key::parse(line)];
  }
  std::string list, error;
  for (const auto &[key, count] : wanted) {
    if (count != key.members().size())
      error = "only " + std::to_string(count) + " of ranks " + listed(key.members()) +
              " prepared the " + key.text();
    ncclUniqueId id;
    nccl.check(nccl.ncclGetUniqueId(&id), "making an id");
    list += key.text() + "\n";
    for (unsigned char byte : id.internal)
      for (unsigned digit : {byte / 16u, byte % 16u})
        list += "0123456789abcdef"[digit];
    list += "\n";
  }
  list = host.broadcast(error.empty() ? list : "!" + error);
  if (list.starts_with("!"))
    throw RuntimeError(list.substr(1));
  return list;
}

void NcclComm::createLink(const Key &key, Link &link, const std::string &id) {
  auto members = key.members();
  ncclUniqueId raw;
  for (size_t i = 0; i < sizeof(raw.internal); ++i)
    raw.internal[i] = static_cast<char>(std::stoi(id.substr(2 * i, 2), nullptr, 16));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  if (key.isLane)
    config.maxCTAs = kLaneCtas;
  auto place = std::find(members.begin(), members.end(), self) - members.begin();
  nccl.check(nccl.ncclCommInitRankConfig(&link.comm, static_cast<int>(members.size()), raw,
                                         static_cast<int>(place), &config),
             "connecting ranks " + listed(members));
}

/// NCCL connects buffers at the first use, and the host waits for the other side meanwhile. Later
/// that could be a deadlock: hosts issue their transfers in different orders.
void NcclComm::tryLink(const Key &key, const Link &link) {
  auto *data = reinterpret_cast<float *>(scratch);
  CUstream stream = key.isLane ? link.stream : device.computeStream();
  if (key.isLane) {
    bool sends = key.numbers[0] == self;
    nccl.check(sends ? nccl.ncclSend(data, 4, ncclInt8, 1, link.comm, toCudart(stream))
                     : nccl.ncclRecv(data, 4, ncclInt8, 0, link.comm, toCudart(stream)),
               "trying the " + key.text());
  } else {
    uint64_t members = key.numbers.size(), each = kScratchBytes / 4 / members;
    auto place = std::find(key.numbers.begin(), key.numbers.end(), self) - key.numbers.begin();
    nccl.check(nccl.ncclReduceScatter(data, data + place * each, each, ncclFloat, ncclSum,
                                      link.comm, toCudart(stream)),
               "trying the " + key.text());
    nccl.check(
        nccl.ncclAllGather(data + place * each, data, each, ncclFloat, link.comm, toCudart(stream)),
        "trying the " + key.text());
  }
  check(cuda.cuStreamSynchronize(stream), "trying a connection");
}

void NcclComm::connect() {
  lanes->connect(std::exchange(unpaired, {}));
  auto added = std::exchange(unconnected, {});
  peerRegions->connect(added);
  for (const auto &[number, region] : added)
    if (!peerRegions->carries(number))
      links.try_emplace(Key{false, region->group});
  for (auto &[key, link] : links)
    if (key.isLane && !link.stream) {
      check(cuda.cuStreamCreate(&link.stream, CU_STREAM_NON_BLOCKING), "creating a stream");
      link.pace = std::make_unique<Pace>(cuda, kLanePace);
    }
  std::istringstream list(listNewLinks());
  // All ranks go through the list in the same order, so each finds the others of a link there.
  for (std::string line, id; std::getline(list, line) && std::getline(list, id);) {
    Key key = Key::parse(line);
    auto it = links.find(key);
    if (it == links.end())
      continue;
    Deadline deadline(timeout, self, "ranks " + listed(key.members()) + " to connect through NCCL");
    createLink(key, it->second, id);
    tryLink(key, it->second);
  }
}

/// While the host waits for the device.
void NcclComm::watch() {
  uint64_t now = nowNs();
  // Often where streams have had no room for all that was started.
  if (now - watchedAt < (peerRegions->isFed() ? 5'000'000 : 200'000))
    return;
  // After a pause the device was not waited for: what was seen before says nothing.
  if (now - watchedAt > 1'000'000'000)
    seenAt = now;
  watchedAt = now;
  uint64_t reported = device.reported();
  auto number = static_cast<uint32_t>(reported);
  if (reported != seen) {
    seen = reported;
    seenAt = now;
  }
  const Wait *wait = number ? &waits[number - 1] : nullptr;
  setWaiting(wait ? wait->second.c_str() : nullptr);
  std::string whom = wait ? wait->first : "the device";
  std::string what = wait ? wait->second : operation;
  try {
    double waited = static_cast<double>(now - seenAt) * 1e-9;
    if (wait && timeout > 0 && waited > timeout)
      throwTimeout(waited, whom, what.c_str());
    host.checkOthers();
    progress(); // what others wait for
    for (const auto &[key, link] : links) {
      ncclResult_t state = ncclSuccess;
      if (link.comm)
        nccl.check(nccl.ncclCommGetAsyncError(link.comm, &state), "asking for its state");
      if (state != ncclInProgress)
        nccl.check(state, key.text());
    }
  } catch (const RuntimeError &error) {
    std::string message = error.what();
    if (message.find(what) == std::string::npos)
      message += " (waited for: " + (what.starts_with(whom) ? what : whom + ", " + what) + ")";
    giveUp(message);
  }
}

void NcclComm::giveUp(const std::string &message) {
  setWaiting(nullptr);
  abandon();
  throw RuntimeError(message);
}

/// From here on nothing of CUDA or NCCL is called, as the process is about to end: streams wait for
/// ranks that will not answer, and calls that free something (NCCL's abort makes such) wait for the
/// streams, holding locks that all others need. What the process has the system takes back.
void NcclComm::abandon() {
  abandoned = true;
  device.giveUp();
}

} // namespace

std::unique_ptr<Comm> makeNcclComm(Comm &host, Device &device) {
  return std::make_unique<NcclComm>(host, dynamic_cast<CudaDevice &>(device));
}

} // namespace bigmac::rt

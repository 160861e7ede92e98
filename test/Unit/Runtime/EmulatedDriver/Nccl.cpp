//===- Nccl.cpp - A libnccl.so.2 without a GPU -----------------------------===//
//
// Beside the emulated driver: collectives of fp32 values between processes of one machine, through
// memory that they share, in the order of the stream. Transfers are the copy engines' there.
//
//===----------------------------------------------------------------------===//

#include "Emulated.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <nccl.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace bigmac::test;

namespace {

constexpr uint32_t kMostRanks = 8;
constexpr size_t kMostFloats = 1 << 18;

/// What the ranks of a communicator share. All counts begin at 0, as a new file does.
struct Shared {
  std::atomic<uint64_t> posted[kMostRanks], taken[kMostRanks]; // collectives, by rank
  float values[kMostRanks][kMostFloats];

  static bool reached(const std::atomic<uint64_t> *counts, uint32_t ranks, uint64_t number) {
    for (uint32_t r = 0; r < ranks; ++r)
      if (counts[r].load(std::memory_order_acquire) < number)
        return false;
    return true;
  }
};

struct Communicator {
  Shared *shared;
  uint32_t ranks, rank;
  uint64_t begun = 0; // collectives; they are all on one stream
};

Communicator &of(ncclComm_t comm) { return *reinterpret_cast<Communicator *>(comm); }

/// A collective: every rank posts `count` values, and once all have, `take` reads them.
template <typename Take>
ncclResult_t collective(Communicator &comm, const void *send, size_t count, ncclDataType_t type,
                        cudaStream_t stream, Take take) {
  if (type != ncclFloat || count > kMostFloats)
    return ncclInvalidArgument;
  // In a graph it runs again and again: each run has its number when it begins.
  enqueue(stream, [=, &comm, number = uint64_t(0), hasPosted = false]() mutable {
    Shared &shared = *comm.shared;
    if (number == 0)
      number = ++comm.begun;
    if (!hasPosted) {
      if (!Shared::reached(shared.taken, comm.ranks, number - 1))
        return false;
      std::memcpy(shared.values[comm.rank], send, count * sizeof(float));
      shared.posted[comm.rank].store(number, std::memory_order_release);
      hasPosted = true;
    }
    if (!Shared::reached(shared.posted, comm.ranks, number))
      return false;
    take(shared);
    shared.taken[comm.rank].store(number, std::memory_order_release);
    return true;
  });
  return ncclSuccess;
}

} // namespace

extern "C" {

ncclResult_t ncclGetVersion(int *version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  static int made = 0;
  std::memset(id, 0, sizeof(*id));
  std::snprintf(id->internal, sizeof(id->internal), "/emulated-nccl-%d-%d", getpid(), made++);
  return ncclSuccess;
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *) {
  int file = shm_open(id.internal, O_RDWR | O_CREAT, 0600);
  if (file < 0 || uint32_t(ranks) > kMostRanks || ftruncate(file, sizeof(Shared)) != 0)
    return ncclSystemError;
  void *memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED)
    return ncclSystemError;
  auto *made = new Communicator{static_cast<Shared *>(memory), uint32_t(ranks), uint32_t(rank)};
  // Connected when all are here; then nobody needs the name any more.
  made->shared->posted[rank] = 1;
  while (!Shared::reached(made->shared->posted, made->ranks, 1))
    usleep(100);
  made->shared->taken[rank] = 1;
  made->begun = 1;
  shm_unlink(id.internal);
  *comm = reinterpret_cast<ncclComm_t>(made);
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t) { return ncclSuccess; }
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t *state) {
  *state = ncclSuccess;
  return ncclSuccess;
}
const char *ncclGetErrorString(ncclResult_t) { return "not emulated"; }
const char *ncclGetLastError(ncclComm_t) { return ""; }
ncclResult_t ncclSend(const void *, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  return ncclInvalidUsage;
}
ncclResult_t ncclRecv(void *, size_t, ncclDataType_t, int, ncclComm_t, cudaStream_t) {
  return ncclInvalidUsage;
}
ncclResult_t ncclReduceScatter(const void *send, void *receive, size_t each, ncclDataType_t type,
                               ncclRedOp_t, ncclComm_t handle, cudaStream_t stream) {
  Communicator &comm = of(handle);
  return collective(comm, send, each * comm.ranks, type, stream, [=, &comm](Shared &shared) {
    for (size_t i = 0; i < each; ++i) {
      float sum = 0;
      for (uint32_t r = 0; r < comm.ranks; ++r)
        sum += shared.values[r][comm.rank * each + i];
      static_cast<float *>(receive)[i] = sum;
    }
  });
}
ncclResult_t ncclAllGather(const void *send, void *receive, size_t each, ncclDataType_t type,
                           ncclComm_t handle, cudaStream_t stream) {
  Communicator &comm = of(handle);
  return collective(comm, send, each, type, stream, [=, &comm](Shared &shared) {
    for (uint32_t r = 0; r < comm.ranks; ++r)
      std::memcpy(static_cast<float *>(receive) + r * each, shared.values[r], each * sizeof(float));
  });
}

} // extern "C"

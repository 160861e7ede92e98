// The communication suite on one driver: comm-cts {self|mpi|tcp|nccl}. TCP takes the world from
// RANK, WORLD_SIZE and MASTER_PORT; NCCL uses TCP where those are set, else MPI. Further arguments
// are GoogleTest's.

#include "CommCts.h"
#include "Machine.h"
#include "bigmac-rt/Error.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bigmac::rt;

static uint32_t number(const char *name) {
  const char *value = std::getenv(name);
  return static_cast<uint32_t>(value ? std::atoi(value) : 0);
}

static std::unique_ptr<Comm> makeTcp() {
  return makeTcpComm({number("RANK"), number("WORLD_SIZE"), number("WORLD_SIZE"), "localhost",
                      static_cast<uint16_t>(number("MASTER_PORT")), 1, 30});
}

/// Large enough for the suite's regions.
static constexpr uint64_t kArena = 96 << 20;

static int runNccl(int argc, char **argv) {
#ifdef BM_WITH_CUDA
  auto host = std::getenv("WORLD_SIZE") ? makeTcp() : makeMpiComm();
  try {
    auto device = makeCudaDevice(indexOnMachine(*host), nullptr);
    device->allocateArena(kArena);
    auto comm = makeNcclComm(*host, *device);
    int status = cts::runCommCts(argc, argv,
                                 {*comm, *device, /*groupOrder=*/false, /*survivesTimeout=*/false,
                                  /*comparesRegions=*/true});
    if (host->size() == 1)
      return status;
    // The last test has ended NCCL's world. There is nothing to close in order then; whole runs of
    // the fixture show that the other way of ending works.
    host->barrier();
    host.reset();
    std::fflush(nullptr);
    std::_Exit(status);
  } catch (const RuntimeError &error) {
    std::fprintf(stderr, "error: rank %u: %s\n", host->rank(), error.what());
    host->abort(1);
  }
#else
  std::fprintf(stderr, "error: built without CUDA\n");
  return 1;
#endif
}

int main(int argc, char **argv) {
  auto is = [&](const char *name) { return argc > 1 && std::strcmp(argv[1], name) == 0; };
  // Started by a test program: its share of tests and its report are its own.
  for (const char *name :
       {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_OUTPUT", "GTEST_FILTER"})
    unsetenv(name);
  if (is("nccl"))
    return runNccl(argc, argv);
  auto device = makeCpuDevice(1);
  device->allocateArena(kArena);
  auto comm = is("tcp") ? makeTcp() : is("mpi") ? makeMpiComm() : makeSelfComm();
  return cts::runCommCts(argc, argv, {*comm, *device});
}

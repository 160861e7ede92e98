// The communication suite on one driver: comm-cts {self|mpi|tcp}. TCP takes the world from RANK,
// WORLD_SIZE and MASTER_PORT.

#include "CommCts.h"

#include <cstdlib>
#include <cstring>

using namespace bigmac::rt;

int main(int argc, char **argv) {
  auto is = [&](const char *name) { return argc > 1 && std::strcmp(argv[1], name) == 0; };
  auto number = [](const char *name) {
    const char *value = std::getenv(name);
    return static_cast<uint32_t>(value ? std::atoi(value) : 0);
  };
  // Started by a test program: its share of tests and its report are its own.
  for (const char *name :
       {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX", "GTEST_OUTPUT", "GTEST_FILTER"})
    unsetenv(name);
  auto device = makeCpuDevice(1);
  device->allocateArena(4 << 20);
  std::unique_ptr<Comm> comm;
  if (is("tcp"))
    comm = makeTcpComm({number("RANK"), number("WORLD_SIZE"), number("WORLD_SIZE"), "localhost",
                        static_cast<uint16_t>(number("MASTER_PORT")), 1, 30});
  else
    comm = is("mpi") ? makeMpiComm() : makeSelfComm();
  return cts::runCommCts(argc, argv, {*comm, *device});
}

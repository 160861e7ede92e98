// The communication suite on one driver: comm-cts {self|mpi}.

#include "CommCts.h"

#include <cstring>

using namespace bigmac::rt;

int main(int argc, char **argv) {
  bool mpi = argc > 1 && std::strcmp(argv[1], "mpi") == 0;
  auto device = makeCpuDevice(1);
  device->allocateArena(4 << 20);
  auto comm = mpi ? makeMpiComm() : makeSelfComm();
  return cts::runCommCts(argc, argv, *comm, *device);
}

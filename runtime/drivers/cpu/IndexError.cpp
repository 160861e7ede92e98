#include "bigmac-rt/kernels.h"

#include <cinttypes>
#include <cstdio>
#include <unistd.h>

extern "C" void bm_index_error(int64_t index, int64_t size) {
  // Generated code cannot unwind; the launcher ends the other ranks when this one is gone.
  std::fprintf(
      stderr,
      "error: an id or label in the data is %" PRId64 ", expected one from 0 to %" PRId64
      " (or a negative one that counts from the end); check the integer tensors of --data\n",
      index, size - 1);
  std::fflush(nullptr);
  _exit(1);
}

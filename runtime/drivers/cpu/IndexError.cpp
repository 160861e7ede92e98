#include "bigmac-rt/kernels.h"

#include "../common/IndexErrorText.h"

#include <cstdio>
#include <unistd.h>

extern "C" void bm_index_error(int64_t index, int64_t size) {
  // Generated code cannot unwind; the launcher ends the other ranks when this one is gone.
  std::fprintf(stderr, "error: %s\n", bigmac::rt::indexErrorText(index, size).c_str());
  std::fflush(nullptr);
  _exit(1);
}

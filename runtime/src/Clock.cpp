#include "bigmac-rt/Device.h"

#include <chrono>

namespace bigmac::rt {

uint64_t nowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

} // namespace bigmac::rt

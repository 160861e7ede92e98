#include "DeviceCts.h"

#include <ctime>

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

static void axpy(void *const *args) {
  auto *x = static_cast<const float *>(args[0]);
  auto *y = static_cast<float *>(args[1]);
  for (uint64_t i = 0; i < kAxpy; ++i)
    y[i] += 2 * x[i];
}

static void delay(void *const *) {
  timespec pause{0, 1'000'000};
  nanosleep(&pause, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Cpu, DeviceCts,
                         testing::Values(DeviceDriver{+[] { return makeCpuDevice(1); }, axpy, delay,
                                                      nullptr}));

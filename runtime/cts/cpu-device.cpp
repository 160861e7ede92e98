#include "DeviceCts.h"

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

INSTANTIATE_TEST_SUITE_P(Cpu, DeviceCts, testing::Values(+[] { return makeCpuDevice(1); }));

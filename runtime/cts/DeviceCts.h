//===- DeviceCts.h - What every device driver must do ---------------------===//
//
// A driver's test program instantiates the suite with its factory:
//   INSTANTIATE_TEST_SUITE_P(Cpu, DeviceCts, testing::Values(+[] { return makeCpuDevice(1); }));
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CTS_DEVICECTS_H
#define BIGMAC_CTS_DEVICECTS_H

#include "bigmac-rt/Device.h"

#include <gtest/gtest.h>

namespace bigmac::rt::cts {

class DeviceCts : public testing::TestWithParam<std::unique_ptr<Device> (*)()> {
protected:
  static constexpr uint64_t kArena = 1 << 22;
  void SetUp() override {
    device = GetParam()();
    device->allocateArena(kArena);
  }
  std::vector<float> read(uint64_t offset, uint64_t elements) {
    std::vector<float> values(elements);
    device->download(values.data(), offset, elements * sizeof(float));
    device->synchronize();
    return values;
  }
  void write(uint64_t offset, const std::vector<float> &values) {
    device->upload(offset, values.data(), values.size() * sizeof(float));
    device->synchronize();
  }

  std::unique_ptr<Device> device;
};

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_DEVICECTS_H

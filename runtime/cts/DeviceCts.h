//===- DeviceCts.h - What every device driver must do ---------------------===//
//
// A driver's test program instantiates the suite with what it provides, see cpu-device.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CTS_DEVICECTS_H
#define BIGMAC_CTS_DEVICECTS_H

#include "Pattern.h"
#include "bigmac-rt/Device.h"

#include <gtest/gtest.h>

namespace bigmac::rt::cts {

/// A driver, and tasks as the compiler would make them for it.
struct DeviceDriver {
  std::unique_ptr<Device> (*make)();
  bm_task_fn axpy;                     // axpy(x, y): y[i] += 2 * x[i] for kAxpy elements
  bm_task_fn delay;                    // runs for a millisecond or more
  uint32_t (*count)(std::string &why); // devices here; null where there always is one
};
inline constexpr uint64_t kAxpy = 1000;

class DeviceCts : public testing::TestWithParam<DeviceDriver> {
protected:
  static constexpr uint64_t kArena = 1 << 22;
  void SetUp() override {
    std::string why;
    if (GetParam().count && GetParam().count(why) == 0)
      GTEST_SKIP() << why;
    device = GetParam().make();
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

  std::vector<uint16_t> readBits(uint64_t offset, uint64_t elements) {
    std::vector<uint16_t> values(elements);
    device->download(values.data(), offset, elements * sizeof(uint16_t));
    device->synchronize();
    return values;
  }
  void write(uint64_t offset, const std::vector<uint16_t> &values) {
    device->upload(offset, values.data(), values.size() * sizeof(uint16_t));
    device->synchronize();
  }

  double sumSquares(uint64_t offset, uint64_t elements, bm_dtype type = BM_F32) {
    auto *result = static_cast<double *>(device->hostMemory(sizeof(double)));
    device->sumSquares(result, offset, elements, type);
    device->synchronize();
    return *result;
  }

  std::unique_ptr<Device> device;
};

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_DEVICECTS_H

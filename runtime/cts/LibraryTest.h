//===- LibraryTest.h - A GPU with a program of library calls --------------===//

#ifndef BIGMAC_CTS_LIBRARYTEST_H
#define BIGMAC_CTS_LIBRARYTEST_H

#include "Numbers.h"
#include "bigmac-rt/Device.h"
#include "bigmac-rt/Error.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>

namespace bigmac::rt::cts {

extern "C" const unsigned char cts_kernel_image[];

/// Skipped where there is no GPU. Choices of algorithms are kept in a folder of the test's own.
class LibraryTest : public testing::Test {
protected:
  static constexpr uint64_t kArena = 64 << 20, kWorkspace = 32 << 20;

  void SetUp() override {
    std::string why;
    if (countCudaDevices(why) == 0)
      GTEST_SKIP() << why;
    const testing::TestInfo &info = *testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(info.test_suite_name()) + "." + info.name();
    for (char &c : name)
      c = c == '/' ? '.' : c;
    cache = testing::TempDir() + "bigmac-cache-" + name;
    setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  }

  void make(const bm_cuda_program &what, bool deterministic = false) {
    device.reset();
    program = what;
    program.image = cts_kernel_image;
    device = makeCudaDevice(0, &program, deterministic);
    device->allocateArena(kArena);
    used = 0;
  }

  /// At an offset that is a multiple of 256, and `shift` bytes.
  uint64_t place(uint64_t bytes, uint64_t shift = 0) {
    uint64_t offset = used + shift;
    used = (offset + bytes + 255) / 256 * 256;
    return offset;
  }
  uint64_t put(const Values &values, uint64_t shift = 0) {
    uint64_t offset = place(values.data.size(), shift);
    device->upload(offset, values.data.data(), values.data.size());
    return offset;
  }
  void get(Values &values, uint64_t offset) {
    device->download(values.data.data(), offset, values.data.size());
    device->synchronize();
  }

  /// Runs what a task would do; the error's text, or nothing.
  template <typename Task> std::string run(Task task) {
    static thread_local Task *current;
    current = &task;
    try {
      device->run(+[](void *const *) { (*current)(); }, nullptr);
      device->synchronize();
    } catch (const RuntimeError &error) {
      return error.what();
    }
    return "";
  }

  std::string cache;
  bm_cuda_program program{};
  std::unique_ptr<Device> device;
  uint64_t used = 0;
};

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_LIBRARYTEST_H

// The device suite on the CUDA driver, and what only that driver has: kernels of programs, and
// errors that come late.

#include "DeviceCts.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/cuda.h"

#include <cstdlib>

using namespace bigmac::rt;
using namespace bigmac::rt::cts;

extern "C" const unsigned char cts_kernel_image[];

static constexpr uint32_t kReversed = 16384; // 64 KB: more than a kernel may have unasked
static const bm_cuda_kernel kernels[] = {{"cts_axpy", 0, 0},
                                         {"cts_delay", 0, 0},
                                         {"cts_reverse", kReversed * 4, 0},
                                         {"cts_fault", 0, 0}};
static const bm_cuda_program program = {
    cts_kernel_image, kernels, std::size(kernels), nullptr, 0, nullptr, 0, 0};

static void axpy(void *const *args) {
  void *x = args[0], *y = args[1];
  auto n = static_cast<uint32_t>(kAxpy);
  void *params[] = {&x, &y, &n};
  bm_cuda_launch(0, (n + 127) / 128, 1, 1, 128, 1, 1, params);
}

static void delay(void *const *) {
  unsigned long long nanoseconds = 1'500'000;
  void *params[] = {&nanoseconds};
  bm_cuda_launch(1, 1, 1, 1, 1, 1, 1, params);
}

static void reverse(void *const *args) {
  void *x = args[0];
  uint32_t n = kReversed;
  void *params[] = {&x, &n};
  bm_cuda_launch(2, 1, 1, 1, 256, 1, 1, params);
}

static void fault(void *const *args) {
  void *x = args[0];
  void *params[] = {&x};
  bm_cuda_launch(3, 1, 1, 1, 1, 1, 1, params);
}

static std::unique_ptr<Device> make() { return makeCudaDevice(0, &program); }

INSTANTIATE_TEST_SUITE_P(Cuda, DeviceCts,
                         testing::Values(DeviceDriver{make, axpy, delay, countCudaDevices}));

namespace {

class CudaDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    std::string why;
    if (countCudaDevices(why) == 0)
      GTEST_SKIP() << why;
    device = make();
    device->allocateArena(1 << 20);
  }
  std::string errorOf(bm_task_fn task, void *const *args = nullptr) {
    try {
      device->run(task, args);
      device->synchronize();
    } catch (const RuntimeError &error) {
      return error.what();
    }
    return "no error";
  }
  std::unique_ptr<Device> device;
};

using CudaDeviceDeathTest = CudaDeviceTest;

} // namespace

TEST_F(CudaDeviceTest, WorkgroupMemoryOfALaunch) {
  auto x = pattern(kReversed, 1);
  device->upload(0, x.data(), kReversed * 4);
  void *args[] = {device->address(0)};
  device->run(reverse, args);
  std::vector<float> got(kReversed);
  device->download(got.data(), 0, kReversed * 4);
  device->synchronize();
  EXPECT_TRUE(std::equal(got.begin(), got.end(), x.rbegin()));
}

TEST_F(CudaDeviceTest, ErrorsOfLaunchesNameTheKernel) {
  device->label("F microbatch 3");
  std::string error = errorOf(+[](void *const *) {
    unsigned long long nanoseconds = 0;
    void *params[] = {&nanoseconds};
    bm_cuda_launch(1, 7, 1, 1, 4096, 1, 1, params);
    bm_cuda_launch(1, 1, 1, 1, 1, 1, 1, params); // the first error is the one that counts
  });
  EXPECT_EQ(error.find("CUDA: kernel cts_delay, 7 x 1 x 1 blocks of 4096 x 1 x 1 threads: "
                       "CUDA_ERROR_INVALID_VALUE"),
            0u)
      << error;
  EXPECT_NE(error.find("in F microbatch 3"), std::string::npos) << error;
}

TEST_F(CudaDeviceTest, ErrorsOfTasks) {
  EXPECT_EQ(errorOf(+[](void *const *) { bm_cuda_launch(99, 1, 1, 1, 1, 1, 1, nullptr); }),
            "the program launches kernel 99 of 4");
}

TEST_F(CudaDeviceTest, ErrorsOfLibraries) {
  EXPECT_EQ(errorOf(+[](void *const *) {
              bm_cuda_fail(bm_cuda_stream() ? "cuBLASLt: not supported" : "no stream");
              bm_cuda_fail("a later one");
            }),
            "cuBLASLt: not supported");
}

TEST_F(CudaDeviceTest, OneThatIsNotThere) {
  std::string why;
  uint32_t count = countCudaDevices(why);
  if (count == 1)
    GTEST_SKIP() << "where there is one GPU, any number means that one";
  EXPECT_THROW(makeCudaDevice(count, nullptr), RuntimeError);
}

/// A bad access shows at the next wait; BIGMAC_CUDA_LISTS=check names the kernel. In a process of
/// its own: the context is of no use afterwards.
TEST_F(CudaDeviceDeathTest, BadAccess) {
  device.reset();
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto run = [&](const char *lists) {
    setenv("BIGMAC_CUDA_LISTS", lists, 1);
    device = make();
    device->allocateArena(4096);
    void *args[] = {device->address(0)};
    std::string error = errorOf(fault, args);
    std::fprintf(stderr, "%s\n", error.c_str());
    std::_Exit(3);
  };
  EXPECT_EXIT(run("graph"), testing::ExitedWithCode(3),
              "what was issued before this wait .* CUDA_ERROR_ILLEGAL_ADDRESS");
  EXPECT_EXIT(run("check"), testing::ExitedWithCode(3),
              "kernel cts_fault, .*CUDA_ERROR_ILLEGAL_ADDRESS");
}

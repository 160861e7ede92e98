// What the drivers for GPUs reach, one table a run: gpu-benchmark on one GPU, or started by mpirun
// on two. Each figure is the median of several rounds.

#include "Machine.h"
#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Error.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

using namespace bigmac::rt;

static constexpr uint64_t kMiB = 1 << 20, kArena = 6144 * kMiB;

/// Seconds of `work`, which issues something `times` times, for each time.
static double secondsOf(Device &device, uint32_t times, const std::function<void()> &work) {
  std::vector<double> rounds;
  for (int round = 0; round < 9; ++round) {
    device.synchronize();
    uint64_t begin = nowNs();
    for (uint32_t i = 0; i < times; ++i)
      work();
    device.synchronize();
    rounds.push_back((nowNs() - begin) * 1e-9 / times);
  }
  std::nth_element(rounds.begin(), rounds.begin() + 4, rounds.end());
  return rounds[4];
}

static void print(const char *what, double bytes, double seconds) {
  std::printf("%-44s %10.1f us %10.1f GB/s\n", what, seconds * 1e6, bytes / seconds * 1e-9);
}

/// Random data: zeros can be faster.
static void prepare(Device &device) {
  std::vector<uint32_t> block(kMiB);
  uint32_t state = 1;
  for (uint32_t &value : block) {
    state = state * 1664525u + 1013904223u;
    value = 0x3c000000u | state >> 9; // small floats
  }
  for (uint64_t at = 0; at < kArena; at += block.size() * 4)
    device.upload(at, block.data(), block.size() * 4);
  device.synchronize();
}

static void arithmetic(Device &device) {
  constexpr uint64_t n = 256 * kMiB, bytes = n * 4;
  auto *result = static_cast<double *>(device.hostMemory(8));
  print("copy of 1 GiB (read + written)", 2.0 * bytes,
        secondsOf(device, 10, [&] { device.copy(bytes, 0, bytes); }));
  print("fill of 1 GiB", bytes, secondsOf(device, 10, [&] { device.fill(0, 1, bytes); }));
  print("sum of squares of 2^28", bytes,
        secondsOf(device, 10, [&] { device.sumSquares(result, bytes, n); }));
  print("scaling of 2^28", 2.0 * bytes,
        secondsOf(device, 10, [&] { device.scale(bytes, n, 1.0001); }));
  AdamW how{1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 1, 1};
  print("AdamW of 2^28 (16 B read, 12 B written each)", 7.0 * bytes, secondsOf(device, 10, [&] {
          device.adamW(how, {.grad = bytes, .m = 2 * bytes, .v = 3 * bytes, .elements = n});
        }));
  print("AdamW of 2^28 bf16, with master weights", 28.0 * n, secondsOf(device, 10, [&] {
          device.adamW(how, {.grad = bytes / 2,
                             .m = bytes,
                             .v = 2 * bytes,
                             .elements = n,
                             .master = 3 * bytes,
                             .paramType = BM_BF16,
                             .gradType = BM_BF16});
        }));
  print("AdamW of 2^28 bf16, moments in bf16", 14.0 * n, secondsOf(device, 10, [&] {
          device.adamW(how, {.grad = bytes / 2,
                             .m = bytes,
                             .v = 3 * bytes / 2,
                             .elements = n,
                             .paramType = BM_BF16,
                             .gradType = BM_BF16,
                             .momentType = BM_BF16});
        }));
}

/// A thousand small kernels in a list, one after another.
static void lists(Device &device) {
  device.prepareMarks(1);
  auto step = [&] {
    if (device.replay(0))
      return;
    device.beginList(0);
    for (int i = 0; i < 1000; ++i)
      device.scale(64, 16, 1.0);
    device.endList();
  };
  double seconds = secondsOf(device, 1, step);
  std::printf("%-44s %10.2f us each\n", "1000 small kernels in a list", seconds * 1e3);
}

static void transfers(Device &device, Comm &comm) {
  bool sends = comm.rank() == 0;
  for (uint64_t bytes : {64ul << 10, 1 * kMiB, 16 * kMiB, 256 * kMiB}) {
    void *data = device.address(0);
    Comm::Request request =
        sends ? comm.prepareSend(data, bytes, 1, 0) : comm.prepareRecv(data, bytes, 0, 0);
    comm.connect();
    comm.setOperation("benchmark");
    comm.barrier();
    double seconds = secondsOf(device, 20, [&] {
      comm.start(request);
      comm.wait(request);
    });
    char text[64];
    std::snprintf(text, sizeof(text), "transfer of %llu KiB",
                  static_cast<unsigned long long>(bytes >> 10));
    if (sends)
      print(text, bytes, seconds);
  }
  // What a receive takes from kernels while it waits for its message.
  constexpr uint64_t n = 64 * kMiB;
  Comm::Request request = sends ? comm.prepareSend(device.address(0), 4, 1, 1)
                                : comm.prepareRecv(device.address(0), 4, 0, 1);
  comm.connect();
  AdamW how{1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 1, 1};
  auto work = [&] {
    device.adamW(
        how, {.param = n * 4, .grad = 2 * n * 4, .m = 3 * n * 4, .v = 4 * n * 4, .elements = n});
  };
  double alone = secondsOf(device, 10, work);
  if (!sends)
    comm.start(request);
  double beside = secondsOf(device, 10, work);
  comm.barrier();
  if (sends)
    comm.start(request);
  comm.wait(request);
  device.synchronize();
  comm.barrier();
  if (!sends)
    std::printf("%-44s %10.1f us alone, %.1f us beside\n", "AdamW beside a receive that waits",
                alone * 1e6, beside * 1e6);
  // The sum and gather of gradients.
  for (uint64_t elements : {1 * kMiB, 128 * kMiB}) {
    Comm::Region region =
        comm.prepareRegion({{0, 1}, comm.rank(), device.address(0), elements / 2, nullptr, 0});
    comm.connect();
    comm.barrier();
    double sum = secondsOf(device, 5, [&] {
      comm.beginSum(device, region);
      comm.endSum(device, region);
    });
    double gather = secondsOf(device, 5, [&] {
      comm.beginGather(device, region);
      comm.endGather(device, region);
    });
    char text[64];
    std::snprintf(text, sizeof(text), "reduce-scatter of %llu MiB over 2",
                  static_cast<unsigned long long>(elements * 4 / kMiB));
    if (sends)
      print(text, elements * 2.0, sum);
    std::snprintf(text, sizeof(text), "all-gather of %llu MiB over 2",
                  static_cast<unsigned long long>(elements * 4 / kMiB));
    if (sends)
      print(text, elements * 2.0, gather);
  }
}

int main() {
  bool alone = !std::getenv("OMPI_COMM_WORLD_SIZE");
  auto host = alone ? makeSelfComm() : makeMpiComm();
  try {
    auto device = makeCudaDevice(indexOnMachine(*host), nullptr);
    device->allocateArena(kArena);
    prepare(*device);
    if (alone) {
      arithmetic(*device);
      lists(*device);
      return 0;
    }
    auto comm = makeNcclComm(*host, *device);
    comm->setTimeout(60);
    if (comm->size() == 2)
      transfers(*device, *comm);
    return 0;
  } catch (const RuntimeError &error) {
    std::fprintf(stderr, "error: rank %u: %s\n", host->rank(), error.what());
    host->abort(1);
  }
}

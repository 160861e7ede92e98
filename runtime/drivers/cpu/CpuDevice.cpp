// The CPU device: an arena of anonymous memory. The arithmetic is in CpuKernels.cpp.

#include "CpuKernels.h"
#include "bigmac-rt/Device.h"
#include "bigmac-rt/Error.h"

#include <cblas.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace bigmac::rt {

namespace {

class CpuDevice final : public Device {
public:
  explicit CpuDevice(uint32_t threads) { openblas_set_num_threads(threads); }
  ~CpuDevice() override {
    if (arena)
      munmap(arena, bytes);
  }

  std::string name() const override { return "cpu"; }

  void allocateArena(uint64_t size) override {
    bytes = std::max<uint64_t>(size, 1);
    // The system would promise more than it has and end the process later.
    uint64_t machine = uint64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
    if (bytes > machine)
      throw RuntimeError("the arena needs " + std::to_string(size) + " bytes, this machine has " +
                         std::to_string(machine) +
                         "; compile for more ranks or with a smaller --memory-limit");
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
      throw RuntimeError("cannot reserve the arena of " + std::to_string(size) +
                         " bytes: " + std::strerror(errno));
    arena = static_cast<unsigned char *>(memory);
    // Fewer page faults and TLB misses; refusing does no harm.
    madvise(arena, bytes, MADV_HUGEPAGE);
  }

  void *address(uint64_t offset) override { return arena + offset; }

  uint64_t residentBytes() const override {
    uint64_t page = sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page, resident = 0;
    std::vector<unsigned char> state(pages);
    if (mincore(arena, bytes, state.data()) != 0)
      return bytes;
    for (unsigned char s : state)
      resident += s & 1;
    return std::min(bytes, resident * page);
  }

  uint64_t usedBytes() const override { return 0; }
  bool isHost() const override { return true; }
  void *hostMemory(uint64_t size) override {
    size_t rounded = (std::max<uint64_t>(size, 1) + 63) / 64 * 64;
    blocks.emplace_back(static_cast<std::byte *>(std::aligned_alloc(64, rounded)), &std::free);
    if (!blocks.back())
      throw RuntimeError("cannot allocate " + std::to_string(size) + " bytes");
    return std::memset(blocks.back().get(), 0, rounded);
  }

  void upload(uint64_t offset, const void *source, uint64_t size) override {
    std::memcpy(arena + offset, source, size);
  }
  void download(void *target, uint64_t offset, uint64_t size) override {
    std::memcpy(target, arena + offset, size);
  }
  void fill(uint64_t offset, uint8_t value, uint64_t size) override {
    std::memset(arena + offset, value, size);
  }
  void copy(uint64_t offset, uint64_t source, uint64_t size) override {
    std::memcpy(arena + offset, arena + source, size);
  }
  void run(bm_task_fn task, void *const *args) override { task(args); }
  void synchronize() override {}

  // Nothing runs beside the calls: a copy is done where it starts.
  void prepareCopies(uint32_t) override {}
  void offload(uint32_t, void *target, uint64_t offset, uint64_t size) override {
    download(target, offset, size);
  }
  void fetch(uint32_t, uint64_t offset, const void *source, uint64_t size) override {
    upload(offset, source, size);
  }
  void await(uint32_t) override {}

  // Nothing is gained by keeping a list: its calls are the work itself.
  bool replay(uint32_t) override { return false; }
  void beginList(uint32_t) override {}
  void endList() override {}
  void prepareMarks(uint32_t count) override { marks.assign(count, 0); }
  void mark(uint32_t index) override { marks[index] = nowNs(); }
  uint64_t markTime(uint32_t index) const override { return marks[index]; }
  void label(const char *) override {}

  void sum(void *target, std::span<const void *const> sources, uint64_t elements,
           bm_dtype type) override {
    if (type == BM_F32)
      cpu::sum(static_cast<float *>(target), sources.data(), sources.size(), elements);
    else
      cpu::sum(static_cast<uint16_t *>(target), sources.data(), sources.size(), elements);
  }
  void sumSquares(double *result, uint64_t offset, uint64_t elements, bm_dtype type) override {
    *result = type == BM_F32 ? cpu::sumSquares(floats(offset), elements)
                             : cpu::sumSquares(halves(offset), elements);
  }
  void scale(uint64_t offset, uint64_t elements, double factor, bm_dtype type) override {
    if (type == BM_F32)
      cpu::scale(floats(offset), elements, static_cast<float>(factor));
    else
      cpu::scale(halves(offset), elements, static_cast<float>(factor));
  }
  void adamW(const AdamW &how, const AdamWShard &s) override {
    s.check();
    AdamWScalars scalars = adamWScalars(how);
    auto withGradient = [&](const auto *grad) {
      if (s.master != BM_NONE64)
        cpu::adamW(scalars, halves(s.param), floats(s.master), grad, floats(s.m), floats(s.v),
                   s.elements);
      else
        cpu::adamW(scalars, halves(s.param), grad, halves(s.m), halves(s.v), s.elements);
    };
    if (s.paramType == BM_F32)
      cpu::adamW(scalars, floats(s.param), floats(s.grad), floats(s.m), floats(s.v), s.elements);
    else if (s.gradType == BM_F32)
      withGradient(floats(s.grad));
    else
      withGradient(halves(s.grad));
  }

private:
  float *floats(uint64_t offset) { return reinterpret_cast<float *>(arena + offset); }
  /// bf16
  uint16_t *halves(uint64_t offset) { return reinterpret_cast<uint16_t *>(arena + offset); }

  unsigned char *arena = nullptr;
  uint64_t bytes = 0;
  std::vector<std::unique_ptr<std::byte, void (*)(void *)>> blocks;
  std::vector<uint64_t> marks;
};

} // namespace

std::unique_ptr<Device> makeCpuDevice(uint32_t threads) {
  return std::make_unique<CpuDevice>(threads);
}

} // namespace bigmac::rt

#include "AbsentDevice.h"

#include "bigmac-rt/Error.h"

#include <list>
#include <vector>

namespace bigmac::rt {

namespace {

class AbsentDevice final : public Device {
public:
  AbsentDevice(const std::string &name, const std::string &why) : title(name), why(why) {}

  std::string name() const override { return title; }
  void allocateArena(uint64_t) override {}
  void *address(uint64_t) override { return nullptr; }
  uint64_t residentBytes() const override { return 0; }
  uint64_t usedBytes() const override { return 0; }
  bool isHost() const override { return false; }
  void *hostMemory(uint64_t bytes) override { return blocks.emplace_back(bytes + 64).data(); }
  void upload(uint64_t, const void *, uint64_t) override {}
  void download(void *, uint64_t, uint64_t) override { absent(); }
  void fill(uint64_t, uint8_t, uint64_t) override {}
  void copy(uint64_t, uint64_t, uint64_t) override { absent(); }
  void run(bm_task_fn, void *const *) override { absent(); }
  void synchronize() override {}
  void prepareCopies(uint32_t) override { absent(); }
  void offload(uint32_t, void *, uint64_t, uint64_t) override { absent(); }
  void fetch(uint32_t, uint64_t, const void *, uint64_t) override { absent(); }
  void await(uint32_t) override { absent(); }
  bool replay(uint32_t) override { absent(); }
  void beginList(uint32_t) override { absent(); }
  void endList() override { absent(); }
  void prepareMarks(uint32_t) override { absent(); }
  void mark(uint32_t) override { absent(); }
  uint64_t markTime(uint32_t) const override { absent(); }
  void label(const char *) override {}
  void sum(void *, std::span<const void *const>, uint64_t, bm_dtype) override { absent(); }
  void sumSquares(double *, uint64_t, uint64_t, bm_dtype) override { absent(); }
  void scale(uint64_t, uint64_t, double, bm_dtype) override { absent(); }
  void adamW(const AdamW &, const AdamWShard &) override { absent(); }

private:
  [[noreturn]] void absent() const { throw RuntimeError(why); }

  std::string title, why;
  std::list<std::vector<std::byte>> blocks;
};

} // namespace

std::unique_ptr<Device> makeAbsentDevice(const std::string &name, const std::string &why) {
  return std::make_unique<AbsentDevice>(name, why);
}

} // namespace bigmac::rt

// A world of one rank: no launcher, no MPI. Everything is with oneself.

#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Error.h"

#include <cstdio>
#include <unistd.h>

namespace bigmac::rt {

namespace {

class SelfComm final : public Comm {
public:
  std::string name() const override { return "self"; }
  uint32_t rank() const override { return 0; }
  uint32_t size() const override { return 1; }
  void setTimeout(double) override {}
  void setOperation(const char *) override {}

  Request prepareSend(const void *, uint64_t, uint32_t peer, uint32_t) override { none(peer); }
  Request prepareRecv(void *, uint64_t, uint32_t peer, uint32_t) override { none(peer); }
  Region prepareRegion(const ShardedRegion &) override { return 0; }
  void connect() override {}
  void start(Request) override { none(0); }
  void wait(Request) override { none(0); }
  void progress() override {}
  void checkOthers() override {}

  // The only shard is one's own.
  void beginSum(Device &, Region) override {}
  void endSum(Device &, Region) override {}
  void beginGather(Device &, Region) override {}
  void endGather(Device &, Region) override {}

  void barrier() override {}
  void allSum(std::span<double>) override {}
  void allMax(std::span<double>) override {}
  std::vector<std::string> gather(std::string_view text) override { return {std::string(text)}; }
  std::string broadcast(std::string_view text) override { return std::string(text); }

  [[noreturn]] void abort(int status) override {
    std::fflush(nullptr);
    _exit(status);
  }

private:
  [[noreturn]] static void none(uint32_t peer) {
    throw RuntimeError("a transfer with rank " + std::to_string(peer) + " in a world of one");
  }
};

} // namespace

std::unique_ptr<Comm> makeSelfComm() { return std::make_unique<SelfComm>(); }

} // namespace bigmac::rt

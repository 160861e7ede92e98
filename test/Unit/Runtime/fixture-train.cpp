// A training program of the fixture model. The environment says what the compiler would have
// decided: BM_FIXTURE="RANKS REPLICAS MICROBATCHES WEIGHTED OFFLOAD", BM_FIXTURE_WEIGHTS="FILE SIZE
// HEADERHASH", and BM_FIXTURE_FAULT="RANK FORWARD SIGNAL" raises a signal in a rank's n-th forward,
// BM_FIXTURE_SIGNAL="RANK SECONDS SIGNAL" raises one after some time, BM_FIXTURE_FILE_LIMIT="BYTES"
// limits the size of files, BM_FIXTURE_TARGET=cuda makes it a program for GPUs.

#include "FixtureModel.h"
#include "bigmac-rt/Train.h"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

using namespace bigmac;

static uint64_t forwardsLeft = 0;
static int faultSignal = 0;

static void countdown() {
  if (forwardsLeft && --forwardsLeft == 0)
    raise(faultSignal);
}

static std::string env(const char *name, const char *fallback = "") {
  const char *value = std::getenv(name);
  return value ? value : fallback;
}

static uint32_t thisRank() {
  return std::stoul(env("OMPI_COMM_WORLD_RANK", env("RANK", "0").c_str()));
}

int main(int argc, char **argv) {
  fixture::Shape shape;
  std::istringstream(env("BM_FIXTURE", "1 1 2 0 0")) >> shape.ranks >> shape.replicas >>
      shape.microbatches >> shape.weighted >> shape.offload;
  shape.target = env("BM_FIXTURE_TARGET", "cpu");
  shape.unwritten = !env("BM_FIXTURE_UNWRITTEN").empty();
  std::string file;
  uint64_t size = 0, hash = 0;
  std::istringstream(env("BM_FIXTURE_WEIGHTS")) >> file >> size >> hash;
  uint32_t faultRank = 0;
  if (std::istringstream(env("BM_FIXTURE_FAULT")) >> faultRank >> forwardsLeft >> faultSignal) {
    if (thisRank() == faultRank)
      fixture::onForward = countdown;
  }
  double seconds = 0;
  int lateSignal = 0;
  if (std::istringstream(env("BM_FIXTURE_SIGNAL")) >> faultRank >> seconds >> lateSignal &&
      thisRank() == faultRank)
    std::thread([=] {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
      kill(getpid(), lateSignal);
    }).detach();
  rlimit limit{};
  if (std::istringstream(env("BM_FIXTURE_FILE_LIMIT")) >> limit.rlim_cur) {
    limit.rlim_max = limit.rlim_cur;
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
  }
  std::string error;
  auto image = fixture::buildPlan(shape, file, size, hash, error);
  if (image.empty()) {
    std::fprintf(stderr, "fixture: %s\n", error.c_str());
    return 99;
  }
#ifdef BM_WITH_CUDA
  if (shape.target == "cuda")
    return rt::trainMain(argc, argv,
                         {image.data(), image.size(), fixture::kCudaTasks, fixture::kTaskCount,
                          &fixture::kCudaProgram});
#endif
  return rt::trainMain(argc, argv,
                       {image.data(), image.size(), fixture::kTasks, fixture::kTaskCount});
}

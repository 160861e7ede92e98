// What the drivers for GPUs do where ranks wait for each other, on an emulated CUDA driver
// (EmulatedDriver/): steps of more calls than a driver queues, ranks that stop or die. Numbers mean
// nothing there. CudaTest.cpp has the same on GPUs.

#include "TestSupport.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace bigmac;
using namespace bigmac::test;
using testing::ContainsRegex;
using testing::HasSubstr;

namespace {

/// Microbatches of a step with more calls, and more transfers on a lane, than the driver queues.
constexpr uint32_t kMany = 1000;

std::vector<std::string> emulated(std::vector<std::string> env) {
  env.push_back("LD_LIBRARY_PATH=" BM_EMULATED_DRIVER);
  env.push_back("BM_FIXTURE_TARGET=cuda");
  return env;
}

/// Two ranks train for ever, until `fault` (a variable of the fixture) strikes rank 1.
Result interrupted(const std::string &fault, const std::string &timeout, bool torchrun,
                   uint32_t microbatches) {
  Job job({2, 1, microbatches, false}, 10 * microbatches);
  job.timeout = timeout;
  std::vector<std::string> env = emulated({fault}), steps = {"--steps", "100000000"};
  if (!torchrun)
    return job.start(steps, env);
  env.push_back(fixtureVariable(job.shape));
  return executeApart(2,
                      {BM_FIXTURE_PROGRAM, "--data", job.dir / "data", "--init",
                       job.dir / "w.safetensors", "--steps", steps[1], "--timeout", timeout},
                      env);
}

} // namespace

TEST(EmulatedDriver, StepsEndWhateverTheDriverQueues) {
  for (uint32_t microbatches : {4u, kMany}) {
    Job job({2, 1, microbatches, false}, 4 * microbatches);
    Result result = job.start({"--steps", "3", "--log", job.dir / "log"}, emulated({}));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(readLog(job.dir / "log").size(), 3u);
  }
}

TEST(EmulatedDriver, AStoppedRankIsNamed) {
  for (uint32_t microbatches : {4u, kMany}) {
    Result result = interrupted("BM_FIXTURE_FAULT=1 30 " + std::to_string(SIGSTOP), "2",
                                /*torchrun=*/false, microbatches);
    EXPECT_NE(result.status, 0) << microbatches;
    EXPECT_LT(result.seconds, 30) << microbatches;
    EXPECT_THAT(result.err, ContainsRegex("waited 2 s for: receive from rank 1 for "))
        << microbatches;
  }
}

TEST(EmulatedDriver, AKilledRankEndsTheOthers) {
  for (uint32_t microbatches : {4u, kMany}) {
    Result result = interrupted("BM_FIXTURE_FAULT=1 30 " + std::to_string(SIGKILL), "600",
                                /*torchrun=*/true, microbatches);
    EXPECT_NE(result.status, 0) << microbatches;
    EXPECT_LT(result.seconds, 30) << microbatches;
    EXPECT_THAT(result.err, HasSubstr("rank 1 has ended")) << microbatches;
    EXPECT_THAT(result.err, HasSubstr("waited for: receive from rank 1 for ")) << microbatches;
  }
}

// Programs for GPUs: on a machine without any they start and say what is missing; on one with GPUs
// they train. Most of the latter is in the other tests, which BM_FIXTURE_TARGET=cuda runs there.

#include "TestSupport.h"
#include "bigmac-rt/Device.h"

#include <csignal>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace bigmac;
using namespace bigmac::test;
using testing::HasSubstr;

static const std::string kCuda = "BM_FIXTURE_TARGET=cuda";

#ifdef BM_WITH_CUDA

static uint32_t gpus() {
  std::string why;
  return rt::countCudaDevices(why);
}

TEST(NoGpu, HelpAndDryRunWork) {
  if (gpus() > 0)
    GTEST_SKIP() << "this machine has a GPU";
  Job job({2, 1, 3, false});
  Result help = job.train({"--help"}, {kCuda}, 0);
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("--dry-run"));
  Result dry = job.start({"--dry-run"}, {kCuda});
  EXPECT_EQ(dry.status, 0) << dry.err;
  EXPECT_THAT(dry.out, HasSubstr("transfers pair up"));
  EXPECT_THAT(dry.out, HasSubstr("beside each arena: 4096 bytes of workspace"));
  EXPECT_THAT(dry.err, HasSubstr("warning: no device for 'cuda' here: "));
  EXPECT_THAT(dry.err, HasSubstr("libcuda.so.1"));
  // What a dry run checks, it checks without a device too.
  Result wrong = job.train({"--dry-run", "--init", job.dir / "none"}, {kCuda});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("none"));
}

TEST(NoGpu, TrainingSaysWhatIsMissing) {
  if (gpus() > 0)
    GTEST_SKIP() << "this machine has a GPU";
  Job job({2, 1, 3, false});
  Result result = job.start({"--steps", "1"}, {kCuda});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("cannot load libcuda.so.1"));
  EXPECT_THAT(result.err, HasSubstr("this machine has no NVIDIA driver"));
}

/// The same numbers, whether a step is a graph or call by call, and with every call waited for.
TEST(Gpu, ListsGiveTheSameBits) {
  if (gpus() == 0)
    GTEST_SKIP() << "needs a GPU";
  Job job({gpus() > 1 ? 2u : 1u, 1, 4, false});
  std::vector<std::vector<nlohmann::json>> logs;
  for (const char *lists : {"graph", "issue", "check", "time"}) {
    Result result = job.start({"--steps", "6", "--deterministic", "--log", job.dir / lists},
                              {kCuda, "BIGMAC_CUDA_LISTS=" + std::string(lists)});
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err.find("seconds, calls, least seconds") != std::string::npos,
              std::string(lists) == "time")
        << result.err;
    logs.push_back(readLog(job.dir / lists));
    ASSERT_EQ(logs.back().size(), 6u);
    for (size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(logs.back()[i]["loss"], logs[0][i]["loss"]);
      EXPECT_EQ(logs.back()[i]["weights_hash"], logs[0][i]["weights_hash"]);
    }
  }
}

TEST(Gpu, TracesAreInDeviceTime) {
  if (gpus() == 0)
    GTEST_SKIP() << "needs a GPU";
  Job job({gpus() > 1 ? 2u : 1u, 1, 4, false});
  Result result = job.start({"--steps", "5", "--trace", job.dir / "trace"}, {kCuda});
  ASSERT_EQ(result.status, 0) << result.err;
  auto trace = nlohmann::json::parse(readBytes(job.dir / "trace"));
  // Of each step: every action once, in order, none longer than the step.
  std::map<std::pair<int, int>, double> ends;
  size_t actions = 0;
  for (const auto &event : trace["traceEvents"]) {
    if (event.value("cat", "") != "action")
      continue;
    ++actions;
    double begin = event["ts"], duration = event["dur"];
    EXPECT_GT(duration, 0);
    EXPECT_LT(duration, 1e6);
    double &end = ends[{event["pid"].get<int>(), 0}];
    EXPECT_GE(begin + 1, end);
    end = begin + duration;
  }
  EXPECT_GE(actions, job.shape.ranks * 5 * 4 * 2); // loads between tasks cut an action in two
}

namespace {

/// Microbatches of a step with more calls, and more transfers on a lane, than the driver queues.
constexpr uint32_t kMany = 1000;

/// Two ranks train for ever, until `fault` (a variable of the fixture) strikes rank 1.
Result interrupted(const std::vector<std::string> &fault, const std::string &timeout, bool torchrun,
                   uint32_t microbatches = 4) {
  Job job({2, 1, microbatches, false}, 10 * microbatches);
  job.timeout = timeout;
  std::vector<std::string> env = {kCuda}, steps = {"--steps", "100000000"};
  env.insert(env.end(), fault.begin(), fault.end());
  if (!torchrun)
    return job.start(steps, env);
  env.push_back(fixtureVariable(job.shape));
  return executeApart(2,
                      {BM_FIXTURE_PROGRAM, "--data", job.dir / "data", "--init",
                       job.dir / "w.safetensors", "--steps", steps[1], "--timeout", timeout},
                      env);
}

/// In the middle of graphs, and between two calls of a step.
const std::vector<std::string> kKilled[] = {
    {"BM_FIXTURE_SIGNAL=1 8 " + std::to_string(SIGKILL)},
    {"BIGMAC_CUDA_LISTS=issue", "BM_FIXTURE_FAULT=1 30 " + std::to_string(SIGKILL)}};

} // namespace

TEST(Gpus, AKilledRankEndsTheOthers) {
  if (gpus() < 2)
    GTEST_SKIP() << "needs two GPUs";
  for (const auto &fault : kKilled)
    for (bool torchrun : {false, true}) {
      Result result = interrupted(fault, "600", torchrun);
      EXPECT_NE(result.status, 0);
      EXPECT_LT(result.seconds, 60);
      if (torchrun) { // mpirun ends the others itself, at any point
        EXPECT_THAT(result.err, HasSubstr("rank 1 has ended"));
        EXPECT_THAT(result.err, HasSubstr("waited for: "));
      }
    }
}

TEST(Gpus, AStoppedRankIsNamed) {
  if (gpus() < 2)
    GTEST_SKIP() << "needs two GPUs";
  for (uint32_t microbatches : {4u, kMany}) {
    Result result = interrupted(
        {"BIGMAC_CUDA_LISTS=issue", "BM_FIXTURE_FAULT=1 30 " + std::to_string(SIGSTOP)}, "10",
        /*torchrun=*/false, microbatches);
    EXPECT_NE(result.status, 0) << microbatches;
    EXPECT_LT(result.seconds, 60) << microbatches;
    EXPECT_THAT(result.err, testing::ContainsRegex("waited 10 s for: receive from rank 1 for "))
        << microbatches;
  }
}

TEST(Gpus, MoreCallsThanTheDriverQueues) {
  if (gpus() < 2)
    GTEST_SKIP() << "needs two GPUs";
  Job job({2, 1, kMany, false}, 4 * kMany);
  std::vector<std::vector<nlohmann::json>> logs;
  for (const char *transfers : {"copy", "nccl"}) {
    Result result = job.start(
        {"--steps", "3", "--deterministic", "--log", job.dir / transfers},
        {kCuda, "BIGMAC_CUDA_LISTS=issue", "BIGMAC_CUDA_TRANSFERS=" + std::string(transfers)});
    ASSERT_EQ(result.status, 0) << transfers << ": " << result.err;
    logs.push_back(readLog(job.dir / transfers));
    ASSERT_EQ(logs.back().size(), 3u);
    for (size_t i = 0; i < 3; ++i)
      EXPECT_EQ(logs.back()[i]["weights_hash"], logs[0][i]["weights_hash"]);
  }
}

TEST(Gpus, TwoRanksOnOneAreRefused) {
  if (gpus() < 2)
    GTEST_SKIP() << "needs two GPUs";
  Job job({2, 1, 4, false});
  Result result = job.start({"--steps", "1"}, {kCuda, "CUDA_VISIBLE_DEVICES=1"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("ranks 0 and 1 have the same GPU"));
}

#else

TEST(NoCuda, ProgramsSayWhatTheBuildLacked) {
  Job job({1, 1, 2, false});
  Result result = job.start({"--steps", "1"}, {kCuda});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("linked without the driver for it: when it was built there"));
}

#endif

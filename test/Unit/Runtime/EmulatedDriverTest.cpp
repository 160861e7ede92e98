// What the drivers for GPUs do where ranks wait for each other, on an emulated CUDA driver
// (EmulatedDriver/): whole trainings, on more GPUs than most machines have; steps of more calls
// than a driver queues; ranks that stop or die. There are no graphs there. CudaTest.cpp is for
// GPUs.

#include "TestSupport.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
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
  const char *others = std::getenv("LD_LIBRARY_PATH");
  env.push_back(std::string("LD_LIBRARY_PATH=" BM_EMULATED_DRIVER) + (others ? ":" : "") +
                (others ? others : ""));
  env.insert(env.end(), {"BM_FIXTURE_TARGET=cuda", "OMPI_ALLOW_RUN_AS_ROOT=1",
                         "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
  return env;
}

/// Two ranks train for ever, until `fault` (a variable of the fixture) strikes one.
Result interrupted(const std::string &fault, const std::string &timeout, bool torchrun,
                   uint32_t microbatches, bool traced = false) {
  Job job({2, 1, microbatches, false}, 10 * microbatches);
  job.timeout = timeout;
  std::vector<std::string> env = emulated({fault}), steps = {"--steps", "100000000"};
  if (traced)
    steps.insert(steps.end(), {"--trace", job.dir / "trace"});
  if (!torchrun)
    return job.start(steps, env);
  env.push_back(fixtureVariable(job.shape));
  std::vector<std::string> command = {
      BM_FIXTURE_PROGRAM,        "--data",    job.dir / "data", "--init",
      job.dir / "w.safetensors", "--timeout", timeout};
  command.insert(command.end(), steps.begin(), steps.end());
  return executeApart(2, command, env);
}

/// `rank` stops in its 30th forward.
void expectNamed(int rank, uint32_t microbatches, bool traced = false) {
  Result result =
      interrupted("BM_FIXTURE_FAULT=" + std::to_string(rank) + " 30 " + std::to_string(SIGSTOP),
                  "10", /*torchrun=*/false, microbatches, traced);
  EXPECT_NE(result.status, 0);
  EXPECT_LT(result.seconds, 60);
  // Its device stops too, here, so that the others may still wait for the update before.
  EXPECT_THAT(result.err, ContainsRegex("waited 10 s for: (receive from rank " +
                                        std::to_string(rank) + " for |all of ranks 0, 1)"));
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

/// bf16 and transfers by NCCL aside. Among it: transfers both ways at once before either rank
/// waits, where a host inside a call into a full queue would keep back what the other one waits
/// for.
TEST(EmulatedDriver, PassesTheConformanceSuite) {
  for (const char *ranks : {"1", "2", "5"}) {
    Result result = execute({"mpirun", "--oversubscribe", "-np", ranks, BM_CTS_COMM_PROGRAM, "nccl",
                             "--gtest_filter=-*BFloat16*"},
                            emulated({}));
    EXPECT_EQ(result.status, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("CommCts.ManyTransfersAreStartedAtOnce"));
    // By itself: transfers, which other tests prepare, keep lists from being graphs.
    result = execute({"mpirun", "--oversubscribe", "-np", ranks, BM_CTS_COMM_PROGRAM, "nccl",
                      "--gtest_filter=*SumsBeside*"},
                     emulated({}));
    EXPECT_EQ(result.status, 0) << result.out << result.err;
  }
  Result result =
      executeApart(2, {BM_CTS_COMM_PROGRAM, "nccl", "--gtest_filter=-*BFloat16*"}, emulated({}));
  EXPECT_EQ(result.status, 0) << result.out << result.err;
}

/// How products are described to cuBLASLt, and the suite's own references.
TEST(EmulatedDriver, MultipliesAsTheConformanceSuiteHasIt) {
  Result result = execute({BM_CTS_CUDA_PROGRAM, "--gtest_filter=*CudaMatmul*"}, emulated({}));
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("Bf16SavedGeluBatch"));
  EXPECT_EQ(result.out.find("SKIPPED"), std::string::npos) << result.out;
}

TEST(EmulatedDriver, SaysWhatToDoWithoutAnEpilogue) {
  Result result = execute({BM_CTS_CUDA_PROGRAM, "--gtest_filter=*CudaMatmul*/Bf16SavedGelu"},
                          emulated({"BM_EMULATED_EPILOGUES=none"}));
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("cuBLASLt: matmul 96 x 80 x 64"));
  EXPECT_THAT(result.out, HasSubstr("compile with --epilogues=none"));
}

/// The tests of whole runs, with the fixture as a program for GPUs, as scripts/gpu-suite.sh has
/// them.
TEST(EmulatedDriver, TrainsAsTheReference) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  for (const char *lists : {"graph", "issue"}) {
    Result result = execute(
        {self, "--gtest_filter=Worlds/Training.*:Resume.*:Offload.*:Run.SameBitsTwice:Run.Shuffle*:"
               "Run.Trace*:Poison.*:BadStep.*:Gpu.*"},
        emulated({"BIGMAC_CUDA_LISTS=" + std::string(lists)}));
    EXPECT_EQ(result.status, 0) << lists << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("[       OK ] Worlds/Training.EqualsReference/7"));
    EXPECT_EQ(result.out.find("SKIPPED"), std::string::npos) << result.out;
  }
}

TEST(EmulatedDriver, AStoppedRankIsNamed) {
  expectNamed(1, 4);
  expectNamed(1, kMany);
  // The last rank has the most calls a microbatch, and with a trace more.
  expectNamed(0, kMany);
  expectNamed(0, kMany, /*traced=*/true);
}

TEST(EmulatedDriver, AKilledRankEndsTheOthers) {
  for (uint32_t microbatches : {4u, kMany}) {
    Result result = interrupted("BM_FIXTURE_FAULT=1 30 " + std::to_string(SIGKILL), "600",
                                /*torchrun=*/true, microbatches);
    EXPECT_NE(result.status, 0) << microbatches;
    EXPECT_LT(result.seconds, 60) << microbatches;
    // It may notice before it waits for that rank.
    EXPECT_THAT(result.err, HasSubstr("rank 1 has ended (waited for: ")) << microbatches;
  }
}

/// Pipeline ranks, which wait inside the graph, and replicas, which wait for sums beside it.
TEST(EmulatedDriver, AKilledRankEndsTheOthersInsideAGraph) {
  for (bool replicas : {false, true}) {
    Job job({replicas ? 1u : 2u, replicas ? 2u : 1u, 4, false});
    Result result = executeApart(2,
                                 {BM_FIXTURE_PROGRAM, "--data", job.dir / "data", "--init",
                                  job.dir / "w.safetensors", "--steps", "100000000"},
                                 emulated({fixtureVariable(job.shape), "BIGMAC_CUDA_LISTS=graph",
                                           "BM_FIXTURE_SIGNAL=1 3 " + std::to_string(SIGKILL)}));
    EXPECT_NE(result.status, 0) << replicas;
    EXPECT_LT(result.seconds, 60) << replicas;
    EXPECT_THAT(result.err, HasSubstr("rank 1 has ended (waited for: ")) << replicas;
  }
}

/// Where one rank may not or cannot have the buffers for sums, NCCL does it, with the same result,
/// and the run ends in order.
TEST(EmulatedDriver, OneRankWithoutBuffers) {
  Job job({1, 2, 4, false});
  auto lossesWith = [&](const std::string &first) {
    const std::vector<std::string> program = {
        BM_FIXTURE_PROGRAM, "--data", job.dir / "data", "--init", job.dir / "w.safetensors",
        "--steps",          "3",      "--timeout",      "20",     "--log",
        job.dir / "log"};
    std::vector<std::string> command = {"mpirun", "--oversubscribe", "-np", "1", "env", first};
    command.insert(command.end(), program.begin(), program.end());
    command.insert(command.end(), {":", "-np", "1"});
    command.insert(command.end(), program.begin(), program.end());
    Result result = execute(command, emulated({fixtureVariable(job.shape)}));
    EXPECT_EQ(result.status, 0) << first << result.err;
    std::vector<double> losses;
    for (const auto &line : readLog(job.dir / "log"))
      losses.push_back(line["loss"]);
    EXPECT_EQ(losses.size(), 3u) << first;
    return losses;
  };
  auto expected = lossesWith("NOTHING=");
  EXPECT_EQ(lossesWith("BIGMAC_CUDA_TRANSFERS=nccl"), expected);
  // Less than the buffers take, and enough for all else.
  EXPECT_EQ(lossesWith("BM_EMULATED_MEMORY=16000000"), expected);
}

/// A kernel's error on one rank, at any point: that rank says what is known of it, and all end.
TEST(EmulatedDriver, AKernelsErrorIsSaid) {
  for (const char *lists : {"graph", "issue", "check"})
    for (uint32_t ranks : {1u, 2u}) {
      Job job({ranks, 1, 4, false});
      Result result = job.start(
          {"--steps", "3"},
          emulated({"BIGMAC_CUDA_LISTS=" + std::string(lists), "BM_EMULATED_FAULT=fixture_head"}));
      EXPECT_EQ(result.status, 1) << lists << " " << ranks << result.err;
      EXPECT_LT(result.seconds, 60);
      EXPECT_THAT(result.err,
                  HasSubstr("error: rank " + std::to_string(ranks - 1) + ": step 0: CUDA: "))
          << lists << " " << ranks;
    }
}

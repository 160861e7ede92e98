// Bad input, damaged checkpoints, bad steps, lost ranks: a clear error and a status, never a hang.

#include "TestSupport.h"

#include <csignal>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace bigmac;
using namespace bigmac::test;
using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

namespace {

size_t count(const std::string &text, const std::string &what) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; ++at)
    ++n;
  return n;
}

/// Expects status 1, `what` in stderr, and the error once (not once a rank).
void expectError(const Result &result, const std::string &what) {
  EXPECT_EQ(result.status, 1) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(what));
  EXPECT_EQ(count(result.err, "error: "), 1u) << result.err;
}

} // namespace

//===----------------------------------------------------------------------===//
// The world
//===----------------------------------------------------------------------===//

TEST(World, WrongNumberOfRanksIsSaidOnEveryRank) {
  Job job({2, 2, 2, false});
  Result result = job.start({"--steps", "1"}, {}, 3);
  EXPECT_EQ(result.status, 1);
  for (int rank = 0; rank < 3; ++rank)
    EXPECT_THAT(result.err, HasSubstr("rank " + std::to_string(rank) +
                                      ": compiled for 4 ranks (2 replicas x 2 pipeline ranks), but "
                                      "started with 3"));
}

TEST(World, WithoutMpirun) {
  Job job({2, 1, 2, false});
  Result result = job.start({"--steps", "1"}, {}, 0);
  expectError(result, "compiled for 2 ranks (1 replica x 2 pipeline ranks), but started with 1");
  EXPECT_LT(result.seconds, 20);
}

TEST(World, TooManyRanksForOne) {
  Job job({1, 1, 2, false});
  Result result = job.start({"--steps", "1"}, {}, 2);
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("rank 1: compiled for 1 rank "));
}

TEST(World, WrongNumberUnderTorchrun) {
  Job job({2, 1, 2, false});
  Result result = executeApart(3, {BM_FIXTURE_PROGRAM, "--data", "x", "--steps", "1"},
                               {fixtureVariable(job.shape)});
  EXPECT_EQ(result.status, 1);
  for (int rank = 0; rank < 3; ++rank)
    EXPECT_THAT(result.err,
                HasSubstr("rank " + std::to_string(rank) +
                          ": compiled for 2 ranks (1 replica x 2 pipeline ranks), but started "
                          "with 3 (torchrun)"));
}

TEST(World, SlurmWithoutPmi) {
  Job job({2, 1, 2, false});
  Result result = job.start({"--steps", "1"}, {"SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2"}, 0);
  expectError(result, "but srun (Slurm) started 2 processes that MPI does not connect");
}

TEST(World, TorchrunEqualsMpirun) {
  Job job({2, 2, 2, false});
  std::vector<std::string> args = {"--steps", "5", "--log", job.dir / "log", "--deterministic"};
  ASSERT_EQ(job.start(args).status, 0);
  auto want = readLog(job.dir / "log");
  args.insert(args.begin(), BM_FIXTURE_PROGRAM);
  args.insert(args.end(),
              {"--data", job.dir / "data", "--init", job.dir / "w.safetensors", "--timeout", "30"});
  Result result = executeApart(4, args, {fixtureVariable(job.shape)});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("started by torchrun: 2 replicas x 2 pipeline ranks (TCP)"));
  auto got = readLog(job.dir / "log");
  ASSERT_EQ(got.size(), 5u);
  for (size_t t = 0; t < 5; ++t)
    EXPECT_EQ(got[t]["weights_hash"], want[t]["weights_hash"]);
}

TEST(World, TorchrunRankMissing) {
  // Only rank 1 of 2 is there: it gives up in time and says whom it waited for.
  Job job({2, 1, 2, false});
  Result result = execute({BM_FIXTURE_PROGRAM, "--data", "x", "--steps", "1", "--timeout", "1"},
                          {fixtureVariable(job.shape), "RANK=1", "WORLD_SIZE=2",
                           "MASTER_ADDR=localhost", "MASTER_PORT=19871"});
  expectError(result, "TCP: waited 1 s for rank 0");
  EXPECT_LT(result.seconds, 20);
}

TEST(World, SaysWhoStartedIt) {
  Job job({1, 1, 2, false});
  EXPECT_THAT(job.start({"--steps", "1"}).out, HasSubstr("started by no launcher: 1 replica"));
  EXPECT_THAT(job.start({"--steps", "1"}, {}, 1).out, HasSubstr("started by mpirun (Open MPI)"));
}

//===----------------------------------------------------------------------===//
// Command line and outputs
//===----------------------------------------------------------------------===//

TEST(CommandLine, HelpNeedsNothing) {
  Result result = trainFixture({2, 2, 4, false}, {"--help"}, {}, 0);
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("Trains fixture on 4 ranks"));
  for (const char *flag : {"--data",         "--steps",          "--init",          "--save",
                           "--save-every",   "--save-gradients", "--resume",        "--lr",
                           "--weight-decay", "--betas",          "--eps",           "--clip",
                           "--warmup",       "--schedule",       "--seed",          "--log",
                           "--trace",        "--dry-run",        "--deterministic", "--quiet",
                           "--timeout",      "--threads"})
    EXPECT_THAT(result.out, HasSubstr(std::string("\n  ") + flag + " ")) << flag;
}

TEST(CommandLine, DryRunPrintsThePlanAndDoesNotTrain) {
  Job job({2, 1, 2, false});
  Result result = job.start({"--dry-run", "--log", job.dir / "log"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("everything is in order"));
  EXPECT_THAT(result.out, HasSubstr("model fixture"));
  EXPECT_FALSE(fs::exists(job.dir / "log"));
}

TEST(CommandLine, QuietIsQuiet) {
  Job job({1, 1, 2, false});
  Result result = job.start({"--steps", "2", "--quiet"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out + result.err, "");
}

TEST(CommandLine, UnwritableOutputsEndBeforeTraining) {
  Job job({2, 1, 2, false});
  writeBytes(job.dir / "file", "");
  for (const char *flag : {"--log", "--trace", "--save-gradients", "--save"}) {
    Result result = job.start({"--steps", "1", flag, job.dir / "file/below"});
    expectError(result, flag);
    EXPECT_THAT(result.out, Not(HasSubstr("loss")));
  }
}

TEST(CommandLine, ErrorsLeaveNothingBehind) {
  Job job({1, 1, 2, false});
  fs::remove_all(job.dir / "data");
  Result result = job.start({"--steps", "1", "--log", job.dir / "log", "--trace", job.dir / "trace",
                             "--save-gradients", job.dir / "gradients"});
  expectError(result, "cannot read the data folder");
  for (const char *name : {"log", "trace", "gradients"})
    EXPECT_FALSE(fs::exists(job.dir / name));
}

//===----------------------------------------------------------------------===//
// Data and weights
//===----------------------------------------------------------------------===//

namespace {

/// A change to the data's second shard, and what the error must say.
struct BadData {
  const char *name;
  void (*change)(Tensors &);
  const char *error;
};

class DataErrors : public testing::TestWithParam<BadData> {};

} // namespace

TEST_P(DataErrors, AreClear) {
  Job job({2, 1, 2, false});
  Tensors shard = fixtureData(33, false, 7);
  GetParam().change(shard);
  writeTensors(job.dir / "data/b.safetensors", shard);
  expectError(job.start({"--steps", "12"}), GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, DataErrors,
    testing::Values(BadData{"missing", [](Tensors &t) { t.erase("target"); },
                            "b.safetensors: no tensor 'target'; expected F32[samples, 8]"},
                    BadData{"dtype", [](Tensors &t) { t["ids"].dtype = "F64"; },
                            "tensor 'ids': expected I64[samples, 4], found F64[33, 4]"},
                    BadData{"shape", [](Tensors &t) { t["x"].shape = {33, 2, 4}; },
                            "tensor 'x': expected F32[samples, 8], found F32[33, 2, 4]"},
                    BadData{"rank", [](Tensors &t) { t["weight"].shape = {1, 33}; },
                            "tensor 'weight': expected F32[samples], found F32[1, 33]"},
                    BadData{"counts",
                            [](Tensors &t) {
                              t["x"].shape[0] = 32;
                              t["x"].bytes.resize(32 * 32);
                            },
                            "tensor 'target' has 33 samples, but 'x' has 32"}),
    [](const auto &info) { return info.param.name; });

TEST(Data, TooFewSamples) {
  Job job({2, 1, 4, false});
  fs::remove(job.dir / "data/b.safetensors");
  expectError(job.start({"--steps", "1"}),
              "has 7 samples, but one step takes 8 (1 replica x 4 microbatches x 2 samples)");
}

TEST(Data, NoShards) {
  Job job({1, 1, 2, false});
  fs::remove_all(job.dir / "data");
  expectError(job.start({"--steps", "1"}), "cannot read the data folder");
  fs::create_directory(job.dir / "data");
  expectError(job.start({"--steps", "1"}), "has no .safetensors files");
}

TEST(Data, ValueOutOfRangeIsNotAFault) {
  Job job({2, 1, 2, false});
  Tensors shard = fixtureData(33, false, 7);
  reinterpret_cast<int64_t *>(shard["ids"].bytes.data())[4 * 5 + 2] = 10;
  writeTensors(job.dir / "data/b.safetensors", shard);
  Result result = job.start({"--steps", "12"});
  EXPECT_NE(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("step 3: data: tensor 'ids', sample 12: expected values from 0 "
                                    "to 9, found 10"));
}

TEST(Data, TruncatedShard) {
  Job job({2, 1, 2, false});
  fs::resize_file(job.dir / "data/a.safetensors",
                  fs::file_size(job.dir / "data/a.safetensors") - 1);
  expectError(job.start({"--steps", "1"}), "a.safetensors: not a valid safetensors file");
}

TEST(Weights, EveryProblemIsListed) {
  Job job({2, 1, 2, false});
  Tensors weights = fixtureWeights(2);
  weights.erase("stages.1.bias");
  weights["scale"].shape = {8, 1};
  weights["table"] = tensor<int32_t>("I32", {3}, {7, 8, 9});
  writeTensors(job.dir / "w.safetensors", weights);
  Result result = job.start({"--steps", "1"});
  expectError(result, "does not fit this model");
  EXPECT_THAT(result.err, HasSubstr("'stages.1.bias': expected F32[8], found no such tensor"));
  EXPECT_THAT(result.err, HasSubstr("'scale': expected F32[8], found F32[8, 1]"));
  EXPECT_THAT(result.err, HasSubstr("'table': expected I64[3], found I32[3]"));
}

TEST(Weights, BesideTheProgram) {
  Job job({1, 1, 2, false});
  std::string name = "weights-of-" + fs::path(job.dir.path).filename().string() + ".safetensors";
  std::string path = fs::path(BM_FIXTURE_PROGRAM).parent_path() / name;
  Result missing = job.train({"--steps", "1"}, {"BM_FIXTURE_WEIGHTS=" + name + " 1 1"});
  expectError(missing, "initial weights: expected " + path);
  std::string header = writeTensors(path, fixtureWeights(1));
  std::string size = std::to_string(fs::file_size(path));
  Result good = job.train({"--steps", "1"},
                          {"BM_FIXTURE_WEIGHTS=" + name + " " + size + " " + headerHash(header)});
  EXPECT_EQ(good.status, 0) << good.err;
  Result other = job.train({"--steps", "1"}, {"BM_FIXTURE_WEIGHTS=" + name + " " + size + " 1"});
  expectError(other, "is not the file that was compiled with this program");
  fs::remove(path);
}

//===----------------------------------------------------------------------===//
// Bad steps
//===----------------------------------------------------------------------===//

TEST(BadStep, IsSkippedAndLogged) {
  Job job({2, 1, 2, false});
  Tensors shard = fixtureData(33, false, 7);
  reinterpret_cast<float *>(shard["target"].bytes.data())[8 * 2] = NAN; // sample 9: step 2
  writeTensors(job.dir / "data/b.safetensors", shard);
  Result result = job.start({"--steps", "4", "--log", job.dir / "log", "--deterministic"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("step 2 of the log: NaN or infinity"));
  auto log = readLog(job.dir / "log");
  ASSERT_EQ(log.size(), 4u);
  for (size_t t = 0; t < 4; ++t)
    EXPECT_EQ(log[t].contains("skipped"), t == 2);
  EXPECT_TRUE(log[2]["loss"].is_null());
  EXPECT_EQ(log[1]["weights_hash"], log[2]["weights_hash"]);
  EXPECT_NE(log[2]["weights_hash"], log[3]["weights_hash"]);

  // The optimizer's own step count stands still: the reference without the bad step agrees.
  Reference reference(job.shape, fixtureWeights(2));
  for (uint64_t t : {0, 1, 3}) {
    auto want = reference.step(job.data, {4 * t, 4 * t + 1, 4 * t + 2, 4 * t + 3}, {});
    EXPECT_NEAR(log[t]["loss"].get<double>() / want.loss, 1, 1e-5);
  }
}

TEST(BadStep, TenInARowEndTheRun) {
  Job job({1, 2, 2, false});
  Tensors weights = fixtureWeights(1);
  reinterpret_cast<float *>(weights["scale"].bytes.data())[0] = INFINITY;
  writeTensors(job.dir / "w.safetensors", weights);
  Result result = job.start({"--steps", "40", "--log", job.dir / "log"});
  expectError(result, "in 10 steps in a row");
  EXPECT_EQ(readLog(job.dir / "log").size(), 10u);
}

//===----------------------------------------------------------------------===//
// Lost ranks
//===----------------------------------------------------------------------===//

TEST(LostRank, StoppedRankEndsTheRunInTime) {
  Job job({3, 1, 2, false});
  job.timeout = "2";
  Result result =
      job.start({"--steps", "100"}, {"BM_FIXTURE_FAULT=1 5 " + std::to_string(SIGSTOP)});
  EXPECT_NE(result.status, 0);
  EXPECT_LT(result.seconds, 30);
  EXPECT_THAT(result.err, HasSubstr("step 2: waited 2 s for: "));
  EXPECT_THAT(result.err, HasSubstr("from rank 1 for "));
}

TEST(LostRank, KilledRankEndsTheRun) {
  Job job({2, 2, 2, false});
  Result result =
      job.start({"--steps", "1000000"}, {"BM_FIXTURE_FAULT=3 7 " + std::to_string(SIGKILL)});
  EXPECT_NE(result.status, 0);
  EXPECT_LT(result.seconds, 30);
  // Those that waited say what for when the launcher ends them.
  EXPECT_THAT(result.err, HasSubstr("ended from outside while it waited: "));
}

TEST(LostRank, KilledUnderTorchrun) {
  Job job({2, 2, 2, false});
  Result result =
      executeApart(4,
                   {BM_FIXTURE_PROGRAM, "--data", job.dir / "data", "--steps", "1000000", "--init",
                    job.dir / "w.safetensors", "--quiet"},
                   {fixtureVariable(job.shape), "BM_FIXTURE_FAULT=3 7 " + std::to_string(SIGKILL)});
  EXPECT_NE(result.status, 0);
  EXPECT_LT(result.seconds, 30);
  EXPECT_THAT(result.err, HasSubstr("rank 3 has ended (waited for: "));
}

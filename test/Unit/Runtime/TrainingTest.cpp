// Whole runs of the fixture model under mpirun, against the reference.

#include "TestSupport.h"

#include <filesystem>
#include <gtest/gtest.h>

using namespace bigmac;
using namespace bigmac::test;

namespace {

std::vector<uint64_t> samplesOf(uint64_t step, uint64_t perStep, uint64_t total) {
  std::vector<uint64_t> samples;
  uint64_t steps = total / perStep;
  for (uint64_t i = 0; i < perStep; ++i)
    samples.push_back(step % steps * perStep + i);
  return samples;
}

/// Of a stage's input.
constexpr uint64_t kRowBytes = fixture::kSamples * fixture::kWidth * sizeof(float);

struct Case {
  fixture::Shape shape;
  std::vector<std::string> args;
  Reference::Hyper hyper;
};

class Training : public testing::TestWithParam<Case> {};

} // namespace

TEST_P(Training, EqualsReference) {
  const Case &c = GetParam();
  if (std::string missing = missingFor(c.shape); !missing.empty())
    GTEST_SKIP() << missing;
  Job job(c.shape);
  std::vector<std::string> args = {"--steps",
                                   "20",
                                   "--log",
                                   job.dir / "log",
                                   "--save",
                                   job.dir / "out",
                                   "--save-gradients",
                                   job.dir / "g.safetensors"};
  args.insert(args.end(), c.args.begin(), c.args.end());
  Result result = job.start(args);
  ASSERT_EQ(result.status, 0) << result.out << result.err;
  auto log = readLog(job.dir / "log");
  ASSERT_EQ(log.size(), 20u);

  Reference reference(c.shape, fixtureWeights(c.shape.ranks));
  uint64_t perStep = c.shape.replicas * c.shape.microbatches * fixture::kSamples;
  for (uint64_t t = 0; t < 20; ++t) {
    auto want = reference.step(job.data, samplesOf(t, perStep, 40), c.hyper);
    EXPECT_EQ(log[t]["step"], t);
    EXPECT_NEAR(log[t]["loss"].get<double>() / want.loss, 1, 1e-5) << "step " << t;
    EXPECT_NEAR(log[t]["abs_error"].get<double>() / want.error, 1, 1e-5);
    EXPECT_NEAR(log[t]["tokens"].get<double>() / want.tokens, 1, 1e-6);
    EXPECT_NEAR(log[t]["grad_norm"].get<double>() / want.gradNorm, 1, 1e-5);
    EXPECT_GT(log[t]["tokens_per_s"].get<double>(), 0);
    EXPECT_EQ(log[t]["epoch"], t / (40 / perStep));
    EXPECT_EQ(log[t].contains("data_starts_over"), t > 0 && t % (40 / perStep) == 0);
    EXPECT_EQ(log[t].value("host_bytes", uint64_t(0)),
              c.shape.offload ? c.shape.microbatches * kRowBytes : 0);
    if (t > 0)
      continue;
    Tensors grads = readTensors(job.dir / "g.safetensors");
    ASSERT_EQ(grads.size(), reference.grads.size());
    for (const auto &[name, values] : reference.grads) {
      auto got = grads.at(name).as<float>();
      ASSERT_EQ(got.size(), values.size());
      for (size_t i = 0; i < got.size(); ++i)
        EXPECT_NEAR(got[i], values[i], 1e-5) << name;
    }
  }
  Tensors model = readTensors(job.dir / "out/latest/model.safetensors");
  Tensors initial = fixtureWeights(c.shape.ranks);
  ASSERT_EQ(model.size(), initial.size());
  for (const auto &[name, values] : reference.params) {
    EXPECT_EQ(model.at(name).shape, initial.at(name).shape);
    auto got = model.at(name).as<float>();
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], values[i], 2e-5) << name;
  }
  EXPECT_EQ(model.at("offset").bytes, initial.at("offset").bytes);
  EXPECT_EQ(model.at("table").bytes, initial.at("table").bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Worlds, Training,
    testing::Values(Case{{1, 1, 2, false}, {}, {}}, Case{{2, 1, 4, false}, {}, {}},
                    Case{{3, 1, 3, false},
                         {"--lr", "0.01", "--betas", "0.8,0.95", "--eps", "1e-6", "--weight-decay",
                          "0.2", "--clip", "0.3"},
                         {0.01, 0.8, 0.95, 1e-6, 0.2, 0.3}},
                    Case{{1, 2, 2, false}, {}, {}},
                    Case{{2, 2, 2, true}, {"--clip", "1"}, {1e-3, .9, .999, 1e-8, .01, 1}},
                    Case{{1, 1, 5, true}, {}, {}},
                    Case{{1, 1, 3, false, "cpu", false, true}, {}, {}},
                    Case{{2, 2, 2, true, "cpu", false, true}, {}, {}}));

namespace {

/// 20 steps at once, and 10 + 10 with `second` as the world of the second ten.
void expectExactResume(const fixture::Shape &shape, const std::vector<std::string> &extra) {
  if (std::string missing = missingFor(shape); !missing.empty())
    GTEST_SKIP() << missing;
  Job job(shape);
  auto with = [&](std::vector<std::string> args) {
    args.insert(args.end(), extra.begin(), extra.end());
    return args;
  };
  Result whole = job.start(
      with({"--steps", "20", "--save", job.dir / "whole", "--log", job.dir / "whole.log"}));
  ASSERT_EQ(whole.status, 0) << whole.err;
  Result half =
      job.start(with({"--steps", "10", "--save", job.dir / "half", "--log", job.dir / "half.log"}));
  ASSERT_EQ(half.status, 0) << half.err;
  // Optimizer options and seed are not repeated: the checkpoint has them.
  Result rest = job.train({"--steps", "20", "--resume", job.dir / "half", "--save",
                           job.dir / "half", "--log", job.dir / "half.log"});
  ASSERT_EQ(rest.status, 0) << rest.err;
  for (const char *name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(readBytes(job.dir / "whole/latest/" + name),
              readBytes(job.dir / "half/latest/" + name))
        << name;
  auto a = readLog(job.dir / "whole.log"), b = readLog(job.dir / "half.log");
  ASSERT_EQ(a.size(), 20u);
  ASSERT_EQ(b.size(), 20u);
  for (size_t t = 0; t < 20; ++t)
    for (const char *key : {"step", "loss", "grad_norm", "lr", "epoch"})
      EXPECT_EQ(a[t][key], b[t][key]) << key << " at " << t;
}

} // namespace

TEST(Resume, IsExactOnFourRanks) {
  expectExactResume({2, 2, 2, false}, {"--seed", "5", "--lr", "0.01", "--warmup", "12"});
}

TEST(Resume, IsExactOnOneRank) { expectExactResume({1, 1, 3, false}, {"--clip", "0.1"}); }

TEST(Resume, ChangesWorld) {
  // The same global batch on another world gives the same numbers up to rounding.
  Job job({1, 2, 2, false});
  if (std::string missing = missingFor(job.shape); !missing.empty())
    GTEST_SKIP() << missing;
  ASSERT_EQ(job.start({"--steps", "4", "--save", job.dir / "out"}).status, 0);
  Job other({1, 1, 4, false});
  Result result =
      other.train({"--steps", "8", "--resume", job.dir / "out", "--log", job.dir / "log"});
  ASSERT_EQ(result.status, 0) << result.err;
  Reference reference({1, 1, 4, false}, fixtureWeights(1));
  auto log = readLog(job.dir / "log");
  ASSERT_EQ(log.size(), 4u);
  for (uint64_t t = 0; t < 8; ++t) {
    auto want = reference.step(job.data, samplesOf(t, 8, 40), {});
    if (t >= 4) {
      EXPECT_NEAR(log[t - 4]["loss"].get<double>() / want.loss, 1, 1e-5);
      EXPECT_EQ(log[t - 4]["step"], t);
    }
  }
}

TEST(Run, SameBitsTwice) {
  Job job({2, 1, 4, false});
  if (std::string missing = missingFor(job.shape); !missing.empty())
    GTEST_SKIP() << missing;
  std::string hashes[2];
  for (std::string &all : hashes) {
    Result result = job.start({"--steps", "3", "--log", job.dir / "log", "--deterministic"});
    ASSERT_EQ(result.status, 0) << result.err;
    for (const auto &line : readLog(job.dir / "log"))
      all += line["weights_hash"].get<std::string>() + " ";
  }
  EXPECT_EQ(hashes[0].size(), 3 * 17u);
  EXPECT_EQ(hashes[0], hashes[1]);
}

TEST(Run, ShuffleVisitsEachSampleOnceAPass) {
  Job job({1, 1, 5, false});
  // 40 samples, 10 a step: the mean loss over a pass does not depend on the order when nothing is
  // learnt.
  double sums[2] = {0, 0};
  for (int shuffled = 0; shuffled < 2; ++shuffled) {
    std::vector<std::string> args = {"--steps", "4", "--lr", "0", "--log", job.dir / "log"};
    if (shuffled)
      args.insert(args.end(), {"--seed", "3"});
    ASSERT_EQ(job.start(args).status, 0);
    double first = 0;
    for (const auto &line : readLog(job.dir / "log")) {
      sums[shuffled] += line["loss"].get<double>();
      first = first == 0 ? line["loss"].get<double>() : first;
    }
    if (shuffled) {
      EXPECT_NE(first * 4, sums[0]);
    }
  }
  EXPECT_NEAR(sums[0] / sums[1], 1, 1e-6);
}

TEST(Run, TraceHasEveryRanksActions) {
  Job job({2, 1, 2, false});
  if (std::string missing = missingFor(job.shape); !missing.empty())
    GTEST_SKIP() << missing;
  Result result = job.start({"--steps", "2", "--trace", job.dir / "trace.json"});
  ASSERT_EQ(result.status, 0) << result.err;
  auto trace = nlohmann::json::parse(readBytes(job.dir / "trace.json"));
  std::map<std::pair<int, std::string>, int> actions;
  for (const auto &event : trace["traceEvents"])
    if (event.value("cat", "") == "action") {
      ++actions[{event["pid"], event["name"]}];
      EXPECT_GE(event["dur"].get<double>(), 0);
      std::string name = event["name"], kind = event["args"]["kind"];
      EXPECT_EQ(name.substr(0, kind.size()), kind);
    }
  for (int rank = 0; rank < 2; ++rank)
    for (const char *name : {"F chunk 0 microbatch 0", "F chunk 0 microbatch 1",
                             "B chunk 0 microbatch 0", "B chunk 0 microbatch 1"})
      EXPECT_GE((actions[{rank, name}]), 2) << rank << name;
}

TEST(Run, ProgramLinkedAsTheCompilerLinks) {
  Job job({2, 1, 2, false});
  Result result = execute({"mpirun", "--oversubscribe", "-np", "2", BM_LINKED_PROGRAM, "--data",
                           job.dir / "data", "--steps", "2", "--init", job.dir / "w.safetensors"},
                          {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("step 2/2"), std::string::npos) << result.out;
}

/// With poison nothing changes, unless something is read that was not written.
TEST(Poison, ShowsReadsOfWhatWasNotWritten) {
  Job job({2, 1, 3, false});
  if (std::string missing = missingFor(job.shape); !missing.empty())
    GTEST_SKIP() << missing;
  auto run = [&](const char *log, const std::vector<std::string> &env) {
    Result result = job.start({"--steps", "3", "--log", job.dir / log}, env);
    EXPECT_EQ(result.status, 0) << result.err;
    return readLog(job.dir / log);
  };
  auto plain = run("plain", {}), poisoned = run("poisoned", {"BIGMAC_POISON=1"});
  ASSERT_EQ(plain.size(), 3u);
  ASSERT_EQ(poisoned.size(), 3u);
  for (size_t i = 0; i < 3; ++i)
    for (const char *key : {"loss", "abs_error", "grad_norm"})
      EXPECT_EQ(plain[i][key], poisoned[i][key]);
  EXPECT_FALSE(run("fault", {"BM_FIXTURE_UNWRITTEN=1"})[0].contains("skipped"));
  EXPECT_TRUE(run("seen", {"BM_FIXTURE_UNWRITTEN=1", "BIGMAC_POISON=1"})[0].contains("skipped"));
}

/// What is offloaded and what comes back are the same bits, whatever was in the host's memory.
TEST(Offload, ChangesNoBits) {
  fixture::Shape shape{2, 1, 3, false};
  auto run = [&](bool offload, const std::vector<std::string> &env) {
    shape.offload = offload;
    Job job(shape);
    Result result = job.start({"--steps", "4", "--deterministic", "--log", job.dir / "log"}, env);
    EXPECT_EQ(result.status, 0) << result.err;
    return readLog(job.dir / "log");
  };
  if (std::string missing = missingFor(shape); !missing.empty())
    GTEST_SKIP() << missing;
  auto kept = run(false, {}), away = run(true, {}), poisoned = run(true, {"BIGMAC_POISON=1"});
  ASSERT_EQ(kept.size(), 4u);
  for (const auto &other : {away, poisoned}) {
    ASSERT_EQ(other.size(), 4u);
    for (size_t i = 0; i < 4; ++i)
      for (const char *key : {"loss", "grad_norm", "weights_hash"})
        EXPECT_EQ(kept[i][key], other[i][key]);
  }
}

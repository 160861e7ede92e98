// Options, launchers, sample order, logs, kernels.

#include "Holdings.h"
#include "Launcher.h"
#include "Log.h"
#include "Options.h"
#include "Shuffle.h"
#include "TestSupport.h"
#include "bigmac-rt/PlanView.h"
#include "bigmac-rt/kernels.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

using namespace bigmac;
using namespace bigmac::rt;
using testing::HasSubstr;

//===----------------------------------------------------------------------===//
// Options
//===----------------------------------------------------------------------===//

static Parsed parse(std::vector<const char *> args) {
  args.insert(args.begin(), "train");
  return parseOptions(args.size(), args.data(), "about");
}

TEST(Options, AllOfThem) {
  Parsed parsed = parse({"--data",    "d",        "--steps",   "7",    "--lr",           "3e-4",
                         "--betas",   "0.8,0.95", "--eps",     "1e-6", "--weight-decay", "0",
                         "--clip",    "1",        "--warmup",  "3",    "--schedule",     "cosine",
                         "--seed",    "9",        "--save",    "s",    "--save-every",   "2",
                         "--timeout", "1.5",      "--threads", "2",    "--quiet"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const Options &o = *parsed.options;
  EXPECT_EQ(o.steps, 7u);
  EXPECT_EQ(o.lr, 3e-4);
  EXPECT_EQ(o.betas, (std::vector<double>{0.8, 0.95}));
  EXPECT_EQ(o.eps, 1e-6);
  EXPECT_EQ(o.weightDecay, 0);
  EXPECT_EQ(o.clip, 1);
  EXPECT_EQ(o.schedule, "cosine");
  EXPECT_TRUE(o.shuffle);
  EXPECT_EQ(o.seed, 9u);
  EXPECT_EQ(o.timeout, 1.5);
  EXPECT_TRUE(o.given.contains("lr") && o.given.contains("betas") && !o.given.contains("init"));
}

TEST(Options, DefaultsAreTorchs) {
  const Options o = *parse({"--data", "d", "--steps", "1"}).options;
  EXPECT_EQ(o.lr, 1e-3);
  EXPECT_EQ(o.betas, (std::vector<double>{0.9, 0.999}));
  EXPECT_EQ(o.eps, 1e-8);
  EXPECT_EQ(o.weightDecay, 0.01);
  EXPECT_EQ(o.clip, 0);
  EXPECT_FALSE(o.shuffle);
}

TEST(Options, BadOnes) {
  for (std::vector<const char *> args : std::initializer_list<std::vector<const char *>>{
           {"--steps", "1"},
           {"--data", "d"},
           {"--data", "d", "--steps", "0"},
           {"--data", "d", "--steps", "-1"},
           {"--data", "d", "--steps", "1.5"},
           {"--data", "d", "--steps", "1", "--lr", "nan"},
           {"--data", "d", "--steps", "1", "--lr", "-1"},
           {"--data", "d", "--steps", "1", "--lr", "inf"},
           {"--data", "d", "--steps", "1", "--betas", "0.9"},
           {"--data", "d", "--steps", "1", "--betas", "0.9,1"},
           {"--data", "d", "--steps", "1", "--schedule", "warp"},
           {"--data", "d", "--steps", "1", "--save-every", "3"},
           {"--data", "d", "--steps", "1", "--threads", "0"},
           {"--data", "d", "--steps", "1", "--unknown"},
           {"--data", "d", "--steps", "1", "stray"}}) {
    Parsed parsed = parse(args);
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.status, 2);
    EXPECT_THAT(parsed.text, testing::StartsWith("error: "));
  }
  EXPECT_TRUE(parse({"--dry-run"}).options);
}

TEST(Schedules, AreHuggingFaces) {
  // transformers' get_linear_ and get_cosine_schedule_with_warmup(warmup 4, total 12)
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 0, 4, 12), 0);
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 3, 4, 12), 0.75);
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 4, 4, 12), 1);
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 8, 4, 12), 0.5);
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 12, 4, 12), 0);
  EXPECT_EQ(scheduleFactor(Schedule::Cosine, 4, 4, 12), 1);
  EXPECT_NEAR(scheduleFactor(Schedule::Cosine, 6, 4, 12), 0.5 * (1 + std::cos(M_PI / 4)), 1e-15);
  EXPECT_NEAR(scheduleFactor(Schedule::Cosine, 8, 4, 12), 0.5, 1e-15);
  EXPECT_EQ(scheduleFactor(Schedule::Constant, 1, 4, 12), 0.25);
  EXPECT_EQ(scheduleFactor(Schedule::Constant, 100, 4, 12), 1);
  EXPECT_EQ(scheduleFactor(Schedule::Constant, 0, 0, 12), 1);
  EXPECT_EQ(scheduleFactor(Schedule::Linear, 5, 5, 5), 1);
}

//===----------------------------------------------------------------------===//
// Launchers
//===----------------------------------------------------------------------===//

static Launch launchOf(const std::map<std::string, std::string> &env) {
  return detectLaunch([&](const char *name) {
    auto it = env.find(name);
    return it == env.end() ? nullptr : it->second.c_str();
  });
}

TEST(Launcher, IsReadFromTheEnvironment) {
  EXPECT_EQ(launchOf({}).kind, LauncherKind::None);
  Launch mpi = launchOf({{"OMPI_COMM_WORLD_RANK", "3"},
                         {"OMPI_COMM_WORLD_SIZE", "4"},
                         {"SLURM_PROCID", "0"},
                         {"SLURM_STEP_NUM_TASKS", "1"}});
  EXPECT_EQ(mpi.kind, LauncherKind::OpenMPI);
  EXPECT_EQ(mpi.rank, 3u);
  EXPECT_EQ(mpi.size, 4u);
  EXPECT_EQ(launchOf({{"RANK", "1"}, {"WORLD_SIZE", "2"}}).name(), "torchrun");
  EXPECT_EQ(launchOf({{"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_TASKS", "2"}}).name(),
            "srun (Slurm)");
  Launch torch = launchOf({{"RANK", "1"},
                           {"WORLD_SIZE", "4"},
                           {"LOCAL_WORLD_SIZE", "2"},
                           {"MASTER_ADDR", "node0"},
                           {"MASTER_PORT", "29500"},
                           {"TORCHELASTIC_RUN_ID", "run"}});
  EXPECT_EQ(torch.host, "node0");
  EXPECT_EQ(torch.port, 29500);
  EXPECT_EQ(torch.localSize, 2u);
  EXPECT_EQ(torch.runName, "run");
  // A batch script without srun, and numbers that are none.
  EXPECT_EQ(launchOf({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "8"}}).kind, LauncherKind::None);
  EXPECT_EQ(launchOf({{"RANK", "x"}, {"WORLD_SIZE", "2"}}).kind, LauncherKind::None);
  EXPECT_EQ(launchOf({{"RANK", "2"}, {"WORLD_SIZE", "2"}}).kind, LauncherKind::None);
  EXPECT_EQ(launchOf({{"RANK", "0"}}).kind, LauncherKind::None);
}

//===----------------------------------------------------------------------===//
// Sample order
//===----------------------------------------------------------------------===//

TEST(Shuffle, PhiloxKnownAnswers) {
  // From Random123's kat_vectors, philox4x32 with 10 rounds.
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Shuffle, PermutesAnyCount) {
  for (uint64_t count : {1u, 2u, 3u, 4u, 5u, 16u, 17u, 1000u, 65537u}) {
    Permutation permutation(count, 7, 3);
    std::vector<bool> seen(count);
    for (uint64_t i = 0; i < count; ++i) {
      uint64_t j = permutation(i);
      ASSERT_LT(j, count);
      ASSERT_FALSE(seen[j]);
      seen[j] = true;
    }
  }
}

TEST(Shuffle, SeedsAndEpochsDiffer) {
  auto order = [](uint64_t seed, uint64_t epoch) {
    std::vector<uint64_t> result;
    Permutation permutation(50, seed, epoch);
    for (uint64_t i = 0; i < 50; ++i)
      result.push_back(permutation(i));
    return result;
  };
  std::set<std::vector<uint64_t>> orders = {order(0, 0), order(0, 1), order(1, 0),
                                            order(uint64_t(1) << 32, 0)};
  EXPECT_EQ(orders.size(), 4u);
  // Every place gets every number about equally often.
  std::vector<int> first(8);
  for (uint64_t epoch = 0; epoch < 4000; ++epoch)
    ++first[Permutation(8, 1, epoch)(0)];
  for (int n : first)
    EXPECT_NEAR(n, 500, 120);
}

TEST(SampleOrder, FileOrderStartsOverAndDropsTheRest) {
  SampleOrder order{10, 4, false, 0};
  EXPECT_EQ(order.stepsPerEpoch(), 2u);
  EXPECT_EQ(order.sample(0, 3), 3u);
  EXPECT_EQ(order.sample(1, 0), 4u);
  EXPECT_EQ(order.sample(2, 0), 0u); // samples 8 and 9 are dropped
  order.shuffle = true;
  std::set<uint64_t> pass;
  for (uint64_t step = 2; step < 4; ++step)
    for (uint64_t i = 0; i < 4; ++i)
      pass.insert(order.sample(step, i));
  EXPECT_EQ(pass.size(), 8u);
}

//===----------------------------------------------------------------------===//
// Shards
//===----------------------------------------------------------------------===//

TEST(Holdings, SegmentsCoverEveryParameterOnce) {
  for (auto [ranks, replicas] : {std::pair{1u, 1u}, {1u, 3u}, {2u, 1u}, {3u, 2u}}) {
    std::string error;
    auto image = fixture::buildPlan({ranks, replicas, 2, false}, "", 0, 0, error);
    auto plan = PlanView::open(image.data(), image.size(), error);
    ASSERT_TRUE(plan) << error;
    std::vector<std::vector<bool>> covered;
    for (const bm_param &param : plan->params())
      covered.emplace_back(plan->elements(param.dims));
    for (uint32_t r = 0; r < plan->world(); ++r)
      for (const Segment &s : Holdings(*plan, r).segments)
        for (uint64_t i = s.begin; i < s.begin + s.at.elements; ++i) {
          ASSERT_FALSE(covered[s.param][i]) << plan->text(plan->params()[s.param].name);
          covered[s.param][i] = true;
        }
    for (const auto &elements : covered)
      EXPECT_EQ(std::count(elements.begin(), elements.end(), false), 0);
  }
}

//===----------------------------------------------------------------------===//
// Log
//===----------------------------------------------------------------------===//

TEST(Log, Line) {
  StepRecord record;
  record.step = 3;
  record.loss = NAN;
  record.scalars = {{"accuracy", 0.5}, {"lr", 7}};
  record.lr = 0.001;
  record.tokens = 100;
  record.seconds = 0.5;
  record.skipped = true;
  auto line = nlohmann::json::parse(jsonLine(record));
  EXPECT_EQ(line["step"], 3);
  EXPECT_TRUE(line["loss"].is_null());
  EXPECT_EQ(line["accuracy"], 0.5);
  EXPECT_EQ(line["lr"], 0.001);
  EXPECT_EQ(line["output.lr"], 7);
  EXPECT_EQ(line["tokens_per_s"], 200);
  EXPECT_EQ(line["skipped"], true);
  EXPECT_FALSE(line.contains("weights_hash"));
  EXPECT_FALSE(line.contains("host_bytes"));
  record.hostBytes = 64;
  EXPECT_EQ(nlohmann::json::parse(jsonLine(record))["host_bytes"], 64);
}

TEST(Log, ProgressOnATerminalAndInAFile) {
  test::TempDir dir;
  for (bool terminal : {false, true}) {
    std::FILE *file = std::fopen((dir / "out").c_str(), "w");
    {
      ProgressLine progress(file, false, terminal);
      StepRecord record;
      record.steps = 3;
      for (record.step = 0; record.step < 3; ++record.step) {
        record.loss = 3.0 - record.step;
        progress.step(record);
      }
    }
    std::fclose(file);
    std::string text = test::readBytes(dir / "out");
    EXPECT_THAT(text, HasSubstr("step 3/3  loss 1"));
    EXPECT_EQ(text.find('\x1b') != std::string::npos, terminal) << text;
    EXPECT_EQ(text.find("▁") != std::string::npos, terminal) << text;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), terminal ? 1 : 3);
  }
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

TEST(Kernels, Sgemm) {
  struct Case {
    int ta, tb;
    int64_t m, n, k, batch;
    bool shareB;
  };
  for (const Case &c : {Case{0, 0, 3, 4, 5, 1, false},
                        {1, 0, 3, 4, 5, 2, false},
                        {0, 1, 3, 4, 5, 3, false},
                        {1, 1, 2, 7, 3, 2, false},
                        {0, 0, 3, 4, 5, 3, true},
                        {0, 1, 2, 2, 2, 4, true},
                        {1, 0, 3, 4, 5, 2, true},
                        {0, 0, 1, 1, 1, 1, false}})
    for (float beta : {0.0f, 1.0f, 0.5f}) {
      int64_t lda = c.ta ? c.m : c.k, ldb = c.tb ? c.k : c.n;
      int64_t sizeA = c.m * c.k, sizeB = c.k * c.n, sizeC = c.m * c.n;
      std::vector<float> a(sizeA * c.batch), b(sizeB * c.batch), out(sizeC * c.batch);
      for (size_t i = 0; i < a.size(); ++i)
        a[i] = std::sin(i + 1.0f);
      for (size_t i = 0; i < b.size(); ++i)
        b[i] = std::cos(i * 3.0f);
      for (size_t i = 0; i < out.size(); ++i)
        out[i] = beta == 0 ? NAN : i; // with beta 0, C is not read
      std::vector<float> want = out;
      for (int64_t z = 0; z < c.batch; ++z)
        for (int64_t i = 0; i < c.m; ++i)
          for (int64_t j = 0; j < c.n; ++j) {
            double sum = 0;
            for (int64_t l = 0; l < c.k; ++l)
              sum += double(a[z * sizeA + (c.ta ? l * lda + i : i * lda + l)]) *
                     b[(c.shareB ? 0 : z * sizeB) + (c.tb ? j * ldb + l : l * ldb + j)];
            float &w = want[z * sizeC + i * c.n + j];
            w = 2 * sum + (beta == 0 ? 0 : beta * w);
          }
      bm_sgemm(c.ta, c.tb, c.m, c.n, c.k, 2, a.data(), lda, sizeA, b.data(), ldb,
               c.shareB ? 0 : sizeB, beta, out.data(), c.n, sizeC, c.batch);
      for (size_t i = 0; i < out.size(); ++i)
        ASSERT_NEAR(out[i], want[i], 1e-4);
    }
}

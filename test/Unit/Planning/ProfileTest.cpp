//===- ProfileTest.cpp - Traces, whole and damaged ------------------------===//

#include "bigmac/Planning/Profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace bigmac::planning;

namespace {

std::string program(const std::string &counts =
                        R"("ranks":2,"replicas":1,"microbatches":2,"samples":4,"parameters":3,)"
                        R"("parameter_bytes":96)") {
  return R"({"ph":"M","name":"bigmac_program","pid":0,"args":{"model":"toy",)" + counts + "}},\n";
}

std::string task(const std::string &name, const std::string &component, const std::string &phase,
                 int buffers = 2, int bytes = 64) {
  return R"({"ph":"M","name":"bigmac_task","pid":0,"args":{"task":")" + name +
         R"(","component":")" + component + R"(","phase":")" + phase + R"(","buffers":)" +
         std::to_string(buffers) + R"(,"bytes":)" + std::to_string(bytes) + "}},\n";
}

/// Microseconds, as in the file.
std::string event(const std::string &name, const std::string &category, int pid, int step,
                  double begin, double length, const std::string &kind, int microbatch) {
  return R"({"ph":"X","name":")" + name + R"(","cat":")" + category + R"(","pid":)" +
         std::to_string(pid) + R"(,"tid":0,"ts":)" + std::to_string(begin) + R"(,"dur":)" +
         std::to_string(length) + R"(,"args":{"step":)" + std::to_string(step) +
         R"(,"component":"llm","chunk":0,"kind":")" + kind + R"(","microbatch":)" +
         std::to_string(microbatch) + "}},\n";
}

std::string trace(const std::string &events) {
  return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n" + events +
         R"({"ph":"M","name":"process_name","pid":0,"args":{"name":"rank 0"}}]})";
}

/// Two stages of forwards and backwards. In step s a forward takes s * 100 + 10 * rank microseconds
/// and a backward twice that, after a load of 5 and a wait of 1000.
std::string toy(int steps = 4) {
  std::string text = program();
  for (int stage = 0; stage < 2; ++stage) {
    text += task("llm." + std::to_string(stage) + ".forward", "llm", "forward");
    text += task("llm." + std::to_string(stage) + ".backward", "llm", "backward");
  }
  for (int step = 0; step < steps; ++step)
    for (int rank = 0; rank < 2; ++rank)
      for (int m = 0; m < 2; ++m) {
        double at = step * 1e5 + m * 1e4, length = step * 100 + 10 * rank;
        std::string name = "llm." + std::to_string(rank) + ".";
        text += event("wait", "step", rank, step, at, 1000, "F", m);
        text += event("load x", "step", rank, step, at + 1000, 5, "F", m);
        text += event("F chunk 0 microbatch 0", "action", rank, step, at + 1005, length, "F", m);
        text += event(name + "forward", "task", rank, step, at + 1005, length, "F", m);
        text += event(name + "backward", "task", rank, step, at + 4000, 2 * length, "B", m);
      }
  return trace(text);
}

void expectError(const std::string &text, const std::string &evidence) {
  Result<Profile> profile = parseProfile(text, "trace.json");
  ASSERT_FALSE(profile) << text.substr(0, 300);
  EXPECT_EQ(profile.message().rfind("trace.json: ", 0), 0u) << profile.message();
  EXPECT_NE(profile.message().find(evidence), std::string::npos) << profile.message();
  EXPECT_LT(profile.message().size(), 800u);
}

TEST(Profile, MediansWithoutTheFirstStep) {
  Result<Profile> profile = parseProfile(toy(), "trace.json");
  ASSERT_TRUE(profile) << profile.message();
  EXPECT_EQ(profile->model.name, "toy");
  EXPECT_EQ(profile->ranks, 2u);
  EXPECT_EQ(profile->chunks, 1u);
  EXPECT_EQ(profile->microbatches, 2u);
  EXPECT_EQ(profile->model.samples, 4u);
  EXPECT_EQ(profile->steps, 3u);
  ASSERT_EQ(profile->tasks.size(), 4u);
  // Steps 1 to 3 of two microbatches; the load counts, the wait does not.
  EXPECT_EQ(profile->tasks[0].runs, 6u);
  EXPECT_NEAR(profile->tasks[0].seconds, 205e-6, 1e-9);
  EXPECT_NEAR(profile->tasks[1].seconds, 400e-6, 1e-9);
  EXPECT_NEAR(profile->tasks[2].seconds, 215e-6, 1e-9);
  EXPECT_NEAR(profile->tasks[3].seconds, 420e-6, 1e-9);
  // From the first wait to the end of rank 1's last backward, in step 2.
  EXPECT_NEAR(profile->stepSeconds, (1e4 + 4000 + 420) * 1e-6, 1e-9);
}

TEST(Profile, OneSlowRunDoesNotCount) {
  std::string text = toy(12);
  std::string length = "\"dur\":" + std::to_string(1100.0);
  size_t at = text.rfind(length);
  ASSERT_NE(at, std::string::npos);
  Result<Profile> before = parseProfile(text, "trace.json");
  Result<Profile> after = parseProfile(text.replace(at, length.size(), "\"dur\":9e9"), "trace.json");
  ASSERT_TRUE(before && after);
  for (size_t i = 0; i < 4; ++i)
    EXPECT_LT(std::abs(after->tasks[i].seconds / before->tasks[i].seconds - 1), 0.1);
}

TEST(Profile, Unusable) {
  expectError("", "parse error");
  expectError("[]", "no trace of a BigMac program");
  expectError("{}", "no trace of a BigMac program");
  expectError(trace(""), "no trace of a BigMac program");
  expectError(toy(1), "train at least 2");
  expectError(trace(program() + program()), "two programs");
  expectError(trace(program("\"ranks\":0,\"replicas\":1,\"microbatches\":1,\"samples\":1,"
                            "\"parameters\":1,\"parameter_bytes\":1")),
              "out of range");
  expectError(trace(program("\"ranks\":1")), "lacks a count");
  expectError(trace(task("a", "llm", "sideways")), "bigmac_task");
  expectError(trace(task("a", "llm", "forward") + task("a", "llm", "forward")), "twice");
  std::string text = toy();
  std::string unknown = text;
  unknown.replace(
      unknown.find("llm.0.forward\",\"cat\":\"task\",\"pid\":0,\"tid\":0,\"ts\":101005"), 13,
      "llm.9.forward");
  expectError(unknown, "llm.9.forward");
  std::string missing = text;
  missing.insert(missing.find(task("llm.0.forward", "llm", "forward")),
                 task("encoder.forward", "encoder", "forward"));
  expectError(missing, "no run of task 'encoder.forward'");
  expectError(text.substr(0, text.size() - 1), "parse error");
  expectError(std::string(100000, '['), "deep");
  expectError("{\"traceEvents\":" + std::string(100, '['), "deep");
  expectError(trace("{\"name\":\"" + std::string(1000, 'x') + "\"},"), "longer");
  expectError(trace("{\"ts\":1e999},"), "");
  EXPECT_FALSE(readProfile("no-such-trace.json"));
}

/// Truncated anywhere and with bytes changed: an error, or finite times.
TEST(Profile, DamagedText) {
  std::string good = toy(3);
  std::mt19937 random(1);
  auto check = [](const std::string &text) {
    Result<Profile> profile = parseProfile(text, "trace.json");
    if (!profile)
      return;
    for (const ProfiledTask &task : profile->tasks)
      EXPECT_TRUE(std::isfinite(task.seconds) && task.seconds >= 0);
  };
  for (int i = 0; i < 300; ++i)
    check(good.substr(0, random() % good.size()));
  for (int i = 0; i < 1000; ++i) {
    std::string text = good;
    for (int j = 0; j < 2; ++j)
      text[random() % text.size()] = "0123456789{}[]\",:.-+eE \x01"[random() % 24];
    check(text);
  }
}

std::vector<TaskEstimate> estimatesOf(const Profile &profile) {
  std::vector<TaskEstimate> estimates;
  for (const ProfiledTask &task : profile.tasks)
    estimates.push_back({task.signature, 1});
  return estimates;
}

TEST(Profile, ExactForTheSamePartition) {
  Profile profile = *parseProfile(toy(), "trace.json");
  std::vector<TaskEstimate> estimates = estimatesOf(profile);
  std::swap(estimates[0], estimates[3]);
  Result<ProfiledSeconds> seconds = applyProfile(profile, profile.model, estimates);
  ASSERT_TRUE(seconds) << seconds.message();
  EXPECT_TRUE(seconds->exact);
  EXPECT_EQ(seconds->seconds[0], profile.tasks[3].seconds);
  EXPECT_EQ(seconds->seconds[1], profile.tasks[1].seconds);
}

/// One stage in place of two, backward split: sums over stages are those measured.
TEST(Profile, ScaledForAnotherPartition) {
  Profile profile = *parseProfile(toy(), "trace.json");
  std::vector<TaskEstimate> estimates = {
      {{"llm.0.forward", Component::Llm, Phase::Forward, 2, 128}, 2},
      {{"llm.0.backward", Component::Llm, Phase::Backward, 2, 128}, 3},
      {{"llm.0.weight_gradient", Component::Llm, Phase::WeightGradient, 2, 128}, 1},
  };
  Result<ProfiledSeconds> seconds = applyProfile(profile, profile.model, estimates);
  ASSERT_TRUE(seconds) << seconds.message();
  EXPECT_FALSE(seconds->exact);
  EXPECT_NEAR(seconds->seconds[0], 420e-6, 1e-8);
  EXPECT_NEAR(seconds->seconds[1], 820e-6 * 3 / 4, 1e-8);
  EXPECT_NEAR(seconds->seconds[2], 820e-6 / 4, 1e-8);
  EXPECT_NE(seconds->factors.find("llm forward x0.00021"), std::string::npos) << seconds->factors;
}

/// Names that agree do not make a partition the same.
TEST(Profile, OtherBuffersAreAnotherPartition) {
  Profile profile = *parseProfile(toy(), "trace.json");
  std::vector<TaskEstimate> estimates = estimatesOf(profile);
  estimates[2].signature.bytes += 4;
  EXPECT_FALSE(applyProfile(profile, profile.model, estimates)->exact);
  estimates = estimatesOf(profile);
  estimates.pop_back();
  EXPECT_FALSE(applyProfile(profile, profile.model, estimates)->exact);
}

TEST(Profile, AnotherModel) {
  Profile profile = *parseProfile(toy(), "trace.json");
  std::vector<TaskEstimate> estimates = estimatesOf(profile);
  ModelSignature model = profile.model;
  model.parameterBytes += 4;
  Result<ProfiledSeconds> seconds = applyProfile(profile, model, estimates);
  ASSERT_FALSE(seconds);
  EXPECT_NE(seconds.message().find("another model"), std::string::npos);
  model = profile.model;
  model.samples = 8;
  seconds = applyProfile(profile, model, estimates);
  ASSERT_FALSE(seconds);
  EXPECT_NE(seconds.message().find("samples"), std::string::npos);
  estimates.push_back({{"generator", Component::Generator, Phase::ForwardBackward, 1, 4}, 1});
  seconds = applyProfile(profile, profile.model, estimates);
  ASSERT_FALSE(seconds);
  EXPECT_NE(seconds.message().find("'generator'"), std::string::npos);
}

} // namespace

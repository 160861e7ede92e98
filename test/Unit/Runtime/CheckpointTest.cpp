// Checkpoints under damage: whole or absent, and the loader takes the last whole one.

#include "TestSupport.h"

#include <csignal>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace bigmac;
using namespace bigmac::test;
using testing::HasSubstr;
namespace fs = std::filesystem;

namespace {

/// A job with checkpoints after steps 2, 4 and 6.
struct Saved : Job {
  explicit Saved(const fixture::Shape &shape) : Job(shape) {
    Result result = start({"--steps", "6", "--save", dir / "out", "--save-every", "2"});
    EXPECT_EQ(result.status, 0) << result.err;
  }
  std::string file(int step, const std::string &name) const {
    return dir / ("out/step-" + std::to_string(step) + "/" + name);
  }
  void flipBit(const std::string &path, size_t at) {
    std::string bytes = readBytes(path);
    bytes.at(at) ^= 16;
    writeBytes(path, bytes);
  }
  Result resume(const std::string &from = "out") {
    return train({"--steps", "8", "--resume", dir / from, "--log", dir / "log"});
  }
  /// Expects that the run went on after `step`.
  void expectResumed(int step) {
    fs::remove(dir / "log");
    Result result = resume();
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_THAT(result.out,
                HasSubstr("resumed from " + (dir / "out/step-") + std::to_string(step)));
    EXPECT_EQ(readLog(dir / "log").at(0)["step"], step);
  }
};

} // namespace

TEST(Checkpoint, FilesAndLink) {
  Saved job({2, 1, 2, false});
  EXPECT_EQ(fs::read_symlink(job.dir / "out/latest"), "step-6");
  Tensors model = readTensors(job.file(6, "model.safetensors"));
  Tensors optimizer = readTensors(job.file(6, "optimizer.safetensors"));
  EXPECT_EQ(model.size(), 8u);
  EXPECT_EQ(optimizer.size(), 12u);
  EXPECT_EQ(optimizer.at("embed.weight.exp_avg").shape, (std::vector<int64_t>{8, 8}));
  EXPECT_EQ(optimizer.count("embed.weight.exp_avg_sq"), 1u);
  auto state = nlohmann::json::parse(readBytes(job.file(6, "state.json")));
  EXPECT_EQ(state["step"], 6);
  EXPECT_EQ(state["data"]["sample"], 24);
  // Nothing else is left there.
  size_t entries = 0;
  for ([[maybe_unused]] const auto &entry : fs::directory_iterator(job.dir / "out"))
    ++entries;
  EXPECT_EQ(entries, 4u);
}

TEST(Checkpoint, DamageIsFoundAndTheLastWholeOneTaken) {
  Saved job({2, 1, 2, false});
  job.expectResumed(6);
  std::string model = job.file(6, "model.safetensors");
  job.flipBit(model, fs::file_size(model) - 3);
  Result result = job.resume();
  EXPECT_THAT(result.err, HasSubstr("step-6 is not whole and is passed over"));
  job.expectResumed(4);
  std::string state = job.file(4, "state.json");
  size_t digit = readBytes(state).find("\"step\": 4") + 8;
  job.flipBit(state, digit);
  job.expectResumed(2);
  fs::resize_file(job.file(2, "optimizer.safetensors"), 1000);
  result = job.resume();
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("no whole checkpoint in"));
}

TEST(Checkpoint, AnyFlippedBitOrCutIsFound) {
  Saved job({1, 1, 2, false});
  fs::remove_all(job.dir / "out/step-2");
  fs::remove_all(job.dir / "out/step-4");
  for (const char *name : {"model.safetensors", "optimizer.safetensors", "state.json"}) {
    std::string path = job.file(6, name), bytes = readBytes(path);
    for (size_t i = 0; i < 12; ++i) {
      job.flipBit(path, i * (bytes.size() - 2) / 11);
      EXPECT_EQ(job.resume().status, 1) << name << i;
      writeBytes(path, bytes);
    }
    for (size_t keep : {size_t(0), size_t(1), bytes.size() / 2, bytes.size() - 2}) {
      writeBytes(path, bytes.substr(0, keep));
      EXPECT_EQ(job.resume().status, 1) << name << keep;
      writeBytes(path, bytes);
    }
  }
  job.expectResumed(6);
}

TEST(Checkpoint, KilledWhileSavingLeavesTheLastOne) {
  Saved job({1, 1, 2, false});
  // What a kill in the middle of a save leaves: a folder under another name, perhaps complete.
  fs::copy(job.dir / "out/step-6", job.dir / "out/.tmp-bigmac-step-8-1",
           fs::copy_options::recursive);
  fs::resize_file(job.dir / "out/.tmp-bigmac-step-8-1/model.safetensors", 100);
  job.expectResumed(6);
  EXPECT_TRUE(fs::exists(job.dir / "out/.tmp-bigmac-step-8-1"));
  Result result =
      job.train({"--steps", "8", "--resume", job.dir / "out", "--save", job.dir / "out"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_FALSE(fs::exists(job.dir / "out/.tmp-bigmac-step-8-1"));
  EXPECT_EQ(fs::read_symlink(job.dir / "out/latest"), "step-8");
}

TEST(Checkpoint, ARunKilledAnywhereResumes) {
  Job whole({1, 1, 2, false});
  ASSERT_EQ(whole.start({"--steps", "8", "--save", whole.dir / "out"}).status, 0);
  // Killed in a forward of each step, saving after every step: what is there is whole and exact.
  Job job({1, 1, 2, false});
  for (int forward : {3, 6, 9}) {
    bool first = forward == 3;
    std::vector<std::string> args = {"--steps",      "8", "--save", job.dir / "out",
                                     "--save-every", "1"};
    std::vector<std::string> fault = {"BM_FIXTURE_FAULT=0 " + std::to_string(forward) + " " +
                                      std::to_string(SIGKILL)};
    if (!first)
      args.insert(args.end(), {"--resume", job.dir / "out"});
    Result result = first ? job.start(args, fault) : job.train(args, fault);
    EXPECT_EQ(result.status, 128 + SIGKILL) << result.err;
  }
  Result last = job.train({"--steps", "8", "--save", job.dir / "out", "--resume", job.dir / "out"});
  EXPECT_EQ(last.status, 0) << last.err;
  for (const char *name : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(readBytes(whole.dir / "out/latest/" + name),
              readBytes(job.dir / "out/latest/" + name));
}

TEST(Checkpoint, SameStepAgainReplaces) {
  Saved job({2, 1, 2, false});
  std::string before = readBytes(job.file(6, "model.safetensors"));
  Result result = job.start({"--steps", "6", "--save", job.dir / "out", "--lr", "0.1"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(readBytes(job.file(6, "model.safetensors")), before);
  job.expectResumed(6);
}

TEST(Checkpoint, NewestIsTheOneWrittenLast) {
  Saved job({1, 1, 2, false});
  // A run from the start into the same folder: its checkpoint is the newest, whatever its number.
  ASSERT_EQ(job.start({"--steps", "3", "--save", job.dir / "out"}).status, 0);
  job.expectResumed(3);
}

TEST(Checkpoint, OneFolderByName) {
  Saved job({2, 1, 2, false});
  Result result = job.resume("out/step-4");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(readLog(job.dir / "log").at(0)["step"], 4);
}

TEST(Checkpoint, NoneThere) {
  Job job({2, 1, 2, false});
  fs::create_directory(job.dir / "empty");
  Result result = job.train({"--steps", "8", "--resume", job.dir / "empty"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("has no checkpoint"));
}

TEST(Checkpoint, ModelGoesBackIn) {
  Saved job({2, 1, 2, false});
  Result result = job.train({"--steps", "1", "--init", job.file(6, "model.safetensors")});
  EXPECT_EQ(result.status, 0) << result.err;
}

TEST(Checkpoint, FullDiskIsAnErrorAndKeepsTheOlderOnes) {
  Saved job({1, 1, 2, false});
  // A limit on file sizes acts as a full disk does: creating the model file fails.
  Result result = trainFixture(job.shape,
                               {"--steps", "8", "--resume", job.dir / "out", "--save",
                                job.dir / "out", "--data", job.dir / "data"},
                               {"BM_FIXTURE_FILE_LIMIT=512"});
  EXPECT_EQ(result.status, 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr("step-8 was not written: cannot reserve"));
  for (const auto &entry : fs::directory_iterator(job.dir / "out"))
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("tmp")));
  job.expectResumed(6);
}

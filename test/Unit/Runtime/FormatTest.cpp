// Readers of files and plan images under arbitrary input.

#include "TestSupport.h"

#include "Safetensors.h"
#include "bigmac-rt/Error.h"
#include "bigmac-rt/Hash.h"
#include "bigmac-rt/PlanView.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>

using namespace bigmac;
using namespace bigmac::rt;
using namespace bigmac::test;
using testing::HasSubstr;

TEST(Hash, IsXxh64) {
  auto hash = [](const std::string &text, uint64_t seed = 0) {
    return hash64(text.data(), text.size(), seed);
  };
  // Values of the reference implementation.
  EXPECT_EQ(hash(""), 0xef46db3751d8e999u);
  EXPECT_EQ(hash("a"), 0xd24ec4f1a98c6e5bu);
  EXPECT_EQ(hash("abc"), 0x44bc2cf5ad770999u);
  EXPECT_EQ(hash("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1u);
  EXPECT_EQ(hash("", 1), 0xd5afba1336a3be4bu);
}

//===----------------------------------------------------------------------===//
// Safetensors
//===----------------------------------------------------------------------===//

namespace {

std::string file(const std::string &json, size_t dataBytes, int64_t length = -1) {
  uint64_t n = length < 0 ? json.size() : length;
  return std::string(reinterpret_cast<const char *>(&n), 8) + json + std::string(dataBytes, 'x');
}

std::string errorOf(const std::string &bytes) {
  uint64_t data = 0;
  try {
    parseSafetensors({reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()}, "FILE",
                     data);
  } catch (const RuntimeError &error) {
    return error.what();
  }
  return "";
}

} // namespace

TEST(Safetensors, GoodFiles) {
  EXPECT_EQ(errorOf(file("{}", 0)), "");
  EXPECT_EQ(errorOf(file(R"({"__metadata__":{"format":"pt","a":"b"},)"
                         R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                         R"("s":{"shape":[],"data_offsets":[24,32],"dtype":"I64"},)"
                         R"("none":{"dtype":"F32","shape":[0,9],"data_offsets":[24,24]}}   )",
                         32)),
            "");
}

TEST(Safetensors, BadFiles) {
  struct Bad {
    std::string bytes, error;
  };
  std::string w = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const Bad bad[] = {
      {"", "0 bytes, no header"},
      {"abc", "3 bytes, no header"},
      {file("{}", 0, 3), "header claims 3 bytes"},
      {file("{}", 0, INT64_MAX), "header claims"},
      {file("", 0), "does not start with '{'"},
      {file(" {}", 0), "does not start with '{'"},
      {file("[]", 0), "does not start with '{'"},
      {file("{", 0), "bad JSON"},
      {file("{}}", 0), "bad JSON"},
      {file("{\"a\xff\":1}", 0), "bad JSON"},
      {file(w, 7), "lies at bytes 0 to 8 of 7"},
      {file(w, 9), "end at byte 8 of 9"},
      {file(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "12 bytes, but lies"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
       "lies at bytes 8 to 0"},
      {file(R"({"w":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", 8), "unknown type 'F99'"},
      {file(R"({"w":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", 4),
       "overflows"},
      {file(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "the number -2"},
      {file(R"({"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8), "the number 2.0"},
      {file(R"({"w":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", 8),
       "the number 18446744073709551615"},
      {file(R"({"w":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})", 8),
       "the number 99999999999999999999"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8), "two data_offsets"},
      {file(R"({"w":{"dtype":"F32","data_offsets":[0,8]}})", 8), "an entry without"},
      {file(R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
       "twice the field 'dtype'"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})",
            16),
       "twice the name 'w'"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("v":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
            12),
       "overlap or leave a gap"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
            R"("v":{"dtype":"F32","shape":[2],"data_offsets":[12,20]}})",
            20),
       "overlap or leave a gap"},
      {file(R"({"w":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8), "an array"},
      {file(R"({"w":{"dtype":["F32"],"shape":[2],"data_offsets":[0,8]}})", 8), "an array"},
      {file(R"({"w":{"dtype":{"a":1},"shape":[2],"data_offsets":[0,8]}})", 8), "a nested object"},
      {file(R"({"w":{"dtype":null,"shape":[2],"data_offsets":[0,8]}})", 8), "null"},
      {file(R"({"w":5})", 0), "the number 5"},
      {file(R"({"w":"text"})", 0), "a string"},
      {file(R"({"w":[1]})", 0), "an array"},
      {file(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})", 8),
       "the unknown field 'more'"},
      {file(R"({"__metadata__":{"a":{"b":"c"}}})", 0), "a nested object"},
      {file(R"({"__metadata__":{"a":1}})", 0), "the number 1"},
      {file(R"({"w":)" + std::string(5'000'000, '['), 0), "an array"},
      {file(R"({"w":)" + std::string(1'000'000, '{'), 0), "bad JSON"},
  };
  for (const Bad &b : bad) {
    EXPECT_THAT(errorOf(b.bytes), HasSubstr(b.error)) << b.bytes.substr(0, 200);
    EXPECT_THAT(errorOf(b.bytes), HasSubstr("FILE: not a valid safetensors file"));
  }
}

TEST(Safetensors, MutatedFilesNeverCrash) {
  std::string good = file(R"({"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,3],)"
                          R"("data_offsets":[0,24]},"s":{"dtype":"I64","shape":[1],)"
                          R"("data_offsets":[24,32]}})",
                          32);
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = good;
    for (int k = 1 + random() % 3; k > 0; --k) {
      size_t at = random() % bytes.size();
      switch (random() % 3) {
      case 0:
        bytes[at] = static_cast<char>(random());
        break;
      case 1:
        bytes.erase(at, 1 + random() % 4);
        break;
      default:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 16));
      }
      if (bytes.empty())
        break;
    }
    // Either an error, or a table whose entries are all inside.
    uint64_t data = 0;
    try {
      auto table = parseSafetensors(
          {reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()}, "FILE", data);
      for (const auto &[name, info] : table)
        ASSERT_LE(data + info.end, bytes.size());
    } catch (const RuntimeError &) {
    }
  }
}

TEST(Safetensors, LayoutIsReadable) {
  SafetensorsLayout layout({{"b", BM_U8, {3}}, {"w", BM_F32, {2, 2}}, {"i", BM_I64, {}}});
  std::string bytes = layout.header() + std::string(layout.fileSize() - layout.header().size(), 0);
  EXPECT_EQ(layout.fileSize(), layout.header().size() + 8 + 16 + 3);
  uint64_t data = 0;
  auto table = parseSafetensors(
      {reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size()}, "FILE", data);
  ASSERT_EQ(table.size(), 3u);
  EXPECT_EQ(data + table.find("w")->second.begin, layout.position(1));
  EXPECT_EQ(layout.position(2) % 8, 0u);
  EXPECT_EQ(layout.position(1) % 4, 0u);
  EXPECT_EQ(describe("F32", table.find("w")->second.shape), "F32[2, 2]");
}

//===----------------------------------------------------------------------===//
// Plan images
//===----------------------------------------------------------------------===//

namespace {

void seal(std::vector<unsigned char> &image) {
  auto *plan = reinterpret_cast<bm_plan *>(image.data());
  plan->checksum = planChecksum(image.data(), image.size());
}

std::string openError(const std::vector<unsigned char> &image) {
  std::string error;
  return PlanView::open(image.data(), image.size(), error) ? "" : error;
}

std::vector<unsigned char> goodImage() {
  std::string error;
  auto image = fixture::buildPlan({3, 2, 3, true}, "w.safetensors", 10, 20, error);
  EXPECT_EQ(error, "");
  return image;
}

} // namespace

TEST(PlanImage, SameCallsSameBytes) { EXPECT_EQ(goodImage(), goodImage()); }

TEST(PlanImage, ReadsBack) {
  auto image = goodImage();
  std::string error;
  auto plan = PlanView::open(image.data(), image.size(), error);
  ASSERT_TRUE(plan) << error;
  EXPECT_EQ(plan->world(), 6u);
  EXPECT_EQ(plan->text(plan->header().model), "fixture");
  EXPECT_EQ(plan->params().size(), 10u);
  EXPECT_EQ(plan->text(plan->params()[0].name), "stages.0.weight");
  EXPECT_EQ(plan->elements(plan->params()[0].dims), 64u);
  EXPECT_EQ(plan->bytes(plan->inputs()[3]), 64u);
}

TEST(PlanImage, DamageIsFound) {
  auto image = goodImage();
  for (size_t at = 0; at < image.size(); at += 37) {
    image[at] ^= 1;
    EXPECT_NE(openError(image), "") << at;
    image[at] ^= 1;
  }
  for (size_t size : {size_t(0), sizeof(bm_plan) - 1, image.size() - 8})
    EXPECT_NE(openError({image.begin(), image.begin() + size}), "");
  EXPECT_EQ(openError(image), "");
}

/// Damage that the checksum does not find, because it was computed afterwards: open() must find
/// what matters and survive the rest.
TEST(PlanImage, MutatedImagesNeverCrash) {
  std::string error;
  auto good =
      fixture::buildPlan({3, 2, 3, true, "cpu", false, true}, "w.safetensors", 10, 20, error);
  ASSERT_EQ(error, "");
  std::mt19937_64 random(2);
  const uint64_t values[] = {0,
                             1,
                             7,
                             8,
                             64,
                             1u << 20,
                             1u << 31,
                             UINT32_MAX,
                             uint64_t(1) << 40,
                             uint64_t(1) << 62,
                             UINT64_MAX,
                             UINT64_MAX - 7};
  size_t refused = 0;
  for (int i = 0; i < 4000; ++i) {
    auto image = good;
    for (int k = 1 + random() % 2; k > 0; --k) {
      size_t word = 3 + random() % (image.size() / 8 - 3);
      uint64_t value = random() % 3 ? values[random() % std::size(values)] : random() % 4096;
      if (random() % 2)
        std::memcpy(&image[word * 8], &value, 8);
      else
        std::memcpy(&image[word * 8 + 4 * (random() % 2)], &value, 4);
    }
    seal(image);
    refused += !openError(image).empty();
  }
  EXPECT_GT(refused, 1000u);
}

namespace {

/// Two ranks; `fill` writes the instructions.
std::string programError(void (*fill)(RankWriter &, RankWriter &)) {
  PlanWriter plan(2, 1, 1, 1);
  plan.addInput("x", BM_F32, {1, 16});
  plan.addScalar("loss", BM_SCALAR_LOSS);
  plan.addTask("task", {64, 64}, BM_LLM, BM_FORWARD, 0);
  for (uint32_t r = 0; r < 2; ++r) {
    plan.rank(r).setArena(1024);
    plan.rank(r).setHost(128);
  }
  plan.rank(1).record(0, 0, 0);
  fill(plan.rank(0), plan.rank(1));
  std::string error;
  plan.finish(error);
  return error;
}

} // namespace

TEST(PlanImage, ProgramErrors) {
  EXPECT_EQ(programError([](RankWriter &, RankWriter &) {}), "");
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.run(0, {0, 961}, {}); }),
              HasSubstr("task 'task': argument 1 is outside the arena"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.run(0, {0}, {}); }),
              HasSubstr("takes 2 arguments, not 1"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.loadInput(0, 1, 0); }),
              HasSubstr("no such input or microbatch"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.zero(1000, 25); }),
              HasSubstr("zeroes bytes outside"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.copy(0, 10, 11); }),
              HasSubstr("overlapping"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.wait(0); }),
              HasSubstr("nothing to wait for"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &b) {
                a.send(1, 0, 0, 8, 0);
                b.recv(0, 0, 0, 8, 0);
                b.wait(0);
              }),
              HasSubstr("slot 0 is never waited for"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &b) {
                a.send(1, 0, 0, 8, 0);
                a.wait(0);
                b.recv(0, 0, 0, 16, 0);
                b.wait(0);
              }),
              HasSubstr("transfers 16 bytes where rank 0 transfers 8"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.send(1, 0, 0, 8, 0);
                a.wait(0);
              }),
              HasSubstr("deadlock: rank 0 waits at instruction 1"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &b) {
                // Each sends first: fine with buffers, a deadlock with rendezvous.
                a.send(1, 0, 0, 8, 0);
                a.wait(0);
                a.recv(1, 0, 8, 8, 0);
                a.wait(0);
                b.send(0, 0, 0, 8, 0);
                b.wait(0);
                b.recv(0, 0, 8, 8, 0);
                b.wait(0);
              }),
              HasSubstr("deadlock: rank 0 waits at instruction 1 (step); rank 1 waits"));
  EXPECT_EQ(programError([](RankWriter &a, RankWriter &b) {
              a.recv(1, 0, 8, 8, 1);
              a.send(1, 0, 0, 8, 0);
              a.wait(0);
              a.wait(1);
              b.send(0, 0, 0, 8, 0);
              b.recv(0, 0, 8, 8, 1);
              b.wait(0);
              b.wait(1);
            }),
            "");
}

TEST(PlanImage, OffloadErrors) {
  EXPECT_EQ(programError([](RankWriter &a, RankWriter &) {
              a.offload(0, 64, 64, 0);
              a.wait(0);
              a.fetch(64, 512, 64, 0);
              a.offload(64, 0, 64, 1);
              a.wait(0);
              a.wait(1);
              // Bytes that were fetched are free.
              a.offload(0, 32, 64, 0);
              a.wait(0);
              a.fetch(32, 0, 64, 1);
              a.wait(1);
            }),
            "damaged plan image: rank 0, instruction 6: offloads over what is still needed");
  EXPECT_EQ(programError([](RankWriter &a, RankWriter &) {
              for (int round = 0; round < 2; ++round) {
                a.offload(0, 64, 64, 0);
                a.wait(0);
                a.fetch(64, 512, 64, 0);
                a.wait(0);
              }
            }),
            "");
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.offload(0, 65, 64, 0);
                a.wait(0);
              }),
              HasSubstr("outside the arena or the host's memory"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.offload(0, 0, 64, 0);
                a.offload(64, 64, 64, 0);
              }),
              HasSubstr("slot 0 does not exist or is in use"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) { a.offload(0, 0, 64, 0); }),
              HasSubstr("slot 0 is never waited for"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.offload(0, 0, 64, 0);
                a.wait(0);
              }),
              HasSubstr("offloaded bytes are never fetched"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.offload(0, 0, 64, 0);
                a.fetch(0, 64, 64, 1);
              }),
              HasSubstr("fetches what was not offloaded before"));
  EXPECT_THAT(programError([](RankWriter &a, RankWriter &) {
                a.offload(0, 0, 64, 0);
                a.wait(0);
                a.fetch(0, 64, 32, 1);
              }),
              HasSubstr("fetches what was not offloaded before"));
}

//===- CostsJsonTest.cpp - COSTS.json, good and hostile -------------------===//

#include "bigmac/Planning/CostsJson.h"
#include "bigmac/Planning/ScheduleBuilder.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

using namespace bigmac::planning;

namespace {

const std::string llm = R"("llm": {"forward": 1, "backward_input": 2, "backward_weight": 3})";

void expectError(const std::string &text, const std::string &evidence) {
  Result<Costs> costs = parseCosts(text, "costs.json");
  ASSERT_FALSE(costs) << text.substr(0, 200);
  EXPECT_EQ(costs.message().rfind("costs.json: ", 0), 0u) << costs.message();
  EXPECT_NE(costs.message().find(evidence), std::string::npos) << costs.message();
  EXPECT_LT(costs.message().size(), 600u);
}

TEST(CostsJson, Whole) {
  Result<Costs> costs = parseCosts(R"({
    "llm": {"forward": [1, 2], "backward_input": [null, 4], "backward_weight": [0, 5.5]},
    "encoder": {"forward": [1, 2, 3]},
    "generator": {"forward": 7, "backward": 8},
    "transfer": 1e-3,
    "activation_bytes": {"llm": [10, 20], "weight_gradient": 30, "encoder": 40, "generator": 5e1}
  })",
                                   "costs.json");
  ASSERT_TRUE(costs) << costs.message();
  EXPECT_EQ(costs->llmForward.at(1), 2);
  EXPECT_EQ(costs->llmBackwardInput.at(0), std::nullopt);
  EXPECT_EQ(costs->llmBackwardInput.at(1), 4);
  EXPECT_EQ(costs->llmBackwardWeight.at(1), 5.5);
  EXPECT_EQ(costs->encoder->forward.size(), 3u);
  EXPECT_FALSE(costs->encoder->backward);
  EXPECT_EQ(costs->generator->backward->at(99), 8);
  EXPECT_EQ(costs->transfer, 1e-3);
  EXPECT_EQ(costs->activationBytes->llm.at(1), 20u);
  EXPECT_EQ(costs->activationBytes->generator, 50u);
}

TEST(CostsJson, Least) {
  Result<Costs> costs = parseCosts("{" + llm + "}", "costs.json");
  ASSERT_TRUE(costs);
  EXPECT_FALSE(costs->encoder || costs->generator || costs->activationBytes);
  EXPECT_EQ(costs->transfer, 0);
  EXPECT_TRUE(parseCosts(R"({"llm": {"forward": 1, "backward_input": null, "backward_weight": 0},
                             "encoder": null})",
                         "costs.json"));
}

TEST(CostsJson, Malformed) {
  expectError("", "parse error");
  expectError("{", "parse error");
  expectError("[]", "costs must be an object");
  expectError("7", "costs must be an object, found a number");
  expectError("{" + llm + "} trailing", "parse error");
  expectError(R"({"llm": 3})", "llm must be an object, found a number");
  expectError("{}", "costs has no \"llm\"");
  expectError(R"({"llm": {"forward": 1, "backward_input": 1}})", "no \"backward_weight\"");
  expectError(R"({"llm": {"forward": 1, "backward_weight": 1}})", "no \"backward_input\"");
  expectError(R"({"llm": {"forward": "1", "backward_input": 1, "backward_weight": 1}})",
              "llm.forward must be a number or a list of one or more numbers, found a string");
  expectError(R"({"llm": {"forward": [], "backward_input": 1, "backward_weight": 1}})",
              "llm.forward must be a number or a list of one or more numbers");
  expectError(R"({"llm": {"forward": [1, null], "backward_input": 1, "backward_weight": 1}})",
              "found a list with nulls");
  expectError(R"({"llm": {"forward": [1, [2]], "backward_input": 1, "backward_weight": 1}})",
              "a list inside a list");
  expectError(R"({"llm": {"forward": [{}], "backward_input": 1, "backward_weight": 1}})",
              "numbers and nulls only, found an object");
  expectError("{" + llm + R"(, "encoder": {}})", "encoder has no \"forward\"");
  expectError("{" + llm + R"(, "encodr": {"forward": 1}})", "unknown key \"encodr\" in costs");
  expectError("{" + llm + R"(, "transfer": [1]})", "transfer must be a number");
  expectError("{" + llm + R"(, "transfer": true})", "found a boolean");
}

TEST(CostsJson, Numbers) {
  expectError("{" + llm + R"(, "transfer": -1})", "transfer must not be negative");
  expectError("{" + llm + R"(, "transfer": NaN})", "parse error");
  expectError("{" + llm + R"(, "transfer": Infinity})", "parse error");
  expectError("{" + llm + R"(, "transfer": 1e999})", "number overflow");
  expectError("{" + llm + R"(, "activation_bytes": {"llm": 1.5}})", "whole number of bytes");
  expectError("{" + llm + R"(, "activation_bytes": {"llm": -5}})", "must not be negative");
  expectError("{" + llm + R"(, "activation_bytes": {"encoder": 1e18}})", "whole number of bytes");
  expectError("{" + llm + R"(, "activation_bytes": {"encoder": [1, 2]}})", "found a list");
}

TEST(CostsJson, Hostile) {
  expectError("{" + llm + "," + llm + "}", "the key \"llm\" is there twice");
  expectError("{" + llm + R"(, "transfer": 1, "transfer": 2})", "\"transfer\" is there twice");
  expectError(std::string(1000000, '['), "a list inside a list");
  std::string deep;
  for (int i = 0; i < 100000; ++i)
    deep += R"({"a":)";
  expectError(deep, "nested more than 16 deep");
  expectError("{\"" + std::string(1000, 'k') + "\": 1}", "a key has 1000 bytes");
  expectError("{\"a\\u0007\": 1}", "control character");
  expectError("{\"" + std::string(100, '\x1b') + "\": 1}", "parse error");
  expectError(std::string(2000000, 'x'), "parse error");
  expectError("\"" + std::string(2000000, 'x') + "\"", "found a string");
  expectError("\"" + std::string(2000000, 'x'), "parse error");
  std::string wide = "{";
  for (int i = 0; i < 5000; ++i)
    wide += "\"k" + std::to_string(i) + "\": 1,";
  expectError(wide, "an object with more than 1024 keys");
  std::string longList = "{\"llm\": {\"forward\": [0";
  for (int i = 0; i < (5 << 20); ++i)
    longList += ",0";
  expectError(longList, "a list with more than");
  expectError("\xff\xfe\x00\x01", "parse error");
}

// Truncated and altered texts give costs or an error; the sanitizer build makes this test mean
// more.
TEST(CostsJson, AlteredTextsNeverCrash) {
  const std::string text =
      "{" + llm +
      R"(, "encoder": {"forward": [1, 2], "backward": 3}, "activation_bytes": {"llm": 1}})";
  ASSERT_TRUE(parseCosts(text, "costs.json"));
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_FALSE(parseCosts(text.substr(0, length), "costs.json"));
  std::mt19937_64 random(3);
  int accepted = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string altered = text;
    for (uint64_t change = random() % 3; change < 3; ++change) {
      size_t at = random() % altered.size();
      if (random() % 2)
        altered[at] = static_cast<char>(random());
      else
        altered.insert(at, 1, "[]{},:0\"e-n 1."[random() % 14]);
    }
    Result<Costs> costs = parseCosts(altered, "costs.json");
    ++(costs ? accepted : refused);
    if (costs) {
      Problem problem;
      problem.ranks = problem.microbatches = 2;
      problem.costs = *costs;
      Result<Schedule> schedule = buildSchedule(ScheduleKind::BigMac, problem);
      EXPECT_TRUE(schedule || !schedule.message().empty());
    }
  }
  EXPECT_GT(accepted, 100);
  EXPECT_GT(refused, 1000);
}

TEST(CostsFile, MissingOrAFolder) {
  EXPECT_FALSE(readCostsFile("/no/such/file.json"));
  EXPECT_FALSE(readCostsFile("/"));
}

} // namespace

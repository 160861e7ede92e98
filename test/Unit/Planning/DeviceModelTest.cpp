//===- DeviceModelTest.cpp - Device descriptions and the roofline ---------===//

#include "bigmac/Planning/DeviceModel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

using namespace bigmac::planning;

namespace {

const std::string good = R"({
  "name": "toy", "description": "for tests", "sources": {"all": "invented"},
  "product_flops": {"f64": 10, "f32": 100, "f16": 200, "bf16": 400},
  "vector_flops": 50,
  "fraction": {"product": 0.5, "attention": 0.25, "vector": 1, "memory": 0.5},
  "product_ramp_flops": 0,
  "memory_bandwidth": 40, "memory_bytes": 1000, "launch_seconds": 0,
  "peer": {"bandwidth": 10, "latency": 1}, "network": {"bandwidth": 5, "latency": 2},
  "host": {"bandwidth": 4, "latency": 0}, "devices_per_node": 8
})";

std::string with(const std::string &what, const std::string &replacement) {
  std::string text = good;
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), replacement);
}

void expectError(const std::string &text, const std::string &evidence) {
  Result<DeviceModel> device = parseDevice(text, "toy.json");
  ASSERT_FALSE(device) << text.substr(0, 200);
  EXPECT_EQ(device.message().rfind("toy.json: ", 0), 0u) << device.message();
  EXPECT_NE(device.message().find(evidence), std::string::npos) << device.message();
  EXPECT_LT(device.message().size(), 600u);
}

TEST(DeviceModel, Roofline) {
  Result<DeviceModel> device = parseDevice(good, "toy.json");
  ASSERT_TRUE(device) << device.message();
  // Bound by arithmetic: 1000 FLOPs at half of 100 a second; bytes take 40 / (40 / 2).
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Product, DataType::F32, 1000, 40}), 20);
  // Bound by memory.
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Product, DataType::F32, 1000, 4000}), 200);
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Product, DataType::BF16, 1000, 0}), 5);
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Attention, DataType::BF16, 1000, 0}), 10);
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Vector, DataType::BF16, 1000, 0}), 20);
  EXPECT_EQ(device->secondsOf({WorkKind::None, DataType::F32, 1000, 1000}), 0);
  EXPECT_DOUBLE_EQ(device->linkOf(8).secondsOf(100), 11);
  EXPECT_DOUBLE_EQ(device->linkOf(9).secondsOf(100), 22);
}

TEST(DeviceModel, HostMemory) {
  EXPECT_FALSE(parseDevice(good, "toy.json")->hostMemoryBytes);
  EXPECT_TRUE(parseDevice(good, "toy.json")->hasOwnMemory());
  auto given = [](const char *bytes) {
    return with("\"devices_per_node\"",
                "\"host_memory_bytes\": " + std::string(bytes) + ", \"devices_per_node\"");
  };
  EXPECT_EQ(parseDevice(given("5000"), "toy.json")->hostMemoryBytes, 5000u);
  EXPECT_TRUE(parseDevice(given("5000"), "toy.json")->hasOwnMemory());
  EXPECT_FALSE(parseDevice(given("0"), "toy.json")->hasOwnMemory());
  expectError(given("-1"), "host_memory_bytes");
  EXPECT_FALSE(findDevice("cpu")->hasOwnMemory());
  EXPECT_TRUE(findDevice("h200")->hasOwnMemory());
}

TEST(DeviceModel, RampAndLaunch) {
  std::string text = with("\"product_ramp_flops\": 0", "\"product_ramp_flops\": 1000");
  text.replace(text.find("\"launch_seconds\": 0"), 19, "\"launch_seconds\": 0.25");
  Result<DeviceModel> device = parseDevice(text, "toy.json");
  ASSERT_TRUE(device) << device.message();
  // A product of as many FLOPs as the ramp has runs at half the rate.
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Product, DataType::F32, 1000, 0}), 40.25);
  EXPECT_DOUBLE_EQ(device->secondsOf({WorkKind::Vector, DataType::F32, 50, 0}), 1.25);
  EXPECT_EQ(device->secondsOf({WorkKind::None, DataType::F32, 0, 0}), 0);
}

TEST(DeviceModel, BuiltIn) {
  std::vector<std::string_view> names = deviceNames();
  ASSERT_TRUE(std::ranges::is_sorted(names));
  for (std::string_view name : {"a100", "cpu", "h100", "h200"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  for (std::string_view name : names) {
    Result<DeviceModel> device = findDevice(std::string(name));
    ASSERT_TRUE(device) << device.message();
    EXPECT_EQ(device->name, name);
  }
  // Published peaks.
  EXPECT_EQ(findDevice("h100")->productFlops[size_t(DataType::BF16)], 989e12);
  EXPECT_EQ(findDevice("h100")->memoryBandwidth, 3.35e12);
  EXPECT_EQ(findDevice("h200")->memoryBandwidth, 4.8e12);
  EXPECT_EQ(findDevice("a100")->productFlops[size_t(DataType::BF16)], 312e12);
  EXPECT_EQ(findDevice("a100")->productFlops[size_t(DataType::F32)], 19.5e12);
}

/// What test/benchmarks/device_rates.py measured on one H200 (docs/benchmarks.md); the description
/// must be within a third of each.
TEST(DeviceModel, AgreesWithMeasurements) {
  Result<DeviceModel> h200 = findDevice("h200");
  ASSERT_TRUE(h200) << h200.message();
  struct {
    DataType type;
    double m, n, k, seconds;
  } measured[] = {
      {DataType::BF16, 256, 256, 256, 2.88e-6},     {DataType::BF16, 512, 512, 512, 3.45e-6},
      {DataType::BF16, 1024, 1024, 1024, 5.67e-6},  {DataType::BF16, 2048, 2048, 2048, 2.37e-5},
      {DataType::BF16, 4096, 4096, 4096, 1.77e-4},  {DataType::BF16, 8192, 8192, 8192, 1.65e-3},
      {DataType::BF16, 2048, 32000, 2048, 3.96e-4}, {DataType::F32, 1024, 1024, 1024, 5.64e-5},
      {DataType::F32, 4096, 4096, 4096, 2.68e-3},   {DataType::F32, 8192, 8192, 8192, 2.16e-2},
  };
  for (const auto &product : measured) {
    double size = product.type == DataType::BF16 ? 2 : 4;
    double m = product.m, n = product.n, k = product.k;
    double seconds = h200->secondsOf(
        {WorkKind::Product, product.type, 2 * m * n * k, size * (m * k + k * n + m * n)});
    EXPECT_LT(seconds / product.seconds, 4.0 / 3) << m << " x " << n << " x " << k;
    EXPECT_GT(seconds / product.seconds, 3.0 / 4) << m << " x " << n << " x " << k;
  }
  double floats = 1 << 29;
  double sum = h200->secondsOf({WorkKind::Vector, DataType::F32, floats, 8 * floats});
  EXPECT_NEAR(sum / (8 * floats / 4.237e12), 1, 0.1);
}

TEST(DeviceModel, Malformed) {
  expectError("", "parse error");
  expectError("[1]", "must be an object");
  expectError(with("\"name\": \"toy\", ", ""), "has no \"name\"");
  expectError(with("\"vector_flops\": 50", "\"vector_flops\": 0"), "vector_flops");
  expectError(with("\"vector_flops\": 50", "\"vector_flops\": -1"), "vector_flops");
  expectError(with("\"vector_flops\": 50", "\"vector_flops\": 1e400"), "");
  expectError(with("\"vector_flops\": 50", "\"vector_flops\": \"50\""), "must be a number");
  expectError(with("\"product\": 0.5", "\"product\": 1.5"), "fraction.product");
  expectError(with("\"product\": 0.5", "\"produkt\": 0.5"), "unknown key \"produkt\"");
  expectError(with("\"devices_per_node\": 8", "\"devices_per_node\": 0"), "devices_per_node");
  expectError(with("\"host\": {\"bandwidth\": 4, \"latency\": 0}", "\"host\": 4"), "host");
  expectError(with("\"name\": \"toy\"", "\"name\": \"toy\", \"name\": \"toy\""), "twice");
}

TEST(DeviceModel, UnknownNameListsNames) {
  Result<DeviceModel> device = findDevice("h100x");
  ASSERT_FALSE(device);
  EXPECT_NE(device.message().find("a100, cpu, h100"), std::string::npos) << device.message();
  EXPECT_FALSE(findDevice("no-such-file.json"));
  EXPECT_FALSE(findDevice(""));
}

TEST(DeviceModel, File) {
  std::string path = testing::TempDir() + "/device-model-test.json";
  std::ofstream(path) << good;
  Result<DeviceModel> device = findDevice(path);
  ASSERT_TRUE(device) << device.message();
  EXPECT_EQ(device->name, "toy");
  std::filesystem::remove(path);
}

/// Every truncation and many byte changes: an error or a device whose times are finite.
TEST(DeviceModel, DamagedText) {
  auto check = [](const std::string &text) {
    Result<DeviceModel> device = parseDevice(text, "toy.json");
    if (!device)
      return;
    double seconds = device->secondsOf({WorkKind::Product, DataType::F32, 1e12, 1e9});
    EXPECT_TRUE(std::isfinite(seconds) && seconds >= 0) << text;
  };
  for (size_t size = 0; size < good.size(); ++size)
    check(good.substr(0, size));
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string text = good;
    for (int j = 0; j < 3; ++j)
      text[random() % text.size()] = "0123456789{}[]\",:.-+eE \x01"[random() % 24];
    check(text);
  }
}

} // namespace

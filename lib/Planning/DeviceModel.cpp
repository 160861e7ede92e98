//===- DeviceModel.cpp - What a device does in a second -------------------===//

#include "bigmac/Planning/DeviceModel.h"
#include "JsonFields.h"

#include <algorithm>
#include <span>

namespace bigmac::planning {

namespace {

struct BuiltIn {
  std::string_view name, text;
};

constexpr BuiltIn builtIn[] = {
#include "Devices.inc"
};

constexpr size_t maxFileBytes = 1u << 20;

Link readLink(const JsonFields &fields) {
  fields.allow({"bandwidth", "latency"});
  return {fields.number("bandwidth", 1, 1e18), fields.number("latency", 0, 10)};
}

} // namespace

double DeviceModel::secondsOf(const Work &work) const {
  if (work.kind == WorkKind::None)
    return 0;
  double rate = vectorFlops * vectorFraction, flops = work.flops;
  if (work.kind != WorkKind::Vector) {
    bool product = work.kind == WorkKind::Product;
    rate = productFlops[static_cast<size_t>(work.type)] *
           (product ? productFraction : attentionFraction);
    if (product && flops > 0)
      flops += productRamp;
  }
  return std::max(flops / rate, work.bytes / (memoryBandwidth * memoryFraction)) + launch;
}

Result<DeviceModel> parseDevice(std::string_view text, std::string_view origin) {
  Result<JsonValue> root = readJson(text, origin);
  if (!root)
    return root.error();
  JsonProblem problem;
  JsonFields fields(*root, "the device", problem);
  fields.allow({"name", "description", "sources", "product_flops", "vector_flops", "fraction",
                "product_ramp_flops", "memory_bandwidth", "memory_bytes", "launch_seconds", "peer",
                "network", "host", "host_memory_bytes", "devices_per_node"});
  DeviceModel device;
  device.name = fields.text("name");
  device.description = fields.text("description");
  JsonFields peaks = fields.object("product_flops");
  peaks.allow({"f64", "f32", "f16", "bf16"});
  constexpr std::string_view types[] = {"f64", "f32", "f16", "bf16"};
  for (size_t i = 0; i < 4; ++i)
    device.productFlops[i] = peaks.number(types[i], 1, 1e21);
  device.vectorFlops = fields.number("vector_flops", 1, 1e21);
  JsonFields fraction = fields.object("fraction");
  fraction.allow({"product", "attention", "vector", "memory"});
  device.productFraction = fraction.number("product", 1e-6, 1);
  device.attentionFraction = fraction.number("attention", 1e-6, 1);
  device.vectorFraction = fraction.number("vector", 1e-6, 1);
  device.memoryFraction = fraction.number("memory", 1e-6, 1);
  device.productRamp = fields.number("product_ramp_flops", 0, 1e18);
  device.memoryBandwidth = fields.number("memory_bandwidth", 1, 1e18);
  device.memoryBytes = static_cast<uint64_t>(fields.number("memory_bytes", 1, 1e18));
  device.launch = fields.number("launch_seconds", 0, 1);
  device.peer = readLink(fields.object("peer"));
  device.network = readLink(fields.object("network"));
  device.host = readLink(fields.object("host"));
  if (fields.has("host_memory_bytes"))
    device.hostMemoryBytes = static_cast<uint64_t>(fields.number("host_memory_bytes", 0, 1e18));
  device.devicesPerNode = static_cast<uint32_t>(fields.number("devices_per_node", 1, 1 << 20));
  if (!problem.text.empty())
    return Error{std::string(origin) + ": " + problem.text};
  return device;
}

std::vector<std::string_view> deviceNames() {
  std::vector<std::string_view> names;
  for (const BuiltIn &device : std::span(builtIn))
    names.push_back(device.name);
  return names;
}

Result<DeviceModel> findDevice(const std::string &nameOrFile) {
  if (nameOrFile.ends_with(".json")) {
    Result<std::string> text = readTextFile(nameOrFile, maxFileBytes);
    if (!text)
      return text.error();
    return parseDevice(*text, nameOrFile);
  }
  std::string names;
  for (const BuiltIn &device : std::span(builtIn)) {
    if (device.name == nameOrFile)
      return parseDevice(device.text, "device " + nameOrFile);
    names += std::string(names.empty() ? "" : ", ") + std::string(device.name);
  }
  return Error{"unknown device '" + nameOrFile + "'; expected " + names +
               ", or a file whose name ends with .json"};
}

} // namespace bigmac::planning

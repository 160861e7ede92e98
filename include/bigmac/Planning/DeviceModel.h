//===- DeviceModel.h - What a device does in a second -----------*- C++ -*-===//
//
// A description of one accelerator or core and of its links, and the roofline that turns work into
// seconds:
//
//   max(FLOPs / (fraction * peak), bytes / (fraction * bandwidth)) + launch
//
// S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for
// multicore architectures", CACM 52 (2009), extended by the constant that starting an op takes.
//
// Descriptions are JSON (docs/CostModel.md). Those in lib/Planning/devices are built in; others are
// read from files, whose text is not trusted.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_DEVICEMODEL_H
#define BIGMAC_PLANNING_DEVICEMODEL_H

#include "bigmac/Planning/Result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::planning {

/// What the factors of a product are; peaks differ by it.
enum class DataType : uint8_t { F64, F32, F16, BF16 };

/// What bounds a piece of work, and how near devices come to their peaks in it.
enum class WorkKind : uint8_t {
  /// Matrix products and convolutions: the product units' peak.
  Product,
  /// Fused attention: the same peak, another fraction.
  Attention,
  /// Everything else: the vector units' peak.
  Vector,
  /// Nothing is executed: a view, a constant. Takes no time.
  None,
};

struct Work {
  WorkKind kind = WorkKind::None;
  DataType type = DataType::F32;
  /// Multiplications and additions count one each.
  double flops = 0;
  /// Read and written.
  double bytes = 0;
};

/// Bytes a second in one direction, and the seconds that an empty message takes.
struct Link {
  double bandwidth = 0;
  double latency = 0;

  double secondsOf(double bytes) const { return latency + bytes / bandwidth; }
};

struct DeviceModel {
  std::string name;
  std::string description;
  /// Peak FLOPs a second of products, by DataType.
  std::array<double, 4> productFlops{};
  /// Of everything else.
  double vectorFlops = 0;
  /// What is achieved of the peaks in large ops, above 0 and at most 1.
  double productFraction = 1, attentionFraction = 1, vectorFraction = 1, memoryFraction = 1;
  /// A product of `productRamp` FLOPs achieves half of `productFraction`, larger ones more:
  /// fraction * F / (F + ramp). 0: all achieve it.
  double productRamp = 0;
  /// Bytes a second, and how many there are.
  double memoryBandwidth = 0;
  uint64_t memoryBytes = 0;
  /// Seconds that starting one op takes.
  double launch = 0;
  /// Between devices of one node, between nodes (per device), and to the host's memory.
  Link peer, network, host;
  /// Of the host's memory, the bytes that one device may take; 0: the device's memory is the
  /// host's.
  std::optional<uint64_t> hostMemoryBytes;
  /// Consecutive ranks share a node.
  uint32_t devicesPerNode = 1;

  double secondsOf(const Work &work) const;
  /// What connects `ranks` consecutive ranks: the peer link where a node holds them all, else the
  /// network.
  const Link &linkOf(uint64_t ranks) const { return ranks <= devicesPerNode ? peer : network; }
  /// Whether offloading to the host frees anything.
  bool hasOwnMemory() const { return hostMemoryBytes != 0; }
};

/// Reads a description. `origin` says in messages where the text came from. Errors: no JSON, an
/// unknown, missing or doubled key, a number out of range.
Result<DeviceModel> parseDevice(std::string_view text, std::string_view origin);

/// A built-in device by its name, or the description in a file whose name ends with ".json" (at
/// most 1 MiB). The error lists the names.
Result<DeviceModel> findDevice(const std::string &nameOrFile);

/// Of the built-in devices, in alphabetic order.
std::vector<std::string_view> deviceNames();

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_DEVICEMODEL_H

//===- SlotPools.h - Slots for what lives long ------------------*- C++ -*-===//
//
// Private to the library. Buffers that live alike, such as all that a task's forward leaves to its
// backward for one microbatch, form a bundle. Each bundle takes a slot from a pool of slots of one
// size; a pool has as many as are ever taken at once, which does not depend on how long the step
// is. Bundles of tasks that hold mostly the same sizes (the stages of one model) share a pool of
// slots for what they have in common, and the rest of each goes into pools by size.
//
// At many instants some slots are idle. They are lent to what lives for an instant or two, such as
// a task's workspace, which then needs no bytes of its own.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_SLOTPOOLS_H
#define BIGMAC_LIB_PLANNING_MEMORY_SLOTPOOLS_H

#include "bigmac/Planning/MemoryPlanner.h"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace bigmac::planning {

class SlotPools {
public:
  /// `longLived` and `brief` are buffers that have bytes and a lifetime. With `bundled` false, each
  /// buffer is a bundle.
  SlotPools(std::span<const Buffer> buffers, const std::vector<size_t> &longLived, bool bundled);

  /// Lends idle slots to as many of the brief buffers as it can, the largest first; returns those
  /// that found none.
  std::vector<size_t> lend(std::vector<size_t> brief);

  /// Writes the offsets of all buffers that are in slots; returns the end of the pools.
  uint64_t assign(std::vector<uint64_t> &offsets) const;

private:
  /// What takes a slot from `lower` to `upper`, and the buffers in it by their place.
  struct Tenant {
    uint64_t lower = 0, upper = 0;
    std::vector<std::pair<size_t, uint64_t>> parts;
    /// Of a lent slot: bytes in use.
    uint64_t used = 0;
  };
  struct Pool {
    uint64_t size = 0;
    size_t slots = 0;
    std::vector<Tenant> tenants;
    /// By instant: slots that are taken.
    std::vector<uint32_t> taken;
  };
  /// Sizes, the largest first.
  using Shape = std::vector<uint64_t>;
  struct Bundle {
    uint64_t lower, upper;
    /// By size, the largest first; as in its shape.
    std::vector<size_t> buffers;
  };
  struct Cluster {
    Shape core;
    std::vector<size_t> shapes;
  };

  uint64_t rounded(size_t buffer) const;
  size_t instantOf(uint64_t time) const;
  void findBundles(const std::vector<size_t> &longLived, bool bundled);
  void clusterShapes();
  uint64_t cost(const std::vector<Cluster> &clusters) const;
  void makePools();
  void addTenant(uint64_t size, Tenant tenant);

  std::span<const Buffer> buffers;
  uint64_t alignment = 1;
  /// All births and deaths.
  std::vector<uint64_t> times;
  std::map<Shape, std::vector<Bundle>> bundles;
  std::vector<Shape> shapes;
  std::vector<Cluster> clusters;
  /// By size.
  std::map<uint64_t, Pool> pools;
};

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_SLOTPOOLS_H

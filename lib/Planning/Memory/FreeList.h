//===- FreeList.h - Places buffers in the order of time ---------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_MEMORY_FREELIST_H
#define BIGMAC_LIB_PLANNING_MEMORY_FREELIST_H

#include "bigmac/Planning/MemoryPlanner.h"

#include <cstdint>
#include <span>
#include <vector>

namespace bigmac::planning {

/// Offsets as a best-fit allocator gives them that sees births and deaths in the order of time;
/// larger buffers first among those born at one instant. O(n log n). Only `active` buffers are
/// placed.
std::vector<uint64_t> placeInTime(std::span<const Buffer> buffers,
                                  const std::vector<uint32_t> &active, uint64_t &peak);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_MEMORY_FREELIST_H

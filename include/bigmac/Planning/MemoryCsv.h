//===- MemoryCsv.h - Lifetimes and offsets as CSV ---------------*- C++ -*-===//
//
// The format of MiniMalloc (github.com/google/minimalloc), so that instances and placements can be
// exchanged with it and with others that read it. The first line names the columns, in any order:
//
//   id (or buffer, buffer_id)   a name, of no meaning here; each once
//   lower (start, begin)        the first instant at which the buffer is alive
//   upper                       the first instant at which it is dead: [lower, upper) is half open;
//   or end                      the last instant at which it is alive: [lower, end] is closed
//   size                        bytes
//   alignment                   optional: of the offset, a power of two; 1 without the column
//   hint                        optional: kept, not used
//   gaps                        optional: must be empty; intervals without bytes are not supported
//   offset                      optional: where the buffer is
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_MEMORYCSV_H
#define BIGMAC_PLANNING_MEMORYCSV_H

#include "bigmac/Planning/MemoryPlanner.h"

#include <string>
#include <string_view>

namespace bigmac::planning {

struct MemoryTable {
  std::vector<Buffer> buffers;
  /// By buffer.
  std::vector<std::string> ids;
  /// By buffer, if the table has them.
  std::optional<std::vector<uint64_t>> offsets;
  /// The lines as they were read, without their ends; lines[0] names the columns, lines[i + 1] is
  /// buffer i.
  std::vector<std::string> lines;
};

/// Errors name `source` and the line.
Result<MemoryTable> parseMemoryTable(std::string_view text, const std::string &source);

/// As parseMemoryTable; a file of at most 64 MiB.
Result<MemoryTable> readMemoryTable(const std::string &path);

/// The table with an offset for each buffer, in the last column if it had none.
std::string printMemoryTable(const MemoryTable &table, std::span<const uint64_t> offsets);

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_MEMORYCSV_H

//===- ArenaContents.h - What the bytes of an arena hold --------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_ARENACONTENTS_H
#define BIGMAC_DIALECTS_RT_TRANSFORMS_ARENACONTENTS_H

#include "mlir/IR/Operation.h"

#include <cstdint>
#include <map>

namespace bigmac::rt {

/// What a stretch of bytes holds.
struct Content {
  /// Incoming: a value that a receive or a copy is under way into. Scratch: a task's workspace.
  enum Kind { Input, Value, Incoming, Scratch };
  Kind kind = Scratch;
  llvm::StringRef input;
  /// The number of a value.
  int64_t value = 0;
  int64_t microbatch = 0;
  /// The instruction that wrote it.
  mlir::Operation *by = nullptr;
  /// Sends of it under way, and copies to or from the host's memory.
  unsigned sends = 0;
  unsigned copies = 0;
  bool read = false;

  bool same(const Content &other) const {
    return kind == other.kind && input == other.input && value == other.value &&
           microbatch == other.microbatch;
  }
};

/// Stretches of known bytes, which do not overlap. A write forgets all that it touches.
class ArenaContents {
public:
  struct Piece {
    uint64_t end;
    Content content;
  };
  using Map = std::map<uint64_t, Piece>;

  /// The pieces that overlap [begin, end).
  std::pair<Map::iterator, Map::iterator> overlapping(uint64_t begin, uint64_t end);
  /// The piece that is exactly [begin, end); null if there is none.
  Content *exactly(uint64_t begin, uint64_t end);
  Content &write(uint64_t begin, uint64_t end, Content content);
  Map &all() { return pieces; }

private:
  Map pieces;
};

} // namespace bigmac::rt

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_ARENACONTENTS_H

//===- RankCheck.h - One rank's instructions, step by step ------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_RANKCHECK_H
#define BIGMAC_DIALECTS_RT_TRANSFORMS_RANKCHECK_H

#include "ArenaContents.h"
#include "ProgramIndex.h"

#include <map>
#include <vector>

namespace bigmac::rt {

/// A message, as one end sees it.
struct Message {
  bool isSend;
  int64_t peer, channel, microbatch;
  uint64_t bytes;
  mlir::Operation *op;
};

/// What a rank does with its messages, in order: starts message `message`, or waits for it.
struct MessageEvent {
  WaitOp wait;
  size_t message;
};

struct RankMessages {
  std::vector<Message> messages;
  std::vector<MessageEvent> events;
};

/// What must happen once over all ranks, by the instruction that did it.
struct Done {
  std::map<std::pair<std::string, int64_t>, mlir::Operation *> runs;
  /// Scalar, value, microbatch: how many records.
  std::map<std::tuple<std::string, int64_t, int64_t>, size_t> records;
};

/// Follows what each instruction reads and writes of the arena and of the host's memory.
class RankCheck {
public:
  RankCheck(const ProgramIndex &index, RankOp rank, Done &done)
      : index(index), program(index.program), rank(rank), done(done) {}

  mlir::FailureOr<RankMessages> run();

private:
  struct Region {
    uint64_t begin, end;
    const char *what;
    ClassOp of;
    bool operator<(const Region &other) const { return begin < other.begin; }
  };

  mlir::LogicalResult findRegions();
  mlir::LogicalResult check(LoadOp load);
  mlir::LogicalResult check(RunOp run);
  mlir::LogicalResult check(SendOp send);
  mlir::LogicalResult check(RecvOp recv);
  mlir::LogicalResult check(OffloadOp offload);
  mlir::LogicalResult check(FetchOp fetch);
  mlir::LogicalResult check(WaitOp wait);
  mlir::LogicalResult check(ZeroOp zero);
  mlir::LogicalResult check(RecordOp record);

  /// Bounds, microbatch and peer of an instruction.
  mlir::LogicalResult inArena(mlir::Operation *op, uint64_t begin, uint64_t bytes);
  mlir::LogicalResult isMicrobatch(mlir::Operation *op, int64_t microbatch);
  mlir::LogicalResult isPeer(mlir::Operation *op, int64_t peer);
  struct Slot {
    /// What took it: a send or receive has a message, a copy a place in the host's memory.
    mlir::Operation *op = nullptr;
    size_t message = 0;
    uint64_t begin = 0, end = 0, host = 0;
  };
  mlir::LogicalResult openSlot(int64_t number, const Slot &slot);
  mlir::LogicalResult openMessage(int64_t number, Message message, uint64_t begin);
  /// Bounds of a copy in the host's memory.
  mlir::LogicalResult inHost(mlir::Operation *op, uint64_t begin, uint64_t bytes);

  /// What `op` writes; fails where that destroys what is still needed.
  mlir::LogicalResult write(mlir::Operation *op, uint64_t begin, uint64_t bytes, Content content);
  /// Fails unless the bytes hold what is expected.
  mlir::FailureOr<Content *> read(mlir::Operation *op, uint64_t begin, uint64_t bytes,
                                  const Content &expected);
  mlir::LogicalResult checkParameter(RunOp run, llvm::StringRef name, uint64_t offset,
                                     uint64_t bytes, bool gradient);
  std::string text(const Content &content) const;

  const ProgramIndex &index;
  ProgramOp program;
  RankOp rank;
  Done &done;
  ArenaContents arena, host;
  std::vector<Region> regions;
  llvm::DenseSet<int64_t> cleared;
  std::map<int64_t, Slot> slots;
  RankMessages result;
};

} // namespace bigmac::rt

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_RANKCHECK_H

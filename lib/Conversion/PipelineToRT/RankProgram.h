//===- RankProgram.h - Buffers and transfers of one rank --------*- C++ -*-===//
//
// Pure bookkeeping between a schedule and the rt ops: which buffers a rank needs when, and what it
// starts and waits for before each action.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_CONVERSION_PIPELINETORT_RANKPROGRAM_H
#define BIGMAC_LIB_CONVERSION_PIPELINETORT_RANKPROGRAM_H

#include "bigmac-rt/plan.h"
#include "bigmac/Planning/Executor.h"
#include "bigmac/Planning/MemoryPlanner.h"
#include "dialects/Pipeline/IR/Program.h"

namespace bigmac {

/// A buffer of one rank; lifetimes count that rank's actions.
struct RankBuffer {
  planning::Buffer life;
  bm_memory memory;
  /// The value that it is an instance of, 0 for none (planning::placeInRings).
  uint32_t ring;
  /// Of a task's value: which, and the actions that make, receive or read it, in order.
  mlir::Value value;
  uint32_t microbatch = 0;
  llvm::SmallVector<uint32_t, 0> uses;
  /// The last action during which it may be sent; one of `uses`.
  uint32_t sentUntil = 0;
};

/// A value's stay in the host's memory: copied from buffer `from`, back into buffer `to`.
struct HostStay {
  unsigned from, to;
  planning::Buffer life;
};

/// A message, as one end sees it.
struct Message {
  mlir::Value value;
  uint32_t microbatch;
  int64_t peer;
  unsigned buffer;
};

struct RankProgram {
  std::vector<RankBuffer> buffers;
  /// Buffers of each action's inputs, outputs and workspace, in the callee's order (parameters
  /// and gradients are not in it); kNoBuffer for a workspace of no bytes.
  std::vector<llvm::SmallVector<unsigned, 0>> operands;
  /// By action: graph inputs to load before it (operand index).
  std::vector<llvm::SmallVector<unsigned>> loads;
  /// Messages, and by action their indexes: receives to post before it, receives to wait for
  /// before it, sends to start after it, sends to wait for before it (index actions.size(): at the
  /// end).
  std::vector<Message> receives, sends;
  std::vector<llvm::SmallVector<unsigned>> post, await, start, finish;
  /// What is in the host's memory for a time (HostOffload.h), and by action the indexes of copies:
  /// out to start after it, out to wait for before it, back to start before it, back to wait for
  /// before it.
  std::vector<HostStay> stays;
  std::vector<llvm::SmallVector<unsigned>> leave, left, fetch, fetched;

  static constexpr unsigned kNoBuffer = ~0u;
};

/// Works out every rank's program. Fails where two ends of a channel would order its messages
/// differently.
mlir::FailureOr<std::vector<RankProgram>> buildRankPrograms(const pipeline::Program &program,
                                                            const planning::Schedule &schedule,
                                                            const planning::Timing &timing);

} // namespace bigmac

#endif // BIGMAC_LIB_CONVERSION_PIPELINETORT_RANKPROGRAM_H

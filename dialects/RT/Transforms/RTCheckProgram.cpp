//===- RTCheckProgram.cpp - Proves an rt program ---------------------------===//

#include "MessageCheck.h"
#include "dialects/RT/Transforms/Passes.h"

namespace bigmac::rt {
#define GEN_PASS_DEF_RTCHECKPROGRAM
#include "dialects/RT/Transforms/Passes.h.inc"
} // namespace bigmac::rt

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

/// Every task once for each microbatch, every term of a scalar once.
static LogicalResult checkComplete(const ProgramIndex &index, const Done &done) {
  ProgramOp program = index.program;
  int64_t microbatches = program.getMicrobatches();
  for (auto task : program.getBody()->getOps<TaskOp>())
    for (int64_t m = 0; m < microbatches; ++m)
      if (!done.runs.count({task.getCallee().str(), m}))
        return task.emitOpError("never runs as ") << index.action(task, m);
  for (auto scalar : program.getBody()->getOps<ScalarOp>())
    for (int64_t term : scalar.getTerms())
      for (int64_t m = 0; m < microbatches; ++m) {
        auto it = done.records.find({scalar.getName().str(), term, m});
        size_t expected = llvm::count(scalar.getTerms(), term);
        size_t found = it == done.records.end() ? 0 : it->second;
        if (found != expected)
          return scalar.emitOpError("is given ")
                 << index.value(term, m) << " " << found << " times, expected " << expected;
      }
  return success();
}

static LogicalResult checkProgram(ProgramOp program) {
  if (program.getMicrobatches() < 1 || program.getReplicas() < 1 ||
      program.getMicrobatches() > INT32_MAX)
    return program.emitOpError("expects at least one microbatch and replica");
  FailureOr<ProgramIndex> index = ProgramIndex::read(program);
  if (failed(index))
    return failure();
  // Ranks are distinct and in range (ProgramOp's verifier).
  SmallVector<RankOp> ops(program.getBody()->getOps<RankOp>());
  if (ops.size() != program.getRanks())
    return program.emitOpError("has instructions for ")
           << ops.size() << " ranks, expected " << program.getRanks();
  llvm::sort(ops, [](RankOp a, RankOp b) { return a.getRank() < b.getRank(); });
  Done done;
  std::vector<RankMessages> ranks;
  for (RankOp rank : ops) {
    FailureOr<RankMessages> messages = RankCheck(*index, rank, done).run();
    if (failed(messages))
      return failure();
    ranks.push_back(std::move(*messages));
  }
  if (failed(checkChannels(*index, ranks)) || failed(checkRendezvous(*index, ranks)))
    return failure();
  return checkComplete(*index, done);
}

namespace {
struct RTCheckProgramPass : public rt::impl::RTCheckProgramBase<RTCheckProgramPass> {
  using Base::Base;
  void runOnOperation() override {
    for (auto program : getOperation().getOps<ProgramOp>())
      if (failed(checkProgram(program)))
        signalPassFailure();
    markAllAnalysesPreserved();
  }
};
} // namespace

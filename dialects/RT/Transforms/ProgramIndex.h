//===- ProgramIndex.h - What an rt program declares -------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_PROGRAMINDEX_H
#define BIGMAC_DIALECTS_RT_TRANSFORMS_PROGRAMINDEX_H

#include "dialects/RT/IR/RT.h"
#include "llvm/ADT/StringMap.h"

namespace bigmac::rt {

/// Declarations of a (verified) program by their names, and how messages name its actions.
class ProgramIndex {
public:
  /// Fails where two tasks make one value, a task reads a value that none makes or a parameter or
  /// input that is not declared, or a scalar has such a term.
  static mlir::FailureOr<ProgramIndex> read(ProgramOp program);

  struct Parameter {
    ClassOp of;
    uint64_t position = 0;
  };

  ProgramOp program;
  llvm::StringMap<InputOp> inputs;
  llvm::StringMap<ScalarOp> scalars;
  llvm::StringMap<TaskOp> tasks;
  llvm::StringMap<Parameter> parameters;
  llvm::SmallVector<ClassOp> classes;
  /// The task that makes a value, by the value's number.
  llvm::DenseMap<int64_t, TaskOp> makers;

  /// "F(chunk 0, microbatch 3)".
  std::string action(TaskOp task, int64_t microbatch) const;
  /// "value 7 of F(chunk 0, microbatch 3)".
  std::string value(int64_t number, int64_t microbatch) const;

private:
  mlir::LogicalResult readTask(TaskOp task) const;
};

} // namespace bigmac::rt

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_PROGRAMINDEX_H

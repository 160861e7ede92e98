//===- ParameterClasses.h - Which ranks hold which parameters ---*- C++ -*-===//

#ifndef BIGMAC_LIB_CONVERSION_PIPELINETORT_PARAMETERCLASSES_H
#define BIGMAC_LIB_CONVERSION_PIPELINETORT_PARAMETERCLASSES_H

#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Program.h"
#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace bigmac {

/// Parameters that the same ranks hold. Regions are contiguous; a trained class has, on each
/// member, one region of values, one of gradients, and a shard of each optimizer moment.
struct ParameterClass {
  bool trained = false;
  llvm::SmallVector<int64_t> members;
  /// Bytes of the parameter region; trained: padded to whole shards.
  uint64_t bytes = 0;
  /// Of each moment on each member; 0 where frozen.
  uint64_t shardBytes = 0;
  /// By member: offsets in its arena.
  llvm::SmallVector<int64_t> params, grads, first, second;
};

/// All classes, and where each parameter is.
struct ParameterLayout {
  struct Place {
    unsigned classIndex;
    uint64_t position;
  };
  std::vector<ParameterClass> classes;
  llvm::DenseMap<llvm::StringRef, Place> places;
  /// Parameters in module order that some task uses.
  llvm::SmallVector<nn::ParameterOp> parameters;
  /// By rank: the end of its persistent bytes.
  llvm::SmallVector<uint64_t> end;

  /// The arena offset of a parameter's value or gradient on `rank`, which must hold it.
  uint64_t valueOffset(llvm::StringRef name, int64_t rank) const;
  uint64_t gradientOffset(llvm::StringRef name, int64_t rank) const;
};

/// Places every parameter that a task uses at the low end of its ranks' arenas.
ParameterLayout layoutParameters(const pipeline::Program &program, mlir::ModuleOp module,
                                 int64_t replicas);

} // namespace bigmac

#endif // BIGMAC_LIB_CONVERSION_PIPELINETORT_PARAMETERCLASSES_H

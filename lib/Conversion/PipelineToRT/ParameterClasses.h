//===- ParameterClasses.h - Which ranks hold which parameters ---*- C++ -*-===//

#ifndef BIGMAC_LIB_CONVERSION_PIPELINETORT_PARAMETERCLASSES_H
#define BIGMAC_LIB_CONVERSION_PIPELINETORT_PARAMETERCLASSES_H

#include "dialects/NN/IR/NN.h"
#include "dialects/Pipeline/IR/Program.h"
#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace bigmac {

/// Parameters that the same ranks hold and, trained, the same tasks use. Regions are contiguous; a
/// trained class has, on each member, one region of values, one of gradients, a shard of each
/// optimizer moment, and one of the master copies where there are any. All of a region is of one
/// type.
struct ParameterClass {
  bool trained = false, master = false;
  /// Of a trained class.
  mlir::Type element, gradient, moment;
  llvm::SmallVector<int64_t> members;
  /// Bytes of the parameter region; trained: padded to whole shards.
  uint64_t bytes = 0;
  /// Trained: of the gradients on each member; of each moment and of the master copies there.
  uint64_t gradientBytes = 0, momentBytes = 0, masterBytes = 0;
  /// By member: offsets in its arena.
  llvm::SmallVector<int64_t> params, grads, first, second, masters;

  uint64_t optimizerBytes() const { return 2 * momentBytes + masterBytes; }
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

//===- Executable.h - From an rt program to a training executable -*- C++ -*-===//

#ifndef BIGMAC_TARGET_EXECUTABLE_H
#define BIGMAC_TARGET_EXECUTABLE_H

#include "dialects/RT/IR/RT.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace bigmac {

struct PlanOptions {
  /// For reports: the model's name and the options it was compiled with.
  std::string model, options;
  /// The runtime's device driver.
  std::string target = "cpu";
  /// Base name of the initial weights, their size, and the hash of their header.
  std::string weightsName;
  uint64_t weightsBytes = 0, weightsHeaderHash = 0;
};

/// The runtime's plan image (bigmac-rt/plan.h) of the module's one rt.program. The image is checked
/// as the runtime checks it: bounds, overlaps, matched transfers, no deadlock.
mlir::FailureOr<std::vector<unsigned char>> writePlanImage(mlir::ModuleOp module,
                                                           const PlanOptions &options);

/// Writes the initial value of every nn.parameter to a safetensors file, streaming from the files
/// that hold them. Whole or absent: written beside `path` and renamed.
struct WeightsFile {
  uint64_t bytes = 0;
  uint64_t headerHash = 0;
};
mlir::FailureOr<WeightsFile> writeWeights(mlir::ModuleOp module, llvm::StringRef path);

/// Writes an object with the plan image and the table of task functions, in the image's order.
mlir::LogicalResult writePlanObject(mlir::ModuleOp module, llvm::ArrayRef<unsigned char> image,
                                    llvm::StringRef objectPath);

/// Links objects with the training runtime. Whole or absent.
mlir::LogicalResult linkExecutable(mlir::Location loc, llvm::ArrayRef<std::string> objects,
                                   llvm::StringRef output);

} // namespace bigmac

#endif // BIGMAC_TARGET_EXECUTABLE_H

//===- CostModel.h - Where a program's seconds come from --------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COSTMODEL_H
#define BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COSTMODEL_H

#include "bigmac/Planning/DeviceModel.h"
#include "bigmac/Planning/Profile.h"
#include "mlir/IR/Operation.h"

#include <optional>

namespace bigmac::pipeline {

/// A device, and measured times where there are any.
struct CostModel {
  /// The nominal core, no profile.
  CostModel();

  planning::DeviceModel device;
  std::optional<planning::Profile> profile;

  /// By the names of the command line: a built-in device or a file, a trace or "". Errors are
  /// reported at `where`.
  static mlir::FailureOr<CostModel> load(mlir::Operation *where, llvm::StringRef device,
                                         llvm::StringRef profile);
};

} // namespace bigmac::pipeline

#endif // BIGMAC_DIALECTS_PIPELINE_TRANSFORMS_COSTMODEL_H

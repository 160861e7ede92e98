//===- Report.h - What was decided, as JSON ---------------------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_REPORT_H
#define BIGMAC_LIB_PIPELINES_REPORT_H

#include "bigmac/Pipelines/Compile.h"
#include "llvm/Support/JSON.h"

namespace bigmac {

/// The schedule's figures: as bigmac-sim's report, from the costs of the options' device and
/// profile.
mlir::FailureOr<llvm::json::Object> scheduleReport(mlir::ModuleOp scheduled,
                                                   const CompileOptions &options);
/// Bytes of each rank by class, from an rt program.
llvm::json::Array memoryReport(mlir::ModuleOp rt);
/// Writes to a file, whole or not at all; "-" is standard output.
mlir::LogicalResult writeReport(mlir::Location loc, llvm::json::Object report,
                                llvm::StringRef path);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_REPORT_H

//===- Report.h - What was decided, as JSON and as a page -------*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_REPORT_H
#define BIGMAC_LIB_PIPELINES_REPORT_H

#include "ReportPage.h"
#include "bigmac/Pipelines/Compile.h"
#include "llvm/Support/JSON.h"

namespace bigmac {

/// The schedule's figures: as bigmac-sim's report, from the costs of the options' device and
/// profile. `page` receives what a page shows of it.
mlir::FailureOr<llvm::json::Object> scheduleReport(mlir::ModuleOp scheduled,
                                                   const CompileOptions &options, ReportPage &page);
/// Bytes of each rank by class, from an rt program.
llvm::json::Array memoryReport(mlir::ModuleOp rt);
/// Writes to a file, whole or not at all; "-" is standard output.
mlir::LogicalResult writeReport(mlir::Location loc, llvm::json::Object report,
                                llvm::StringRef path);

/// Whether a report of this name is a page: FILE.html.
bool isPage(llvm::StringRef path);
/// Writes the page to options.report, with the memory of the rt program.
mlir::LogicalResult writePage(mlir::ModuleOp rt, const ReportPage &page,
                              const CompileOptions &options);

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_REPORT_H

//===- ReportPage.h - The report of a compiled program as a page -*- C++ -*-===//

#ifndef BIGMAC_LIB_PIPELINES_REPORTPAGE_H
#define BIGMAC_LIB_PIPELINES_REPORTPAGE_H

#include "bigmac/Planning/Executor.h"
#include "bigmac/Report/Content.h"
#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace bigmac {

/// A scheduled program's part of the page, kept while the program is lowered: it refers to no IR.
struct ReportPage {
  std::string name;
  planning::Schedule schedule;
  planning::Timing timing;
  planning::Figures figures;
  std::unique_ptr<planning::Dependencies> dependencies;
  double transfer = 0;
  std::vector<std::pair<std::string, std::string>> notes;

  /// Copies what `dependencies` says of the schedule's actions.
  void record(const planning::Dependencies &dependencies);

  /// The page, with the memory of the rt program in `module`. `limit` 0: none.
  mlir::FailureOr<std::string> render(mlir::ModuleOp module, const std::string &title,
                                      uint64_t limit) const;
};

} // namespace bigmac

#endif // BIGMAC_LIB_PIPELINES_REPORTPAGE_H

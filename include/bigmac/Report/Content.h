//===- Content.h - What a report shows of a schedule ------------*- C++ -*-===//
//
// The page and the trace show the same: orders and times, what waits for what, and bytes over time.
// Pure C++: no LLVM.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_REPORT_CONTENT_H
#define BIGMAC_REPORT_CONTENT_H

#include "bigmac/Planning/Executor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bigmac::report {

/// A change of the bytes that a rank holds, when an action starts or ends.
struct MemoryStep {
  /// Position in the rank's order.
  uint32_t action = 0;
  bool atEnd = false;
  /// Index of the class.
  uint32_t memoryClass = 0;
  int64_t bytes = 0;
};

/// Bytes over time by class, such as "LLM activations" or "parameters".
struct Memory {
  std::vector<std::string> classes;
  /// base[rank][class]: what is held before the first action.
  std::vector<std::vector<uint64_t>> base;
  /// steps[rank], ordered by action, at its start before at its end.
  std::vector<std::vector<MemoryStep>> steps;
  /// What a rank may hold.
  std::optional<uint64_t> limit;
};

/// One schedule. What is pointed to must outlive the report's making.
struct Content {
  std::string name;
  const planning::Schedule *schedule = nullptr;
  const planning::Timing *timing = nullptr;
  const planning::Figures *figures = nullptr;
  const planning::Dependencies *dependencies = nullptr;
  /// Seconds that a transfer takes.
  double transfer = 0;
  std::optional<Memory> memory;
  /// What else to say of it, in order: ("jitter", "30%, seed 1").
  std::vector<std::pair<std::string, std::string>> notes;
};

/// Memory by the rules of Costs::activationBytes, counted as planning::measure counts it. Absent
/// without activationBytes. Errors: those of planning::measure.
planning::Result<std::optional<Memory>> activationMemory(const planning::Schedule &schedule,
                                                         const planning::Timing &timing,
                                                         const planning::Dependencies &dependencies,
                                                         const planning::Costs &costs);

} // namespace bigmac::report

#endif // BIGMAC_REPORT_CONTENT_H

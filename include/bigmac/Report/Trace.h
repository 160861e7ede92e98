//===- Trace.h - The report as a Perfetto or Chrome trace -------*- C++ -*-===//

#ifndef BIGMAC_REPORT_TRACE_H
#define BIGMAC_REPORT_TRACE_H

#include "bigmac/Planning/Result.h"
#include "bigmac/Report/Content.h"

#include <functional>
#include <span>
#include <string_view>

namespace bigmac::report {

/// Writes the schedules in the Trace Event format (JSON object form), piece by piece. A schedule is
/// a process and a rank a thread; actions are complete events with times in microseconds, transfers
/// between ranks are flows, and memory is a counter for each rank with a series for each class.
/// Errors: as renderPage, without its limit.
planning::Status writeTrace(std::span<const Content> schedules,
                            const std::function<void(std::string_view)> &write);

} // namespace bigmac::report

#endif // BIGMAC_REPORT_TRACE_H

//===- Page.h - The report as one HTML file ---------------------*- C++ -*-===//

#ifndef BIGMAC_REPORT_PAGE_H
#define BIGMAC_REPORT_PAGE_H

#include "bigmac/Planning/Result.h"
#include "bigmac/Report/Content.h"

#include <span>
#include <string>

namespace bigmac::report {

/// Actions that one page shows, all its schedules together: a browser holds some 50 bytes for each.
inline constexpr uint64_t maxPageActions = 4u << 20;

/// A page that needs nothing beside itself: a comparison of the schedules, the timeline of each,
/// zoomed together, and its memory. `title` and all names may be any text. Deterministic.
///
/// Errors: no schedule, more actions than maxPageActions, a timing or memory that is not the
/// schedule's, dependencies on actions that it lacks.
planning::Result<std::string> renderPage(const std::string &title,
                                         std::span<const Content> schedules);

} // namespace bigmac::report

#endif // BIGMAC_REPORT_PAGE_H

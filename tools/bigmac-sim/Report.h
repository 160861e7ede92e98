//===- Report.h - Figures as JSON and as a table ----------------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H
#define BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H

#include "Simulation.h"

#include <span>
#include <string>

namespace bigmac::sim {

class OutputFile;

/// The report for programs: one JSON object, of a single schedule its figures, of several a list of
/// such objects under "schedules".
std::string jsonReport(std::span<const Simulation> simulations);

/// The report of one schedule for people.
std::string tableReport(const Simulation &simulation);

/// "30.00%, seed 1, planned 76.5 s".
std::string jitterText(const Simulation &simulation);

/// Several schedules for people, a line each.
std::string comparisonTable(std::span<const Simulation> simulations);

/// Every action as a line of JSON, rank by rank, in order. Of several schedules, a line says first
/// which it is of.
void writeActions(std::span<const Simulation> simulations, OutputFile &file);

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H

//===- Report.h - Figures as JSON and as a table ----------------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H
#define BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H

#include "Simulation.h"

#include <string>

namespace bigmac::sim {

class OutputFile;

/// The report for programs: one JSON object.
std::string jsonReport(const Simulation &simulation);

/// The report for people.
std::string tableReport(const Simulation &simulation);

/// Every action as a line of JSON, rank by rank, in order.
void writeActions(const Simulation &simulation, OutputFile &file);

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_REPORT_H

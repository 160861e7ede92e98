//===- Timeline.h - The schedule as a picture in text -----------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_TIMELINE_H
#define BIGMAC_TOOLS_BIGMAC_SIM_TIMELINE_H

#include "Simulation.h"

#include <string>

namespace bigmac::sim {

/// Ranks that fit on a terminal.
inline constexpr uint32_t mostTimelineRanks = 16;

/// A line for each rank, `columns` wide: in each column the letter of what ran longest in it, a dot
/// where idle.
std::string timeline(const Simulation &simulation, unsigned columns);

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_TIMELINE_H

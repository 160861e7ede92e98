//===- Outputs.h - Where the results go -------------------------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTS_H
#define BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTS_H

#include "Simulation.h"

#include <span>
#include <string>
#include <vector>

namespace bigmac::sim {

struct OutputOptions {
  /// The costs file, for titles.
  std::string costs;
  /// Files as the command line gives them; "-" is the standard output, empty is none.
  /// .html is the page, everything else JSON.
  std::vector<std::string> reports;
  std::string trace;
  std::string actions;
};

/// Finds what cannot be written before anything is computed.
planning::Status checkOutputs(const OutputOptions &options, const std::string &input);

/// Writes the files, all or none as far as that can be known beforehand, and the table where
/// nothing else takes the standard output.
planning::Status writeOutputs(const OutputOptions &options,
                              std::span<const Simulation> simulations);

} // namespace bigmac::sim

#endif // BIGMAC_TOOLS_BIGMAC_SIM_OUTPUTS_H

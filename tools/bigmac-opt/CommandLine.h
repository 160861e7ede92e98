//===- CommandLine.h - Options of the compiler ------------------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_OPT_COMMANDLINE_H
#define BIGMAC_TOOLS_BIGMAC_OPT_COMMANDLINE_H

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bigmac {

/// The command line as given; docs/CommandLine.md describes each option.
struct CommandLine {
  std::string input = "-", output, target = "cpu", schedule = "bigmac", loss, precision = "fp32",
              master = "fp32", grads = "fp32", compileTo, report, profile, cpu = "native",
              cacheFolder, lossWeight, device = "cpu", recompute = "auto", offload = "auto",
              packProjections = "auto", epilogues = "auto";
  int64_t ranks = 1, replicas = 1, chunks = 1, microbatches = 0, effort = 1, memoryLimit = 0,
          hostLimit = 0, workspace = 0, world = 0, globalBatch = 0;
  std::vector<std::string> dims, components, freeze, train;
  /// Names of the options that were given.
  std::set<std::string> given;
  bool automatic = false, printParameters = false, timing = false, noCache = false,
       verifyRoundTrip = false, robust = false;
};

/// Whether these arguments are for the compiler: each is an option of it or a file, and they name
/// a model, an output or a level. Anything else is for mlir-opt.
bool isCompilerCommandLine(int argc, const char *const *argv);

/// Parses, or prints help or an error. Without a value: exit with `status`.
std::optional<CommandLine> parseCommandLine(int argc, const char *const *argv, int &status);

} // namespace bigmac

#endif // BIGMAC_TOOLS_BIGMAC_OPT_COMMANDLINE_H

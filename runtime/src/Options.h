//===- Options.h - The command line of a training program -----------------===//

#ifndef BIGMAC_RT_OPTIONS_H
#define BIGMAC_RT_OPTIONS_H

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace bigmac::rt {

enum class Schedule { Constant, Linear, Cosine };

struct Options {
  std::string data, init, save, resume, log, trace, saveGradients;
  uint64_t steps = 0, saveEvery = 0;
  double lr = 1e-3, weightDecay = 0.01, eps = 1e-8, clip = 0;
  std::vector<double> betas = {0.9, 0.999};
  uint64_t warmup = 0;
  std::string schedule = "constant";
  uint64_t seed = 0;
  bool shuffle = false; // --seed was given
  double timeout = 600;
  uint32_t threads = 1;
  bool dryRun = false, deterministic = false, quiet = false;
  /// Names (without dashes) of the options on the command line; a resumed run takes the others from
  /// its checkpoint where that has them.
  std::set<std::string> given;
};

/// What the command line comes to: options to run with, or an exit status and a text to print first
/// (help to stdout, an error to stderr).
struct Parsed {
  std::optional<Options> options;
  int status = 0;
  std::string text;
};

/// `about` describes the program: its model, ranks and so on.
Parsed parseOptions(int argc, const char *const *argv, const std::string &about);

/// The factor on --lr at `step` (from 0) of `steps`: Hugging Face's get_scheduler
/// "constant_with_warmup", "linear" and "cosine": step / warmup while step < warmup, then 1, a line
/// to 0, or half a cosine to 0.
double scheduleFactor(Schedule schedule, uint64_t step, uint64_t warmup, uint64_t steps);
Schedule scheduleNamed(const std::string &name);

} // namespace bigmac::rt

#endif // BIGMAC_RT_OPTIONS_H

//===- Log.h - What a run says --------------------------------------------===//

#ifndef BIGMAC_RT_LOG_H
#define BIGMAC_RT_LOG_H

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace bigmac::rt {

/// What is known of one step.
struct StepRecord {
  uint64_t step = 0; // from 0
  uint64_t steps = 0;
  double loss = 0;
  std::vector<std::pair<std::string, double>> scalars; // the graph's other outputs
  double gradNorm = 0, lr = 0;
  uint64_t tokens = 0;
  double seconds = 0;
  double compute = 0, wait = 0, reduce = 0, optimizer = 0;              // seconds, mean over ranks
  uint64_t peakBytes = 0, rssBytes = 0, deviceBytes = 0, hostBytes = 0; // largest of all ranks
  uint64_t epoch = 0;      // passes over the data that are complete
  bool startsOver = false; // the first step of a further pass
  bool skipped = false;
  std::string weightsHash;
};

/// One line of the log. Keys: step, loss, each scalar by name (prefixed "output." where the name is
/// one of these keys), grad_norm, lr, tokens_per_s, step_seconds, peak_bytes, rss_bytes, phases
/// {compute, wait, reduce, optimizer}, epoch; where they apply: device_bytes, host_bytes,
/// data_starts_over, skipped, weights_hash. NaN and infinity are null.
std::string jsonLine(const StepRecord &record);

/// The JSON-lines file; rank 0 only. Throws RuntimeError when it cannot be opened or written.
class JsonLog {
public:
  ~JsonLog();
  void open(const std::string &path, bool append);
  void write(const StepRecord &record);

private:
  std::FILE *file = nullptr;
  std::string path;
};

/// The progress of a run for people: on a terminal one line that is drawn again and again, with the
/// loss as a curve; else plain lines, not more than about one a second.
class ProgressLine {
public:
  ProgressLine(std::FILE *out, bool quiet, bool terminal);
  ~ProgressLine();
  /// A line of its own.
  void say(const std::string &text);
  /// Likewise, to stderr and even when quiet.
  void warn(const std::string &text);
  void step(const StepRecord &record);

private:
  void clear();
  std::string line(const StepRecord &record) const;

  std::FILE *out;
  bool quiet, terminal;
  bool drawn = false, saidStartsOver = false;
  std::vector<double> curve; // mean losses of equal spans of steps
  uint64_t inSpan = 0, span = 1;
  uint64_t lastPrint = 0, firstStep = UINT64_MAX, begin = 0;
};

/// Whether rank 0's output ends on a terminal: under mpirun it passes through a pseudo-terminal
/// even when mpirun's own output is a file, so the parent's is looked at.
bool outputIsTerminal(bool underMpirun);

} // namespace bigmac::rt

#endif // BIGMAC_RT_LOG_H

//===- Trace.h - What each rank did when ----------------------------------===//

#ifndef BIGMAC_RT_TRACE_H
#define BIGMAC_RT_TRACE_H

#include "bigmac-rt/Comm.h"
#include "bigmac-rt/PlanView.h"

#include <cstdint>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Records into a buffer made beforehand; what does not fit is dropped and counted.
class Trace {
public:
  /// Off until this is called; `events` is the size of the buffer.
  void enable(size_t events);
  bool on() const { return capacity != 0; }
  /// Times in the file count from here.
  void setOrigin(uint64_t ns) { origin = ns; }
  void setStep(uint64_t value) { step = value; }

  void add(const bm_instr &instr, uint64_t begin, uint64_t end) {
    add({&instr, nullptr, begin, end, step});
  }
  /// Something after the program: "gradient sums", "optimizer", ...; `name` must stay.
  void add(const char *name, uint64_t begin, uint64_t end) {
    add({nullptr, name, begin, end, step});
  }

  /// Chrome trace events, comma-separated: instructions on thread 0, the actions they make up
  /// around them.
  std::string events(const PlanView &plan, uint32_t worldRank) const;

private:
  struct Event {
    const bm_instr *instr;
    const char *name;
    uint64_t begin, end, step;
  };
  void add(const Event &event) {
    if (buffer.size() < capacity)
      buffer.push_back(event);
    else
      ++dropped;
  }

  std::vector<Event> buffer;
  size_t capacity = 0;
  uint64_t origin = 0, step = 0, dropped = 0;
};

/// Collective: rank 0 writes every rank's events to `path`.
void writeTrace(const Trace &trace, const PlanView &plan, Comm &comm, const std::string &path);

} // namespace bigmac::rt

#endif // BIGMAC_RT_TRACE_H

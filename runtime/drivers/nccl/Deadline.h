//===- Deadline.h - A bound on calls that cannot be interrupted -----------===//

#ifndef BIGMAC_RT_DEADLINE_H
#define BIGMAC_RT_DEADLINE_H

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace bigmac::rt {

/// While it lives, a thread watches the clock: after `seconds` (0: for ever) it says what was
/// waited for and ends the process. For library calls that wait for other ranks and cannot be told
/// to stop.
class Deadline {
public:
  Deadline(double seconds, uint32_t rank, std::string what);
  ~Deadline();

private:
  void watch(double seconds, uint32_t rank, const std::string &what);

  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  std::thread thread;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_DEADLINE_H

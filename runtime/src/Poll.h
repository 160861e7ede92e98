//===- Poll.h - Bounded waiting -------------------------------------------===//

#ifndef BIGMAC_RT_POLL_H
#define BIGMAC_RT_POLL_H

#include <chrono>
#include <ctime>
#include <sched.h>
#include <string>

namespace bigmac::rt {

/// Throws the timeout's error: "rank waited SECONDS s for WHOM during WHAT".
[[noreturn]] void throwTimeout(double seconds, const std::string &whom, const char *what);

/// For the message of a rank that is ended from outside while it waits: set while waiting, else
/// null. Read by a signal handler, so it points to text that stays.
void setWaiting(const char *what);

/// What setWaiting said last.
const char *waitingFor();

/// Polls until something is done, giving the core to others meanwhile.
class Poll {
public:
  void setTimeout(double seconds) { timeout = seconds; }
  void setOperation(const char *what) { operation = what; }
  const char *what() const { return operation; }
  /// More ranks than cores: sleep soon, so that those who compute get the cores.
  void setCrowded(bool value) { crowded = value; }

  /// `done` returns whether to stop, `whom` says who is waited for.
  template <typename Done, typename Whom> void until(Done done, Whom whom) {
    for (int i = 0; i < 64; ++i)
      if (done())
        return;
    using Clock = std::chrono::steady_clock;
    auto begin = Clock::now();
    struct Waiting {
      explicit Waiting(const char *what) { setWaiting(what); }
      ~Waiting() { setWaiting(nullptr); } // after a throw as well: the text may go
    } waiting(operation);
    for (uint64_t round = 1; !done(); ++round) {
      double waited = std::chrono::duration<double>(Clock::now() - begin).count();
      if (timeout > 0 && waited > timeout)
        throwTimeout(waited, whom(), operation);
      if (crowded && round > 16) {
        timespec pause{0, waited < 0.001 ? 20000 : 100000};
        nanosleep(&pause, nullptr);
      } else if (waited > 10) {
        timespec pause{0, 1000000};
        nanosleep(&pause, nullptr);
      } else {
        sched_yield();
      }
    }
  }

private:
  double timeout = 0;
  const char *operation = "start-up";
  bool crowded = false;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_POLL_H

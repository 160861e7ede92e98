#include "Deadline.h"

#include <chrono>
#include <cstdio>
#include <unistd.h>

namespace bigmac::rt {

Deadline::Deadline(double seconds, uint32_t rank, std::string what) {
  if (seconds > 0)
    thread = std::thread([=, this] { watch(seconds, rank, what); });
}

Deadline::~Deadline() {
  if (!thread.joinable())
    return;
  {
    std::lock_guard lock(mutex);
    done = true;
  }
  changed.notify_one();
  thread.join();
}

void Deadline::watch(double seconds, uint32_t rank, const std::string &what) {
  std::unique_lock lock(mutex);
  if (changed.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return done; }))
    return;
  std::fprintf(stderr,
               "error: rank %u: waited %.0f s for: %s; that rank or one that it waits for has "
               "ended, stopped or hangs (--timeout sets the limit)\n",
               rank, seconds, what.c_str());
  std::fflush(nullptr);
  _exit(1);
}

} // namespace bigmac::rt

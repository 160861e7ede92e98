#include "Poll.h"

#include "bigmac-rt/Error.h"

#include <atomic>
#include <cstdio>
#include <cstring>

namespace bigmac::rt {

static std::atomic<const char *> waiting = nullptr;

void setWaiting(const char *what) { waiting.store(what, std::memory_order_relaxed); }
const char *waitingFor() { return waiting.load(std::memory_order_relaxed); }

void throwTimeout(double seconds, const std::string &whom, const char *what) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.0f s", seconds);
  // Transfers of the plan name the rank themselves.
  std::string operation = what;
  if (!operation.starts_with(whom))
    operation = whom + " (" + operation + ")";
  throw RuntimeError("waited " + std::string(text) + " for: " + operation +
                     "; that rank or one that it waits for has ended, stopped or hangs (--timeout "
                     "sets the limit)");
}

std::string systemError(const std::string &path, int error) {
  return path + ": " + std::strerror(error);
}

} // namespace bigmac::rt

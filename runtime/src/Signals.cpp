#include "Signals.h"

#include "Poll.h"

#include <csignal>
#include <cstring>
#include <unistd.h>

namespace bigmac::rt {

static char prefix[32];

/// A library that put its handler before ours and calls ours would get the signal again, without
/// end, if the default were not set first.
static void die(int signal) {
  ::signal(signal, SIG_DFL);
  raise(signal);
}

/// Only what a signal handler may call.
static void sayAndDie(int signal, const char *what, const char *detail) {
  char line[512];
  size_t n = 0;
  for (const char *part : {static_cast<const char *>(prefix), what, detail, "\n"})
    for (; *part && n < sizeof(line); ++part)
      line[n++] = *part;
  ssize_t ignored = write(STDERR_FILENO, line, n);
  static_cast<void>(ignored);
  die(signal);
}

static void onTerminate(int signal) {
  const char *what = waitingFor();
  if (what)
    sayAndDie(signal, ": ended from outside while it waited: ", what);
  die(signal);
}

static void onBus(int signal) {
  sayAndDie(signal, ": a mapped file (data or weights) was cut or cannot be read", "");
}

void installSignalHandlers(uint32_t rank) {
  char digits[12];
  int n = 0;
  do
    digits[n++] = static_cast<char>('0' + rank % 10);
  while (rank /= 10);
  std::strcpy(prefix, "rank ");
  for (size_t at = 5; n > 0; ++at)
    prefix[at] = digits[--n];
  struct sigaction action{};
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  action.sa_handler = onTerminate;
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = onBus;
  sigaction(SIGBUS, &action, nullptr);
}

} // namespace bigmac::rt

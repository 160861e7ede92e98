// Last words of a rank that is ended from outside.

#include "Signals.h"
#include "Poll.h"

#include <csignal>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace bigmac::rt;

namespace {

struct sigaction before;

/// As libraries do that put a handler of their own before the one they find.
void callTheOneBefore(int signal) { before.sa_handler(signal); }

TEST(SignalsDeathTest, SaysOnceWhatItWaitedForAndDiesOfTheSignal) {
  auto endWithChain = [] {
    alarm(10); // a hang is a failure
    installSignalHandlers(3);
    struct sigaction chain{};
    chain.sa_handler = callTheOneBefore;
    chain.sa_flags = SA_NODEFER;
    sigaction(SIGTERM, &chain, &before);
    setWaiting("gradient sums");
    raise(SIGTERM);
  };
  EXPECT_EXIT(endWithChain(), testing::KilledBySignal(SIGTERM),
              "^rank 3: ended from outside while it waited: gradient sums\n$");
}

} // namespace

//===- Together.h - Errors that all ranks agree on ------------------------===//

#ifndef BIGMAC_RT_TOGETHER_H
#define BIGMAC_RT_TOGETHER_H

#include "bigmac-rt/Comm.h"
#include "bigmac-rt/Error.h"

#include <functional>
#include <string>

namespace bigmac::rt {

/// Prints a line to stderr. Control characters (names come from files) are replaced.
void printError(const std::string &message);

/// Every rank calls this with its part of the work. If the work throws on some rank, rank 0 prints
/// each different message once, and every rank throws Exit{1}: none is left waiting for another.
void together(Comm &comm, const std::function<void()> &work);

/// As together(), but returns the messages (on rank 0; elsewhere a non-empty text) instead; empty
/// when the work succeeded everywhere.
std::string tryTogether(Comm &comm, const std::function<void()> &work);

} // namespace bigmac::rt

#endif // BIGMAC_RT_TOGETHER_H

//===- Error.h - Errors of the runtime ------------------------------------===//

#ifndef BIGMAC_RT_ERROR_H
#define BIGMAC_RT_ERROR_H

#include <stdexcept>
#include <string>

namespace bigmac::rt {

/// Something outside the program is wrong (files, memory, other ranks). The message says what was
/// expected, what was found, where, and what to do.
class RuntimeError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

/// Ends this rank with `status`; whatever there was to say has been said.
struct Exit {
  int status;
};

/// "path: text of errno".
std::string systemError(const std::string &path, int error);

} // namespace bigmac::rt

#endif // BIGMAC_RT_ERROR_H

//===- DynamicLibrary.h - Libraries that may be absent --------------------===//

#ifndef BIGMAC_RT_DYNAMICLIBRARY_H
#define BIGMAC_RT_DYNAMICLIBRARY_H

#include <string>

namespace bigmac::rt {

/// A shared library that is loaded when it is first needed, and stays. Programs for GPUs are built
/// and started on machines without any: what is missing must be a message there, not a program that
/// the system's loader refuses.
class DynamicLibrary {
public:
  /// Looks for `soname` as the system does (LD_LIBRARY_PATH first), then in the folders that were
  /// found when the runtime was built. RuntimeError: `soname` was not found, and `hint`.
  DynamicLibrary(const std::string &soname, const std::string &hint);

  /// RuntimeError if the library lacks it.
  template <typename Fn> void find(Fn &function, const char *name) const {
    function = reinterpret_cast<Fn>(find(name));
  }
  /// For dlsym().
  void *native() const { return handle; }

private:
  void *find(const char *name) const;

  std::string soname;
  void *handle;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_DYNAMICLIBRARY_H

#include "DynamicLibrary.h"

#include "bigmac-rt/Error.h"

#include <dlfcn.h>
#include <sstream>

namespace bigmac::rt {

DynamicLibrary::DynamicLibrary(const std::string &soname, const std::string &hint)
    : soname(soname), handle(dlopen(soname.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  std::string reason = handle ? "" : dlerror();
  std::istringstream folders(BM_CUDA_LIBRARY_DIRS);
  for (std::string folder; !handle && std::getline(folders, folder, ':');)
    handle = dlopen((folder + "/" + soname).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw RuntimeError("cannot load " + soname + " (" + reason + "): " + hint);
}

void *DynamicLibrary::find(const char *name) const {
  void *function = dlsym(handle, name);
  if (!function)
    throw RuntimeError(soname + " has no " + name + ": a newer one is needed");
  return function;
}

} // namespace bigmac::rt

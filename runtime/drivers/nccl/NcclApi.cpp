#include "NcclApi.h"

#include "../common/DynamicLibrary.h"
#include "bigmac-rt/Error.h"

namespace bigmac::rt {

static std::string versionText(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

static NcclApi load() {
  DynamicLibrary library("libnccl.so.2",
                         "ranks on several GPUs need NCCL; install it (libnccl2 or the wheel "
                         "nvidia-nccl-cu13) and name its folder in LD_LIBRARY_PATH");
  NcclApi api;
#define BM_NCCL_FIND(name) library.find(api.name, #name);
  BM_NCCL_FUNCTIONS(BM_NCCL_FIND)
  int version = 0;
  api.check(api.ncclGetVersion(&version), "asking for its version");
  // The layout of ncclConfig_t may only grow.
  if (version < NCCL_VERSION_CODE)
    throw RuntimeError("NCCL " + versionText(version) + " is older than " +
                       versionText(NCCL_VERSION_CODE) + ", which this was built with");
  return api;
}

const NcclApi &ncclApi() {
  static const NcclApi api = load();
  return api;
}

void NcclApi::check(ncclResult_t code, const std::string &what) const {
  if (code == ncclSuccess)
    return;
  std::string text = "NCCL: " + what + ": " + ncclGetErrorString(code);
  if (const char *details = ncclGetLastError(nullptr); details && *details)
    text += ": " + std::string(details);
  throw RuntimeError(text);
}

} // namespace bigmac::rt

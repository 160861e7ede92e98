//===- CallTimes.h - How long each call takes on a GPU --------------------===//

#ifndef BIGMAC_RT_CUDA_CALLTIMES_H
#define BIGMAC_RT_CUDA_CALLTIMES_H

#include "CudaApi.h"

#include <map>
#include <string>
#include <vector>

namespace bigmac::rt {

/// Times of calls on one stream, from events around each, so with the gap before it where the host
/// issues too slowly. Added up by the call's description and the action that it is in.
class CallTimes {
public:
  CallTimes(const CudaApi &api, CUstream stream) : api(api), stream(stream) {}
  ~CallTimes();

  void begin();
  /// Of the call since begin().
  void end(const std::string &action, const std::string &call);
  /// Reads the events of the calls so far; the stream must be empty.
  void collect();
  /// A line for each call, the longest in all first: "SECONDS COUNT LEAST_SECONDS ACTION CALL",
  /// with tabs between them.
  std::string table() const;

private:
  struct Pending {
    CUevent begin, end;
    std::string name;
  };
  struct Sum {
    double seconds = 0, least = 0;
    uint64_t count = 0;
  };
  CUevent record();

  const CudaApi &api;
  CUstream stream;
  CUevent begun = nullptr;
  std::vector<CUevent> unused;
  std::vector<Pending> pending;
  std::map<std::string, Sum> sums;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDA_CALLTIMES_H

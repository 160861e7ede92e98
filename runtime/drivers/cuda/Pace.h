//===- Pace.h - How far the host is ahead of a stream ----------------------===//
//
// The driver queues about a thousand operations of a stream. A call into a full queue waits for the
// device inside the driver, where nobody sees that the rank which the device waits for has ended,
// and where other streams, for which that rank waits, get nothing.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_RT_PACE_H
#define BIGMAC_RT_PACE_H

#include "CudaApi.h"

#include <cstdint>
#include <iterator>

namespace bigmac::rt {

/// Lets at most four times `stride` calls to one stream be issued and not done.
class Pace {
public:
  Pace(const CudaApi &api, uint64_t stride) : api(api), stride(stride) {}
  Pace(const Pace &) = delete;
  Pace &operator=(const Pace &) = delete;
  ~Pace() {
    for (CUevent event : events)
      if (event)
        api.cuEventDestroy(event);
  }

  /// CUDA_ERROR_NOT_READY: the next call has to wait. What else is no success, an earlier call has
  /// done.
  CUresult ready() const {
    CUevent event = events[issued / stride % std::size(events)];
    return issued % stride == 0 && event ? api.cuEventQuery(event) : CUDA_SUCCESS;
  }

  /// To be called before each call.
  CUresult issue(CUstream stream) {
    CUevent &event = events[issued / stride % std::size(events)];
    CUresult code = CUDA_SUCCESS;
    if (issued++ % stride != 0)
      return code;
    if (!event)
      code = api.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
    return code == CUDA_SUCCESS ? api.cuEventRecord(event, stream) : code;
  }

private:
  const CudaApi &api;
  const uint64_t stride;
  CUevent events[3] = {}; // each before so many calls, in turn
  uint64_t issued = 0;
};

} // namespace bigmac::rt

#endif // BIGMAC_RT_PACE_H

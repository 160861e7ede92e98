//===- CudaTasks.h - Whose task is running --------------------------------===//

#ifndef BIGMAC_RT_CUDATASKS_H
#define BIGMAC_RT_CUDATASKS_H

namespace bigmac::rt {

class CudaDevice;

/// The device that bm_cuda_launch() and its like mean; null when there is none.
void setTaskDevice(CudaDevice *device);

} // namespace bigmac::rt

#endif // BIGMAC_RT_CUDATASKS_H

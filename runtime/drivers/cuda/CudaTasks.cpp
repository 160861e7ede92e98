#include "CudaTasks.h"

#include "CudaDevice.h"

namespace bigmac::rt {

static CudaDevice *current = nullptr;

void setTaskDevice(CudaDevice *device) { current = device; }

} // namespace bigmac::rt

using bigmac::rt::current;

/// Generated code cannot unwind: an error is remembered for when the task has returned.
template <typename Call> static void guarded(Call call) {
  try {
    call();
  } catch (const bigmac::rt::RuntimeError &error) {
    current->fail(error.what());
  }
}

extern "C" void bm_cuda_launch(uint32_t index, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z,
                               uint32_t block_x, uint32_t block_y, uint32_t block_z,
                               void **params) {
  const uint32_t grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  current->launch(index, grid, block, params);
}

extern "C" void bm_cuda_matmul_run(uint32_t index, const void *a, const void *b, void *c,
                                   const void *bias) {
  guarded([&] { current->matmul(index, a, b, c, bias); });
}

extern "C" void *bm_cuda_stream(void) { return current->computeStream(); }

extern "C" void bm_cuda_fail(const char *what) { current->fail(what); }

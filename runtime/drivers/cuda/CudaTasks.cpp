#include "CudaTasks.h"

#include "CudaDevice.h"

#include <exception>

namespace bigmac::rt {

static CudaDevice *current = nullptr;

void setTaskDevice(CudaDevice *device) { current = device; }

} // namespace bigmac::rt

using bigmac::rt::current;

/// Generated code cannot unwind: an error is remembered for when the task has returned.
template <typename Call> static void guarded(Call call) {
  try {
    call();
  } catch (const std::exception &error) {
    current->fail(error.what());
  }
}

extern "C" void bm_cuda_launch(uint32_t index, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z,
                               uint32_t block_x, uint32_t block_y, uint32_t block_z,
                               void **params) {
  const uint32_t grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  guarded([&] { current->launch(index, grid, block, params); });
}

extern "C" void bm_cuda_matmul_run(uint32_t index, const void *a, const void *b, void *c,
                                   const void *bias) {
  guarded([&] { current->matmul(index, a, b, c, bias); });
}

extern "C" void bm_cuda_attention_forward(uint32_t index, const void *q, const void *k,
                                          const void *v, const void *mask, void *o,
                                          float *logsumexp) {
  guarded([&] { current->attentionForward(index, q, k, v, mask, o, logsumexp); });
}

extern "C" void bm_cuda_attention_backward(uint32_t index, const void *q, const void *k,
                                           const void *v, const void *mask, const void *o,
                                           const float *logsumexp, const void *grad_o, void *grad_q,
                                           void *grad_k, void *grad_v) {
  guarded([&] {
    current->attentionBackward(index, q, k, v, mask, o, logsumexp, grad_o, grad_q, grad_k, grad_v);
  });
}

extern "C" void bm_cuda_scatter_rows(void *table, uint32_t table_type, int64_t table_rows,
                                     int64_t width, const void *ids, uint32_t id_bytes,
                                     int64_t count, const void *rows, uint32_t rows_type) {
  guarded([&] {
    current->scatterRows(table, table_type, table_rows, width, ids, id_bytes, count, rows,
                         rows_type);
  });
}

extern "C" void bm_cuda_check_indices(const void *indices, uint32_t index_bytes, int64_t count,
                                      int64_t lowest, int64_t size, int64_t ignored) {
  guarded([&] { current->checkIndices(indices, index_bytes, count, lowest, size, ignored); });
}

extern "C" void *bm_cuda_index_error_record(void) { return current->indexErrorRecord(); }

extern "C" void *bm_cuda_stream(void) { return current->computeStream(); }

extern "C" void bm_cuda_fail(const char *what) { current->fail(what); }

// What tasks call: the functions of cuda.h, and what the device does for each.

#include "CudaTasks.h"

#include "CudaDevice.h"
#include "LibraryCalls.h"
#include "kernels.h"

#include <exception>

namespace bigmac::rt {

static CudaDevice *current = nullptr;

void setTaskDevice(CudaDevice *device) { current = device; }

void CudaDevice::fail(const std::string &what) {
  if (failure.empty())
    failure = what;
}

void CudaDevice::launch(uint32_t kernel, const uint32_t grid[3], const uint32_t block[3],
                        void **params) {
  if (!failure.empty())
    return;
  if (kernel >= taskKernels.size())
    return fail("the program launches kernel " + std::to_string(kernel) + " of " +
                std::to_string(taskKernels.size()));
  pace();
  beginCall();
  CUresult code =
      api.cuLaunchKernel(taskKernels[kernel], grid[0], grid[1], grid[2], block[0], block[1],
                         block[2], program->kernels[kernel].shared_bytes, stream, params, nullptr);
  if (code == CUDA_SUCCESS && lists == CudaLists::Check)
    code = drain();
  if (code != CUDA_SUCCESS)
    fail("CUDA: kernel " + std::string(program->kernels[kernel].name) + ", " +
         std::to_string(grid[0]) + " x " + std::to_string(grid[1]) + " x " +
         std::to_string(grid[2]) + " blocks of " + std::to_string(block[0]) + " x " +
         std::to_string(block[1]) + " x " + std::to_string(block[2]) +
         " threads: " + cudaErrorText(code));
  endCall([&] { return program->kernels[kernel].name; });
}

template <typename Call> void CudaDevice::callLibrary(const std::string &what, Call call) {
  if (!failure.empty())
    return;
  pace();
  beginCall();
  call();
  if (lists == CudaLists::Check)
    checkCuda(drain(), [&] { return what + " of the program on " + titleText; });
  endCall([&] { return what; });
}

void CudaDevice::matmul(uint32_t index, const MatmulPointers &at) {
  std::string what = "matmul " + std::to_string(index);
  if (!matmuls)
    throw RuntimeError("the program runs " + what + " of 0");
  if (times && index < program->matmul_count)
    what += ": " + describe(program->matmuls[index]);
  callLibrary(what, [&] { matmuls->run(index, at); });
}

void CudaDevice::attentionForward(uint32_t index, const void *q, const void *k, const void *v,
                                  const void *mask, void *o, float *logsumexp) {
  std::string what = "attention " + std::to_string(index);
  if (!attentions)
    throw RuntimeError("the program runs " + what + " of 0");
  if (times && index < program->attention_count)
    what += ": " + describe(program->attentions[index]);
  callLibrary(what, [&] { attentions->forward(index, q, k, v, mask, o, logsumexp); });
}

void CudaDevice::attentionBackward(uint32_t index, const void *q, const void *k, const void *v,
                                   const void *mask, const void *o, const float *logsumexp,
                                   const void *gradO, void *gradQ, void *gradK, void *gradV) {
  std::string what = "the backward of attention " + std::to_string(index);
  if (!attentions)
    throw RuntimeError("the program runs " + what + " of 0");
  if (times && index < program->attention_count)
    what += ": " + describe(program->attentions[index]);
  callLibrary(what, [&] {
    attentions->backward(index, q, k, v, mask, o, logsumexp, gradO, gradQ, gradK, gradV);
  });
}

void CudaDevice::scatterRows(void *table, uint32_t tableType, int64_t tableRows, int64_t width,
                             const void *ids, uint32_t idBytes, int64_t count, const void *rows,
                             uint32_t rowsType) {
  std::string what = "adding " + std::to_string(count) + " rows to a table of " +
                     std::to_string(tableRows) + " x " + std::to_string(width);
  for (uint32_t type : {tableType, rowsType})
    if (type != BM_F32 && type != BM_BF16)
      throw RuntimeError(what + ": expected f32 or bf16 (bm_dtype 1 or 3), found " +
                         std::to_string(type));
  constexpr int64_t columns = int64_t(cuda::kBlock) * cuda::kScatterElements;
  int64_t parts = (width + columns - 1) / columns;
  if (count < 0 || width < 0 || tableRows < 0 || count > INT32_MAX || parts > 65535 ||
      (idBytes != 4 && idBytes != 8))
    throw RuntimeError(what + ": with ids of " + std::to_string(idBytes) +
                       " bytes, which is not supported");
  if (count == 0 || width == 0)
    return;
  cuda::ScatterRows how{tableType, rowsType, idBytes, 0, tableRows, width, count};
  void *record = indexErrorRecord();
  void *params[] = {&table, &ids, &rows, &how, &record};
  callLibrary(what, [&] {
    checkCuda(api.cuLaunchKernel(scatterKernel, static_cast<unsigned>(count),
                                 static_cast<unsigned>(parts), 1, cuda::kBlock, 1, 1, 0, stream,
                                 params, nullptr),
              [&] { return what; });
  });
}

void CudaDevice::checkIndices(const void *indices, uint32_t indexBytes, int64_t count,
                              int64_t lowest, int64_t size, int64_t ignored) {
  std::string what = "a check of " + std::to_string(count) + " indices";
  if (count < 0 || count > INT32_MAX || (indexBytes != 4 && indexBytes != 8))
    throw RuntimeError(what + " of " + std::to_string(indexBytes) +
                       " bytes, which is not supported");
  if (count == 0)
    return;
  cuda::CheckIndices how{indexBytes, 0, count, lowest, size, ignored};
  void *record = indexErrorRecord();
  void *params[] = {&indices, &how, &record};
  callLibrary(what, [&] {
    checkCuda(api.cuLaunchKernel(checkIndicesKernel,
                                 static_cast<unsigned>((count + cuda::kBlock - 1) / cuda::kBlock),
                                 1, 1, cuda::kBlock, 1, 1, 0, stream, params, nullptr),
              [&] { return what; });
  });
}

void *CudaDevice::indexErrorRecord() {
  looksForIndexErrors = true;
  return reinterpret_cast<void *>(scratch + kIndexError);
}

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
                                   void *vector, void *aux) {
  guarded([&] { current->matmul(index, {a, b, c, vector, aux}); });
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
